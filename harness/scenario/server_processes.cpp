#include "harness/scenario/server_processes.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>
#include <utility>

namespace gyre::scenario {
namespace {

using namespace std::chrono_literals;

constexpr auto start_limit = 120s;
constexpr auto stop_limit = 30s;

// The server writes its address there once it accepts connections, whole or not at all.
Result<std::string> wait_until_ready(ChildProcess& process,
                                     const std::filesystem::path& ready_file) {
  const auto deadline = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream file(ready_file);
    if (std::string url; std::getline(file, url)) return url;
    if (process.poll()) {
      return fail(ErrorCode::io_failed,
                  "a server ended before it was ready; its log is beside its ready file");
    }
    std::this_thread::sleep_for(5ms);
  }
  return fail(ErrorCode::timed_out, "a server was not ready in time");
}

}  // namespace

Result<ServerProcesses> ServerProcesses::start(const ServerSettings& settings) {
  const auto start_one = [&](int party) {
    const std::string number = std::to_string(party);
    return ChildProcess::start(
        settings.program,
        {"serve", "--snapshot", settings.manifest.string(), "--party", number, "--backend",
         settings.backend, "--listen", "127.0.0.1:0", "--ready-file",
         (settings.directory / ("ready-" + number)).string()},
        settings.directory / ("server-" + number + ".log"));
  };
  auto first = start_one(0);
  if (!first) return forward_error(first);
  auto second = start_one(1);
  if (!second) return forward_error(second);
  std::array<ChildProcess, 2> processes{std::move(*first), std::move(*second)};
  std::array<std::string, 2> urls;
  for (std::size_t party = 0; party < 2; ++party) {
    auto url =
        wait_until_ready(processes[party], settings.directory / ("ready-" + std::to_string(party)));
    if (!url) return forward_error(url);
    urls[party] = std::move(*url);
  }
  return ServerProcesses(std::move(processes), std::move(urls));
}

Result<void> ServerProcesses::stop() {
  for (ChildProcess& process : processes_) process.signal(SIGTERM);
  for (ChildProcess& process : processes_) {
    const auto code = process.wait(stop_limit);
    if (!code) return tl::unexpected<Error>(code.error());
    if (*code != 0) return fail(ErrorCode::internal, "a server did not end cleanly when asked to");
  }
  return {};
}

}  // namespace gyre::scenario
