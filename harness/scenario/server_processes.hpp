// The two servers of a scenario: real processes on loopback.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/error.hpp"
#include "harness/scenario/child_process.hpp"
#include "harness/scenario/scenario_file.hpp"

namespace gyre::scenario {

// What is to happen at the fault points of the two servers.
struct ServerFaults {
  FaultPlans plans;        // an empty one: GYRE_FAULTS, if it is set
  std::uint64_t seed = 1;  // of their random choices
};

struct ServerSettings {
  std::filesystem::path program;   // a `gyre`
  std::filesystem::path manifest;  // of the snapshot both serve
  std::string backend = "cpu";
  std::filesystem::path directory;  // for their logs, ready files and admin token
  bool admin = false;               // with admin listeners
  std::string origin{};  // "127.0.0.1:PORT", where snapshots may come from; empty: from nowhere
  ServerFaults faults{};
};

// Parties 0 and 1, each on a port the system chose. Ended when destroyed. One thread at a time.
class ServerProcesses {
 public:
  // Returns once both accept connections. Errors: io_failed, timed_out, with the place of the log.
  [[nodiscard]] static Result<ServerProcesses> start(const ServerSettings& settings);

  [[nodiscard]] const std::string& url(std::size_t party) const noexcept { return urls_[party]; }
  // REQUIRES of both: started with admin listeners.
  [[nodiscard]] const std::string& admin_url(std::size_t party) const noexcept {
    return admin_urls_[party];
  }
  [[nodiscard]] const std::string& admin_token() const noexcept { return admin_token_; }
  [[nodiscard]] ChildProcess& process(std::size_t party) noexcept { return processes_[party]; }

  // Errors: internal if one has ended unasked, with the last it said.
  [[nodiscard]] Result<void> check_alive();

  // Asks both to finish (SIGTERM) and waits. Errors: timed_out; internal if one ended otherwise
  // than asked, with the last that it said: a server under a fault plan at whose points nobody came
  // by says so.
  [[nodiscard]] Result<void> stop();

 private:
  using Urls = std::array<std::string, 2>;
  ServerProcesses(std::array<ChildProcess, 2> processes, Urls urls, Urls admin_urls,
                  std::string admin_token, std::filesystem::path directory) noexcept
      : processes_(std::move(processes)),
        urls_(std::move(urls)),
        admin_urls_(std::move(admin_urls)),
        admin_token_(std::move(admin_token)),
        directory_(std::move(directory)) {}

  std::array<ChildProcess, 2> processes_;
  Urls urls_;
  Urls admin_urls_;
  std::string admin_token_;
  std::filesystem::path directory_;
};

}  // namespace gyre::scenario
