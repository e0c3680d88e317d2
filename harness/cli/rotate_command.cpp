// gyre rotate: another snapshot for one or both servers, watched until it is served.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "harness/cli/admin_pair.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/termination.hpp"
#include "harness/protocol/rotation_document.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/report/progress_line.hpp"
#include "harness/report/text.hpp"
#include "harness/snapshot/load.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;
using client::AdminClient;
using protocol::RotationDocument;
using protocol::RotationState;

constexpr std::string_view command = "rotate";

// Between two looks at a rotation, and for one of them.
constexpr std::chrono::milliseconds look_pause{200};
constexpr std::chrono::milliseconds look_time{10'000};
// Looks at one rotation that may fail in a row, before nobody knows how it goes on.
constexpr int most_failed_looks = 25;

std::string text_of(const po::variables_map& values, const char* option) {
  return values.count(option) == 0 ? std::string() : values[option].as<std::string>();
}

tl::unexpected<Error> unusable(std::string sentence) {
  return fail(ErrorCode::bad_configuration, std::move(sentence));
}

Result<protocol::SnapshotRequest> request_of(const po::variables_map& values) {
  const std::string manifest_url = text_of(values, "manifest-url");
  const std::string url = text_of(values, "url");
  const std::string manifest_file = text_of(values, "manifest");
  if (manifest_url.empty() == url.empty()) {
    return unusable("exactly one of --manifest-url and --url is needed");
  }
  if (url.empty() != manifest_file.empty()) {
    return unusable("--url needs --manifest, which says what the rows are, and nothing else does");
  }
  protocol::SnapshotRequest request;
  request.discard_updates = values["discard-updates"].as<bool>();
  if (url.empty()) {
    request.snapshot = protocol::ManifestSnapshot{manifest_url};
    return request;
  }
  auto manifest = snapshot::read_manifest(manifest_file);
  if (!manifest) return forward_error(manifest);
  request.snapshot = protocol::RawSnapshot{url, manifest->sha256, manifest->metadata};
  return request;
}

// One server's rotation, from here.
class Watched {
 public:
  Watched(AdminClient client, std::string name)
      : client_(std::move(client)), name_(std::move(name)) {}

  Result<void> start(const std::string& body) {
    auto reply = client_.request("POST", "/admin/snapshot", {{"Prefer", "respond-async"}},
                                 {"application/json", std::as_bytes(std::span(body))}, look_time);
    if (!reply) return forward_error(reply);
    return take(reply->body);
  }
  // Asks how far it is. That a look fails is no failure of the rotation.
  Result<void> look() { return ask("GET"); }
  // Asks the server to stop it; what it answered is in document() afterwards.
  Result<void> cancel() { return ask("DELETE"); }

  [[nodiscard]] const RotationDocument& document() const noexcept { return document_; }
  [[nodiscard]] bool ended() const noexcept {
    return lost_ || document_.state != RotationState::running;
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // Gives up on it.
  void lose(Error error) {
    lost_ = true;
    loss_ = std::move(error.message);
  }
  // The server's sentence, if it did not do what it was asked.
  [[nodiscard]] std::optional<std::string> trouble() const {
    if (lost_) return loss_;
    if (document_.error) return name_ + ": " + document_.error->detail;
    return std::nullopt;
  }

  int failed_looks = 0;

 private:
  Result<void> ask(std::string_view method) {
    auto reply = client_.request(method, "/admin/rotations/" + document_.id, {}, {}, look_time);
    if (!reply) return forward_error(reply);
    return take(reply->body);
  }
  Result<void> take(const std::string& body) {
    auto document = protocol::decode_rotation(body);
    if (!document) return fail(document.error().code, name_ + ": " + document.error().message);
    document_ = std::move(*document);
    return {};
  }

  AdminClient client_;
  std::string name_;
  RotationDocument document_;
  bool lost_ = false;
  std::string loss_;
};

// All servers' bytes together; the label says what the slowest is at.
class Progress {
 public:
  void show(const std::vector<Watched>& rotations) {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    double rate = 0;
    const Watched* slowest = nullptr;
    for (const Watched& rotation : rotations) {
      done += rotation.document().bytes;
      total += rotation.document().total_bytes.value_or(0);
      if (rotation.ended()) continue;
      rate += rotation.document().bytes_per_second;
      if (slowest == nullptr || rotation.document().phase < slowest->document().phase) {
        slowest = &rotation;
      }
    }
    if (slowest == nullptr) return;
    const std::string phase(protocol::name(slowest->document().phase));
    if (!line_ || phase != phase_) {
      line_.reset();
      phase_ = phase;
      line_ = std::make_unique<report::ProgressLine>(phase);
    }
    line_->update(done, total,
                  rate > 0 ? report::bytes_text(static_cast<std::uint64_t>(rate)) + "/s" : "");
  }
  void end() { line_.reset(); }

 private:
  std::string phase_;
  std::unique_ptr<report::ProgressLine> line_;
};

void look_at(Watched& rotation) {
  auto looked = rotation.look();
  if (looked) {
    rotation.failed_looks = 0;
  } else if (++rotation.failed_looks > most_failed_looks ||
             looked.error().code == ErrorCode::not_found) {
    looked.error().message += "; whether the rotation goes on there is not known";
    rotation.lose(std::move(looked.error()));
  }
}

void cancel_all(std::vector<Watched>& rotations) {
  for (Watched& rotation : rotations) {
    if (rotation.ended()) continue;
    auto cancelled = rotation.cancel();
    if (!cancelled) rotation.lose(std::move(cancelled.error()));
  }
}

// Until all have ended or somebody asks to stop.
void watch(std::vector<Watched>& rotations, const std::stop_token& stop) {
  Progress progress;
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  const auto all_ended = [&] {
    return std::all_of(rotations.begin(), rotations.end(),
                       [](const Watched& rotation) { return rotation.ended(); });
  };
  while (!all_ended()) {
    progress.show(rotations);
    never.wait_for(lock, stop, look_pause, [] { return false; });
    for (Watched& rotation : rotations) {
      if (!rotation.ended()) look_at(rotation);
    }
    // Two servers on different snapshots are of no use to anybody: what one of them refuses, the
    // other should not do either.
    const bool trouble = std::any_of(rotations.begin(), rotations.end(), [](const auto& rotation) {
      return rotation.trouble().has_value();
    });
    if (stop.stop_requested() || trouble) {
      progress.end();
      cancel_all(rotations);
      return;
    }
  }
}

int report_outcome(const std::vector<Watched>& rotations) {
  int code = exit_success;
  for (const Watched& rotation : rotations) {
    const RotationDocument& document = rotation.document();
    if (const auto trouble = rotation.trouble()) {
      code = report_failure(command, *trouble);
    } else if (!rotation.ended()) {
      code = report_failure(command, rotation.name() + ": the rotation " + document.id +
                                         " has not ended yet; GET /admin/rotations/" + document.id +
                                         " tells how it goes on");
    } else {
      std::cout << rotation.name() << " "
                << (document.state == RotationState::unchanged ? "already serves" : "serves")
                << " epoch " << document.epoch->id.text();
      if (document.replayed > 0) std::cout << ", " << document.replayed << " batches replayed";
      if (document.discarded > 0) std::cout << ", " << document.discarded << " batches DISCARDED";
      std::cout << '\n';
    }
  }
  return code;
}

}  // namespace

int run_rotate(const std::vector<std::string>& arguments) {
  Options options(
      std::string(command),
      "--to ADMIN_URL [--to ADMIN_URL] (--manifest-url URL | --url URL --manifest FILE)",
      "Replaces the snapshot that one or both servers serve, while they serve it. A "
      "server either does all of\nit, or nothing.");
  add_admin_options(options);
  options.add()("manifest-url", po::value<std::string>()->value_name("URL"),
                "where the servers find the snapshot's manifest; its rows lie beside it")(
      "url", po::value<std::string>()->value_name("URL"), "where they find the rows alone")(
      "manifest", po::value<std::string>()->value_name("FILE"),
      "with --url: the manifest here, which says what the rows are")(
      "discard-updates", po::bool_switch(),
      "go on if batches would be lost that the new snapshot cannot take over; they are counted");
  options.set_epilogue(
      "SIGINT or SIGTERM cancels the rotation on the servers, which works until they commit it.\n"
      "Exits with 0 if every server serves the snapshot, 1 on failure, 2 for a wrong command "
      "line.");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);
  auto request = request_of(values);
  if (!request) {
    const int code = report_failure(command, request.error().message);
    return request.error().code == ErrorCode::bad_configuration ? exit_usage : code;
  }
  const Termination termination;
  auto connected = connect_to_admins(command, values);
  if (const int* const code = std::get_if<int>(&connected)) return *code;

  const std::string body = protocol::encode_snapshot_request(*request);
  std::vector<Watched> rotations;
  for (AdminClient& client : std::get<std::vector<AdminClient>>(connected)) {
    std::string name = client.server();
    Watched rotation(std::move(client), std::move(name));
    if (auto started = rotation.start(body); !started) rotation.lose(std::move(started.error()));
    rotations.push_back(std::move(rotation));
  }
  watch(rotations, termination.token());
  return report_outcome(rotations);
}

}  // namespace gyre::cli
