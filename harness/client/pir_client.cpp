#include "harness/client/pir_client.hpp"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "core/bytes.hpp"
#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "core/epoch.hpp"
#include "harness/client/common_epoch.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::client {
namespace {

using protocol::Encoding;
using protocol::EpochDocument;
using protocol::EpochEntry;

constexpr unsigned max_attempts = 100;
constexpr std::size_t candidates_per_key = std::tuple_size_v<table::Candidates>;
constexpr std::chrono::milliseconds longest_backoff{10'000};

void wipe(dpf::Key& key) noexcept {
  ::sodium_memzero(&key.seed, sizeof key.seed);
  ::sodium_memzero(key.levels.data(), key.levels.size() * sizeof(dpf::LevelCorrection));
  ::sodium_memzero(&key.value_correction, sizeof key.value_correction);
}

// The keys of one request to both servers, and the bodies they travel in; wiped on every way out.
struct Secrets {
  std::array<protocol::QueryRequest, 2> requests;  // by party
  std::array<std::string, 2> bodies;

  Secrets() = default;
  Secrets(const Secrets&) = delete;
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets() {
    for (auto& request : requests) std::for_each(request.keys.begin(), request.keys.end(), wipe);
    for (auto& body : bodies) ::sodium_memzero(body.data(), body.size());
  }
};

std::string_view as_text(const std::vector<std::byte>& bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_transport_error(ErrorCode code) noexcept {
  return code == ErrorCode::unreachable || code == ErrorCode::timed_out;
}

bool is_passing_status(int status) noexcept {
  return status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
}

// What one server's reply comes to: an error, and whether asking again may help.
struct Refusal {
  Error error;
  bool passing = false;
};

// Nothing if the reply is a 200 of the media type.
std::optional<Refusal> refusal(const std::string& server, const Result<TransportResponse>& reply,
                               std::string_view media_type) {
  if (!reply) return Refusal{reply.error(), is_transport_error(reply.error().code)};
  if (reply->status == 200) {
    if (reply->content_type == media_type) return std::nullopt;
    return Refusal{{ErrorCode::bad_answer,
                    "server " + server + " sent an answer of another media type than it should"},
                   false};
  }
  if (reply->status < 400) {
    return Refusal{
        {ErrorCode::bad_answer, "server " + server + " answered with status " +
                                    std::to_string(reply->status) + ", which is not one of Gyre's"},
        false};
  }
  std::optional<ErrorCode> code;
  if (reply->content_type == protocol::problem_media_type) {
    if (const auto problem = protocol::decode_problem(as_text(reply->body))) {
      // Our own sentence for a code of our own; nothing a server wrote is passed on.
      code = protocol::known_code(*problem);
    }
  }
  const std::string reason =
      code ? std::string(meaning(*code)) + " (" + std::string(name(*code)) + ")"
           : "status " + std::to_string(reply->status);
  Error error{ErrorCode::server_refused, "server " + server + " refused: " + reason};
  if (reply->status == 410 && (!code || *code == ErrorCode::epoch_gone)) {
    error.code = ErrorCode::epoch_gone;
    return Refusal{std::move(error), true};
  }
  return Refusal{std::move(error), is_passing_status(reply->status)};
}

// "<boot>:<n>". Nothing if the number does not fit 64 bits.
std::optional<Generation> parse_generation(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Generation generation{std::string(text.substr(0, colon)), 0};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, generation.count);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return generation;
}

// Answers of party 0 and 1 together are the records; XOR looks at nothing.
void add_share(std::span<std::byte> records, std::span<const std::byte> share) noexcept {
  std::transform(records.begin(), records.end(), share.begin(), records.begin(),
                 [](std::byte a, std::byte b) { return a ^ b; });
}

tl::unexpected<Error> no_memory() {
  return fail(ErrorCode::out_of_memory, "there is not enough memory for a query and its answers");
}

}  // namespace

struct PirClient::Server {
  std::unique_ptr<Transport> transport;
  std::uint8_t party = 0;                    // as in the documents that epoch_ was chosen from
  std::optional<Generation> newest_current;  // that it ever called current
  Traffic traffic;
  Result<TransportResponse> reply = TransportResponse{};  // to the exchange under way

  [[nodiscard]] Result<EpochDocument> read_document() {
    auto document = protocol::decode_epoch_document(as_text(reply->body));
    if (!document) {
      document.error().message = "server " + transport->server() + ": " + document.error().message;
      return document;
    }
    const auto generation = parse_generation(document->current.generation);
    if (!generation || generation->boot != document->boot) {
      return fail(ErrorCode::bad_answer, "server " + transport->server() +
                                             " names its current epoch's generation wrongly");
    }
    if (newest_current && newest_current->boot == generation->boot &&
        generation->count < newest_current->count) {
      return fail(ErrorCode::bad_answer,
                  "server " + transport->server() +
                      " went back to an epoch older than one it had published");
    }
    newest_current = generation;
    return document;
  }
};

// Records of one request, already the sum of both answers, not yet looked at.
struct PirClient::Exchanged {
  std::shared_ptr<const EpochEntry> epoch;
  std::size_t count = 0;
  std::vector<std::byte> records;
};

// The second server's exchange runs on this thread while the caller's does the first's.
class PirClient::Companion {
 public:
  Companion() : thread_([this] { run(); }) {}
  ~Companion() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;

  // Runs both, returns once both are done. Neither may throw.
  template <typename Here, typename There>
  void run_both(Here&& here, There&& there) {
    std::function<void()> job(std::ref(there));
    {
      const std::lock_guard lock(mutex_);
      job_.swap(job);
      busy_ = true;
    }
    changed_.notify_all();
    here();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !busy_; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return busy_ || stop_; });
      if (stop_) return;
      lock.unlock();
      job_();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> job_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: it uses what stands above
};

PirClient::PirClient(std::unique_ptr<Transport> first, std::unique_ptr<Transport> second,
                     const ClientOptions& options, RandomSource* random)
    : options_(options),
      random_(random == nullptr ? system_random_ : *random),
      servers_{std::make_unique<Server>(), std::make_unique<Server>()},
      companion_(std::make_unique<Companion>()) {
  servers_[0]->transport = std::move(first);
  servers_[1]->transport = std::move(second);
}

PirClient::~PirClient() = default;

Result<std::unique_ptr<PirClient>> PirClient::connect(std::unique_ptr<Transport> first,
                                                      std::unique_ptr<Transport> second,
                                                      const ClientOptions& options,
                                                      RandomSource* random) {
  if (options.attempts < 1 || options.attempts > max_attempts) {
    return fail(ErrorCode::bad_configuration, "the number of attempts must be from 1 to 100");
  }
  if (options.keys_per_request < candidates_per_key) {
    return fail(ErrorCode::bad_configuration, "a request must have room for at least 3 keys");
  }
  if (options.first_backoff < std::chrono::milliseconds(0)) {
    return fail(ErrorCode::bad_configuration, "the wait between attempts must not be negative");
  }
  if (first->server() == second->server()) {
    return fail(
        ErrorCode::bad_configuration,
        "the two servers have the same address; a private lookup needs two that do not collude");
  }
  try {
    std::unique_ptr<PirClient> client(
        new PirClient(std::move(first), std::move(second), options, random));
    if (auto refreshed = client->refresh(); !refreshed) return forward_error(refreshed);
    return client;
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::system_error&) {
    return fail(ErrorCode::internal, "no thread could be started to ask both servers at once");
  }
}

const std::shared_ptr<const EpochEntry>& PirClient::epoch() const noexcept {
  return epoch_;
}

const Traffic& PirClient::traffic(std::size_t server) const noexcept {
  return servers_[server]->traffic;
}

void PirClient::ask_both(const std::function<void(Server&)>& ask) {
  const auto guarded = [&ask](Server& server) noexcept {
    try {
      ask(server);
    } catch (const std::exception&) {
      server.reply = no_memory();
    }
    ++server.traffic.requests;
    if (server.reply) server.traffic.bytes_down += server.reply->body.size();
  };
  companion_->run_both([&] { guarded(*servers_[0]); }, [&] { guarded(*servers_[1]); });
}

Result<void> PirClient::retrying(const std::function<Result<void>(bool& retry)>& attempt) {
  auto backoff = std::min(options_.first_backoff, longest_backoff);
  bool gone_before = false;
  for (unsigned done = 1;; ++done) {
    bool retry = false;
    auto result = attempt(retry);
    if (result || !retry) return result;
    if (done >= options_.attempts) {
      if (done > 1) result.error().message += ", in " + std::to_string(done) + " attempts";
      return result;
    }
    // An epoch that is gone has a successor to be asked at once; one that goes away under every
    // attempt is better waited for.
    if (result.error().code == ErrorCode::epoch_gone && !std::exchange(gone_before, true)) continue;
    std::this_thread::sleep_for(backoff);
    backoff = std::min(backoff * 2, longest_backoff);
  }
}

Result<void> PirClient::refresh() try {
  return retrying([this](bool& retry) { return choose_epoch(retry); });
} catch (const std::bad_alloc&) {
  return no_memory();
}

Result<void> PirClient::choose_epoch(bool& retry) {
  ask_both([](Server& server) {
    server.reply = server.transport->get("/epoch", protocol::max_epoch_document_bytes);
  });

  std::array<EpochDocument, 2> documents;
  std::optional<Error> passing;
  for (std::size_t i = 0; i < 2; ++i) {
    Server& server = *servers_[i];
    auto refused =
        refusal(server.transport->server(), server.reply, protocol::media_type(Encoding::json));
    if (refused && !refused->passing) return tl::unexpected<Error>(std::move(refused->error));
    if (refused) {
      if (!passing) passing = std::move(refused->error);
      continue;
    }
    auto document = server.read_document();
    if (!document) return forward_error(document);
    documents[i] = std::move(*document);
  }
  if (passing) {
    retry = true;
    return tl::unexpected<Error>(std::move(*passing));
  }
  auto chosen = choose_common_epoch(documents[0], documents[1]);
  if (!chosen) {
    retry = chosen.error().code == ErrorCode::no_epoch;
    return forward_error(chosen);
  }
  // Only a pair of documents that go together changes anything: after a refresh that failed the
  // client asks as it did before.
  epoch_ = std::make_shared<const EpochEntry>(std::move(*chosen));
  for (std::size_t i = 0; i < 2; ++i) servers_[i]->party = documents[i].party;
  return {};
}

Result<PirClient::Exchanged> PirClient::exchange(const Plan& plan, QueryKind kind) {
  Exchanged exchanged;
  bool stale = false;
  auto done = retrying([&](bool& retry) -> Result<void> {
    if (stale) {
      if (auto chosen = choose_epoch(retry); !chosen) return chosen;
      stale = false;
    }
    auto queried = query_once(plan, kind, retry);
    if (!queried) {
      stale = queried.error().code == ErrorCode::epoch_gone;
      if (stale) ++epochs_gone_;
      return forward_error(queried);
    }
    exchanged = std::move(*queried);
    return {};
  });
  if (!done) return forward_error(done);
  return exchanged;
}

Result<PirClient::Exchanged> PirClient::query_once(const Plan& plan, QueryKind kind, bool& retry) {
  const std::shared_ptr<const EpochEntry> epoch = epoch_;
  const Geometry& geometry = epoch->metadata.geometry;
  auto indices = plan(*epoch);
  if (!indices) return forward_error(indices);
  const auto count = static_cast<std::uint32_t>(indices->size());
  const auto answer_bytes = static_cast<std::uint32_t>(geometry.answer_bytes(kind));

  {
    Secrets secrets;
    const unsigned levels = dpf::levels_for(geometry.records(kind));
    for (auto& request : secrets.requests) {
      request.epoch = epoch->id;
      request.keys.reserve(count);
    }
    for (const std::uint64_t index : *indices) {
      auto pair = dpf::generate(levels, index, random_);
      if (!pair) return forward_error(pair);
      for (std::size_t party = 0; party < 2; ++party) {
        secrets.requests[party].keys.push_back(std::move((*pair)[party]));
        wipe((*pair)[party]);  // the parts that moving copies
      }
    }
    for (std::size_t party = 0; party < 2; ++party) {
      secrets.bodies[party] = protocol::encode(secrets.requests[party], Encoding::binary);
    }
    const std::string_view path = kind == QueryKind::row ? "/query" : "/query/page";
    ask_both([&](Server& server) {
      const std::string& body = secrets.bodies[server.party];
      server.traffic.bytes_up += body.size();
      server.reply =
          server.transport->post(path, protocol::media_type(Encoding::binary), as_bytes(body),
                                 protocol::max_response_bytes(count, answer_bytes));
    });
  }

  // Both have answered or failed. Form comes first, for both; what the answers say is not looked at
  // here.
  Exchanged exchanged{epoch, count, {}};
  std::optional<Error> passing;
  for (const auto& server : servers_) {
    const std::string& address = server->transport->server();
    auto refused = refusal(address, server->reply, protocol::media_type(Encoding::binary));
    if (refused && !refused->passing) return tl::unexpected<Error>(std::move(refused->error));
    if (refused) {
      // One that no longer holds the epoch decides what is done next.
      if (!passing || refused->error.code == ErrorCode::epoch_gone)
        passing = std::move(refused->error);
      continue;
    }
    auto response = protocol::decode_query_response(as_text(server->reply->body), Encoding::binary,
                                                    count, answer_bytes);
    server->reply = TransportResponse{};
    if (!response) {
      response.error().message = "server " + address + ": " + response.error().message;
      return forward_error(response);
    }
    if (response->epoch != epoch->id) {
      return fail(
          ErrorCode::bad_answer,
          "server " + address + " answered from another epoch than the one it was asked about");
    }
    if (exchanged.records.empty()) {
      exchanged.records = std::move(response->answers);
    } else {
      add_share(exchanged.records, response->answers);
    }
  }
  if (passing) {
    retry = true;
    return tl::unexpected<Error>(std::move(*passing));
  }
  return exchanged;
}

std::size_t PirClient::answers_per_request(std::uint64_t answer_bytes) const noexcept {
  const std::uint64_t fitting =
      std::max<std::uint64_t>(options_.max_answer_bytes / answer_bytes, 1);
  return static_cast<std::size_t>(std::min<std::uint64_t>(fitting, options_.keys_per_request));
}

Result<std::vector<Record>> PirClient::fetch(std::span<const std::uint64_t> indices,
                                             QueryKind kind) try {
  std::vector<Exchanged> all;
  for (std::size_t next = 0; next < indices.size(); next += all.back().count) {
    const Plan plan = [&](const EpochEntry& epoch) -> Result<std::vector<std::uint64_t>> {
      const Geometry& geometry = epoch.metadata.geometry;
      const auto rest = indices.subspan(next);
      const auto part =
          rest.first(std::min(rest.size(), answers_per_request(geometry.answer_bytes(kind))));
      std::vector<std::uint64_t> planned(part.begin(), part.end());
      // Not to ask for a number past the end would tell both servers that it was.
      for (std::uint64_t& index : planned) index = index < geometry.records(kind) ? index : 0;
      return planned;
    };
    auto exchanged = exchange(plan, kind);
    if (!exchanged) return forward_error(exchanged);
    all.push_back(std::move(*exchanged));
  }

  std::vector<Record> records;
  records.reserve(indices.size());
  for (const Exchanged& exchanged : all) {
    const std::uint64_t end = exchanged.epoch->metadata.geometry.records(kind);
    const std::size_t bytes = exchanged.records.size() / exchanged.count;
    for (std::size_t i = 0; i < exchanged.count; ++i) {
      if (indices[records.size()] >= end) {
        return fail(ErrorCode::malformed_input, std::string("a ") +
                                                    (kind == QueryKind::row ? "row" : "page") +
                                                    " number must be below " + std::to_string(end) +
                                                    ", the table's number of them");
      }
      const auto record = std::span(exchanged.records).subspan(i * bytes, bytes);
      records.push_back({exchanged.epoch, {record.begin(), record.end()}});
    }
  }
  return records;
} catch (const std::bad_alloc&) {
  return no_memory();
}

Result<std::vector<LookupResult>> PirClient::lookup(
    std::span<const std::vector<std::byte>> keys) try {
  std::vector<Exchanged> all;
  for (std::size_t next = 0; next < keys.size(); next += all.back().count / candidates_per_key) {
    const Plan plan = [&](const EpochEntry& epoch) -> Result<std::vector<std::uint64_t>> {
      const auto* const layout = std::get_if<Cuckoo3Layout>(&epoch.metadata.layout);
      if (layout == nullptr) {
        return fail(ErrorCode::bad_configuration,
                    "the servers' table has no keys; its rows are fetched by number");
      }
      const Geometry& geometry = epoch.metadata.geometry;
      const std::size_t at_once = std::max<std::size_t>(
          answers_per_request(geometry.answer_bytes(QueryKind::row)) / candidates_per_key, 1);
      const auto rest = keys.subspan(next);
      std::vector<std::uint64_t> planned;
      for (const auto& key : rest.first(std::min(rest.size(), at_once))) {
        const table::Candidates rows = table::candidates(*layout, geometry.rows, key);
        planned.insert(planned.end(), rows.begin(), rows.end());
      }
      return planned;
    };
    auto exchanged = exchange(plan, QueryKind::row);
    if (!exchanged) return forward_error(exchanged);
    all.push_back(std::move(*exchanged));
  }

  // Every request is done: from here on nothing is sent, so here contents may be looked at.
  std::vector<LookupResult> results;
  results.reserve(keys.size());
  for (const Exchanged& exchanged : all) {
    const auto& layout = std::get<Cuckoo3Layout>(exchanged.epoch->metadata.layout);
    const std::size_t bytes = exchanged.records.size() / exchanged.count;
    for (std::size_t first = 0; first < exchanged.count; first += candidates_per_key) {
      const std::uint64_t tag = table::tag(layout, keys[results.size()]);
      LookupResult result{exchanged.epoch, std::nullopt};
      for (std::size_t i = first; i < first + candidates_per_key && !result.value; ++i) {
        const auto row = std::span(exchanged.records).subspan(i * bytes, bytes);
        if (table::row_tag(row) != tag) continue;
        const auto value = table::row_value(layout, row);
        result.value.emplace(value.begin(), value.end());
      }
      results.push_back(std::move(result));
    }
  }
  return results;
} catch (const std::bad_alloc&) {
  return no_memory();
}

}  // namespace gyre::client
