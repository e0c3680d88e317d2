#include "harness/scenario/server_processes.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/random_source.hpp"

namespace gyre::scenario {
namespace {

using namespace std::chrono_literals;

constexpr auto start_limit = 120s;
constexpr auto stop_limit = 30s;

std::filesystem::path log_file(const std::filesystem::path& directory, std::size_t party) {
  return directory / ("server-" + std::to_string(party) + ".log");
}

// The last line of a server's log: why it ended, in its own words. Its log goes away with the run.
std::string last_words(const std::filesystem::path& log) {
  constexpr std::size_t max_bytes = 300;
  std::ifstream file(log);
  std::string last;
  for (std::string line; std::getline(file, line);) last = std::move(line);
  return last.empty() ? "nothing" : last.substr(0, max_bytes);
}

// The server writes its address there once it accepts connections, whole or not at all.
Result<std::string> wait_until_ready(ChildProcess& process, const std::filesystem::path& ready_file,
                                     const std::filesystem::path& log) {
  const auto deadline = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream file(ready_file);
    if (std::string url; std::getline(file, url)) return url;
    if (process.poll()) {
      return fail(ErrorCode::io_failed,
                  "a server ended before it was ready; the last it said: " + last_words(log));
    }
    std::this_thread::sleep_for(5ms);
  }
  return fail(ErrorCode::timed_out, "a server was not ready in time");
}

// A token that nobody else can read.
Result<std::string> write_fresh_token(const std::filesystem::path& path) {
  std::array<std::byte, 24> bytes{};
  if (auto filled = SystemRandom().fill(bytes); !filled) return forward_error(filled);
  std::string token = to_hex(bytes);
  std::ofstream file(path);
  std::error_code failed;
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, failed);
  file << token << '\n';
  if (failed || !file.flush()) {
    return fail(ErrorCode::io_failed, "the scenario's admin token cannot be written");
  }
  return token;
}

}  // namespace

Result<ServerProcesses> ServerProcesses::start(const ServerSettings& settings) {
  const auto ready_file = [&](std::size_t party, const std::string& listener) {
    return settings.directory / (listener + "-" + std::to_string(party));
  };
  std::string token;
  const auto token_file = settings.directory / "admin-token";
  if (settings.admin) {
    auto written = write_fresh_token(token_file);
    if (!written) return forward_error(written);
    token = std::move(*written);
  }
  const auto start_one = [&](std::size_t party) {
    std::vector<std::string> arguments = {"serve",
                                          "--snapshot",
                                          settings.manifest.string(),
                                          "--party",
                                          std::to_string(party),
                                          "--backend",
                                          settings.backend,
                                          "--listen",
                                          "127.0.0.1:0",
                                          "--ready-file",
                                          ready_file(party, "ready").string()};
    const auto add = [&](std::initializer_list<std::string> more) {
      arguments.insert(arguments.end(), more);
    };
    if (settings.admin) {
      add({"--admin-listen", "127.0.0.1:0", "--admin-token-file", token_file.string(),
           "--admin-ready-file", ready_file(party, "admin-ready").string()});
    }
    if (!settings.origin.empty()) {
      add({"--source-host", settings.origin, "--source-allow-plain", "--source-network",
           "127.0.0.0/8"});
    }
    std::vector<std::string> variables;
    if (const std::string& plan = settings.faults.plans[party]; !plan.empty()) {
      variables = {"GYRE_FAULTS=" + plan,
                   "GYRE_FAULT_SEED=" + std::to_string(settings.faults.seed)};
    }
    return ChildProcess::start(settings.program, arguments, log_file(settings.directory, party),
                               std::move(variables));
  };
  auto first = start_one(0);
  if (!first) return forward_error(first);
  auto second = start_one(1);
  if (!second) return forward_error(second);
  std::array<ChildProcess, 2> processes{std::move(*first), std::move(*second)};
  Urls urls;
  Urls admin_urls;
  for (const std::size_t party : {0U, 1U}) {
    const auto log = log_file(settings.directory, party);
    auto url = wait_until_ready(processes[party], ready_file(party, "ready"), log);
    if (!url) return forward_error(url);
    urls[party] = std::move(*url);
    if (!settings.admin) continue;
    auto admin_url = wait_until_ready(processes[party], ready_file(party, "admin-ready"), log);
    if (!admin_url) return forward_error(admin_url);
    admin_urls[party] = std::move(*admin_url);
  }
  return ServerProcesses(std::move(processes), std::move(urls), std::move(admin_urls),
                         std::move(token), settings.directory);
}

Result<void> ServerProcesses::check_alive() {
  for (const std::size_t party : {0U, 1U}) {
    if (processes_[party].poll()) {
      return fail(ErrorCode::internal, "the server of party " + std::to_string(party) +
                                           " ended in the middle of the run; the last it said: " +
                                           last_words(log_file(directory_, party)));
    }
  }
  return {};
}

Result<void> ServerProcesses::stop() {
  for (ChildProcess& process : processes_) process.signal(SIGTERM);
  for (const std::size_t party : {0U, 1U}) {
    const auto code = processes_[party].wait(stop_limit);
    if (!code) return tl::unexpected<Error>(code.error());
    if (*code == 0) continue;
    return fail(ErrorCode::internal,
                "a server did not end cleanly when asked to; the last it "
                "said: " +
                    last_words(log_file(directory_, party)));
  }
  return {};
}

}  // namespace gyre::scenario
