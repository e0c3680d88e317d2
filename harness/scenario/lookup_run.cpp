#include "harness/scenario/lookup_run.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "core/bytes.hpp"
#include "core/elapsed.hpp"
#include "harness/client/connect_over_http.hpp"
#include "harness/client/pir_client.hpp"
#include "harness/client/server_address.hpp"
#include "harness/report/text.hpp"
#include "harness/scenario/seeded_random.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/temporary_directory.hpp"
#include "harness/snapshot/build.hpp"

namespace gyre::scenario {
namespace {

using Clock = std::chrono::steady_clock;

using AccountValue = std::array<std::byte, ethereum_account_value_bytes>;

// One lookup and what must come of it.
struct Question {
  std::vector<std::byte> key;
  std::optional<AccountValue> value;  // nothing: the key is not in the table
};

// The value of an account of so many wei that has no nonce and no code: 16 bytes little-endian,
// then zeros.
std::optional<AccountValue> account_of(std::string_view decimal_wei) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide most = ~Wide{0};
  Wide wei = 0;
  if (decimal_wei.empty()) return std::nullopt;
  for (const char c : decimal_wei) {
    const auto digit = static_cast<unsigned>(c - '0');
    if (c < '0' || c > '9' || wei > (most - digit) / 10) return std::nullopt;
    wei = wei * 10 + digit;
  }
  AccountValue value{};
  std::memcpy(value.data(), &wei, sizeof(wei));
  return value;
}

// Reads the file once more by the simplest means there are, and with none of the builder's code, so
// that a mistake there cannot hide. Only the first line may be something else than address,balance.
Result<std::vector<Question>> read_expected(const std::filesystem::path& path) {
  std::vector<Question> questions;
  std::ifstream file(path);
  std::string line;
  for (std::uint64_t number = 1; std::getline(file, line); ++number) {
    constexpr std::size_t address_digits = 40;
    Question question;
    question.key.resize(address_digits / 2);
    const std::string_view text = line;
    if (text.size() > address_digits + 3 && text.starts_with("0x") &&
        text[address_digits + 2] == ',' && from_hex(text.substr(2, address_digits), question.key)) {
      question.value = account_of(text.substr(address_digits + 3));
    }
    if (question.value) {
      questions.push_back(std::move(question));
    } else if (number > 1) {
      return fail(ErrorCode::malformed_input,
                  "line " + std::to_string(number) +
                      " of the file that answers are held against is not 0x<address>,<wei>");
    }
  }
  if (questions.empty()) {
    return fail(ErrorCode::io_failed,
                "the file that answers are held against cannot be read or is empty");
  }
  return questions;
}

void shuffle(std::vector<Question>& questions, SeededRandom& random) {
  for (std::size_t left = questions.size(); left > 1; --left) {
    std::swap(questions[left - 1], questions[random.below(left)]);
  }
}

// The keys to ask for: some or all that are there, some that are not, in an order that mixes them.
Result<std::vector<Question>> choose_questions(const LookupPlan& plan, std::vector<Question> all,
                                               SeededRandom& random) {
  Result<std::vector<Question>> questions(std::move(all));
  std::unordered_set<std::string> there;
  for (const Question& question : *questions) there.insert(to_hex(question.key));
  if (plan.most_keys != 0 && plan.most_keys < questions->size()) {
    shuffle(*questions, random);
    questions->resize(plan.most_keys);
  }
  for (std::uint64_t i = 0; i < plan.absent;) {
    std::vector<std::byte> address(20);
    if (auto filled = random.fill(address); !filled) return forward_error(filled);
    if (there.contains(to_hex(address))) continue;
    questions->push_back({std::move(address), std::nullopt});
    ++i;
  }
  shuffle(*questions, random);
  return questions;
}

Result<std::unique_ptr<client::PirClient>> connect(const ServerProcesses& servers) {
  std::vector<client::ResolvedServer> resolved;
  for (const std::size_t party : {0U, 1U}) {
    const auto address = client::ServerAddress::parse(servers.url(party));
    if (!address) return tl::unexpected<Error>(address.error());
    auto server = client::resolve(*address, std::chrono::seconds(5));
    if (!server) return forward_error(server);
    resolved.push_back(std::move(*server));
  }
  return client::connect_over_http(std::move(resolved[0]), std::move(resolved[1]));
}

bool is_right(const Question& question, const client::LookupResult& found) {
  if (!question.value || !found.value) return question.value.has_value() == found.value.has_value();
  return std::equal(question.value->begin(), question.value->end(), found.value->begin(),
                    found.value->end());
}

// What the clients share while they ask.
struct Board {
  const std::vector<Question>& questions;
  const ServerProcesses& servers;
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> done = 0;
  std::atomic<std::uint64_t> failures = 0;

  std::mutex mutex;  // of what follows
  LookupFigures& figures;
  std::vector<double> latencies;
  client::Traffic traffic;
  unsigned at_work = 0;
};

void note_failure(Board& board, const Error& error, std::uint64_t lookups) {
  const std::lock_guard lock(board.mutex);
  board.figures.failed += lookups;
  if (board.figures.first_failure.empty()) board.figures.first_failure = error.message;
}

// After so many failed lookups a run has failed; each more would take all its retries.
constexpr std::uint64_t most_failures = 8;

// One client: takes the next question until there is none, or too many had no answer.
void ask(Board& board) {
  auto client = connect(board.servers);
  if (!client) return note_failure(board, client.error(), 0);
  std::vector<double> latencies;
  std::uint64_t present_right = 0;
  std::uint64_t absent_right = 0;
  while (board.failures.load() < most_failures) {
    const std::size_t at = board.next.fetch_add(1);
    if (at >= board.questions.size()) break;
    const Question& question = board.questions[at];
    const auto begun = Clock::now();
    const auto found = (*client)->lookup({&question.key, 1});
    latencies.push_back(seconds_since(begun));
    board.done.fetch_add(1);
    if (!found) {
      board.failures.fetch_add(1);
      note_failure(board, found.error(), 1);
    } else if (is_right(question, found->front())) {
      ++(question.value ? present_right : absent_right);
    }
  }
  const std::lock_guard lock(board.mutex);
  board.figures.present_right += present_right;
  board.figures.absent_right += absent_right;
  board.figures.epoch = (*client)->epoch()->id.text();
  board.latencies.insert(board.latencies.end(), latencies.begin(), latencies.end());
  for (const std::size_t party : {0U, 1U}) {
    const client::Traffic& traffic = (*client)->traffic(party);
    board.traffic.requests += traffic.requests;
    board.traffic.bytes_up += traffic.bytes_up;
    board.traffic.bytes_down += traffic.bytes_down;
  }
}

void ask_all(Board& board, unsigned clients, const ProgressReport& progress) {
  const auto begun = Clock::now();
  board.at_work = clients;
  std::vector<std::thread> threads;
  threads.reserve(clients);
  for (unsigned i = 0; i < clients; ++i) {
    threads.emplace_back([&board] {
      ask(board);
      const std::lock_guard lock(board.mutex);
      --board.at_work;
    });
  }
  const auto working = [&board] {
    const std::lock_guard lock(board.mutex);
    return board.at_work > 0;
  };
  while (working()) {
    progress("looking up", board.done.load(), board.questions.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (std::thread& thread : threads) thread.join();
  progress("looking up", board.done.load(), board.questions.size());

  LookupFigures& figures = board.figures;
  figures.seconds = seconds_since(begun);
  const std::uint64_t asked = board.done.load();
  figures.failed += board.questions.size() - asked;  // nobody was left to ask them
  figures.latency = report::percentiles(std::move(board.latencies));
  if (asked > 0) {
    figures.bytes_up = static_cast<double>(board.traffic.bytes_up) / static_cast<double>(asked);
    figures.bytes_down = static_cast<double>(board.traffic.bytes_down) / static_cast<double>(asked);
  }
}

}  // namespace

Result<LookupFigures> run_lookups(const LookupPlan& plan, std::uint64_t seed,
                                  const std::filesystem::path& program,
                                  const ProgressReport& progress) {
  SeededRandom random(seed);
  auto expected = read_expected(plan.expected.empty() ? plan.input : plan.expected);
  if (!expected) return forward_error(expected);
  const std::uint64_t expected_keys = expected->size();
  auto questions = choose_questions(plan, std::move(*expected), random);
  if (!questions) return tl::unexpected<Error>(questions.error());
  const auto directory = TemporaryDirectory::create();
  if (!directory) return tl::unexpected<Error>(directory.error());

  LookupFigures figures;
  figures.clients = plan.clients;
  for (const Question& question : *questions) {
    ++(question.value ? figures.present_asked : figures.absent_asked);
  }

  snapshot::KeyedBuild build;
  build.input = plan.input;
  build.syntax.value = ValueKind::ethereum_account;
  build.output = {directory->path(), "table"};
  build.origin.block_number = plan.block_number;
  build.origin.state_root = plan.state_root;
  snapshot::Watch watch;
  watch.progress = [&progress](const snapshot::Progress& step) {
    progress(step.phase, step.done, step.total);
  };
  const auto begun = Clock::now();
  const auto built = snapshot::build_keyed(build, random, watch);
  if (!built) return tl::unexpected<Error>(built.error());
  figures.build_seconds = seconds_since(begun);
  figures.keys = built->manifest.keys.value_or(0);
  if (plan.expected.empty() && figures.keys != expected_keys) {
    return fail(ErrorCode::malformed_input,
                "the table has another number of keys than its file has lines to compare");
  }
  figures.rows = built->manifest.metadata.geometry.rows;
  figures.row_bytes = built->manifest.metadata.geometry.row_bytes;

  progress("starting two servers", 0, 0);
  ServerSettings settings{program, build.output.manifest(), plan.backend, directory->path()};
  settings.faults = {plan.faults, seed};
  auto servers = ServerProcesses::start(settings);
  if (!servers) return forward_error(servers);
  Board board{*questions, *servers, {}, {}, {}, {}, figures, {}, {}, 0};
  ask_all(board, plan.clients, progress);
  if (auto stopped = servers->stop(); !stopped) return forward_error(stopped);
  return figures;
}

nlohmann::json to_json(const LookupFigures& figures) {
  return {
      {"kind", "measured"},
      {"epoch", figures.epoch},
      {"keys", figures.keys},
      {"rows", figures.rows},
      {"row_bytes", figures.row_bytes},
      {"build_seconds", figures.build_seconds},
      {"clients", figures.clients},
      {"present_asked", figures.present_asked},
      {"present_right", figures.present_right},
      {"absent_asked", figures.absent_asked},
      {"absent_right", figures.absent_right},
      {"failed", figures.failed},
      {"first_failure", figures.first_failure},
      {"seconds", figures.seconds},
      {"lookups_per_second", static_cast<double>(figures.latency.samples) / figures.seconds},
      {"latency", report::to_json(figures.latency)},
      {"bytes_up_per_lookup", figures.bytes_up},
      {"bytes_down_per_lookup", figures.bytes_down},
  };
}

std::vector<std::pair<std::string, std::string>> table_rows(const LookupFigures& figures) {
  using report::count_text;
  using report::duration_text;
  const report::Percentiles& latency = figures.latency;
  std::vector<std::pair<std::string, std::string>> rows = {
      {"Private lookups over HTTP, two servers, " + std::to_string(figures.clients) +
           " clients at a time",
       ""},
      {"balances right",
       count_text(figures.present_right) + " of " + count_text(figures.present_asked)},
      {"absent addresses said to be absent",
       count_text(figures.absent_right) + " of " + count_text(figures.absent_asked)},
      {"lookups without an answer", count_text(figures.failed)},
      {"lookups a second",
       report::decimal_text(static_cast<double>(latency.samples) / figures.seconds, 0)},
      {"latency p50 / p90 / p99 / max",
       duration_text(latency.p50) + " / " + duration_text(latency.p90) + " / " +
           duration_text(latency.p99) + " / " + duration_text(latency.max)},
      {"HTTP body bytes of one lookup, up / down, both servers",
       report::decimal_text(figures.bytes_up, 0) + " / " +
           report::decimal_text(figures.bytes_down, 0)},
      {"table", count_text(figures.keys) + " keys in " + count_text(figures.rows) + " rows of " +
                    std::to_string(figures.row_bytes) + " bytes, built in " +
                    duration_text(figures.build_seconds)},
      {"epoch", figures.epoch},
  };
  if (!figures.first_failure.empty()) rows.emplace_back("first failure", figures.first_failure);
  return rows;
}

}  // namespace gyre::scenario
