// Who may administer this server: a bearer token, and optionally a client certificate; and how fast
// somebody may guess.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre::server {

// Thread-safe.
class AdminAccess {
 public:
  using Clock = std::chrono::steady_clock;

  // Addresses that are slowed down at once, at most; the one that failed longest ago is forgotten.
  static constexpr std::size_t max_addresses = 1024;
  // Failures in a row that cost nothing; after each further one an address must wait, at first this
  // long, then twice as long as before, up to the longest.
  static constexpr unsigned free_failures = 3;
  static constexpr std::chrono::milliseconds first_wait{250};
  static constexpr std::chrono::milliseconds longest_wait{30'000};

  // An empty token: nobody is an admin. With subjects (as RFC 2253 writes them), only holders of a
  // certificate of one of them are.
  AdminAccess(std::string_view token, std::vector<std::string> subjects);

  // `authorization`: the header's value, nullptr if there is none. An address that has to wait is
  // not even compared, so that it learns nothing from being refused. Errors: admin_not_configured,
  // too_many_requests, unauthorized.
  [[nodiscard]] Result<void> check(const std::string& address, std::string_view certificate_subject,
                                   const std::string* authorization, Clock::time_point now);

 private:
  struct Failures {
    std::string address;
    unsigned count = 0;
    Clock::time_point wait_until;
  };

  [[nodiscard]] bool is_token(std::string_view given) const;
  void note_failure(const std::string& address, Clock::time_point now);

  const bool configured_;
  const Bytes32 token_digest_;  // compared instead of the token: its length stays unknown too
  const std::vector<std::string> subjects_;

  std::mutex mutex_;
  std::list<Failures> failures_;  // whose last failure is newest comes first
  std::unordered_map<std::string, std::list<Failures>::iterator> by_address_;
};

}  // namespace gyre::server
