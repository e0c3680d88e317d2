// Bytes to and from an origin, each wait bounded and cancellable.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>

#include "core/error.hpp"
#include "harness/source/policy.hpp"
#include "harness/source/url.hpp"

namespace gyre::source {

using Clock = std::chrono::steady_clock;

// One thread at a time. Errors of both operations: source_timed_out, source_failed, cancelled; then
// the connection is of no more use.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // All of the bytes.
  [[nodiscard]] virtual Result<void> send(std::string_view bytes, Clock::time_point until) = 0;

  // What there is, waiting for the first byte; 0 once the origin has ended what it sends. REQUIRES:
  // a non-empty span.
  [[nodiscard]] virtual Result<std::size_t> receive(std::span<std::byte> into,
                                                    Clock::time_point until) = 0;
};

// Resolves the URL's host once, checks every address it stands for, and connects to one of them:
// verified TLS under the host's name for https. `until` bounds it besides the policy's connect
// time. Errors: source_not_allowed, source_failed, source_timed_out, cancelled, bad_configuration,
// out_of_memory, internal. REQUIRES: an http or https URL that the policy admits.
[[nodiscard]] Result<std::unique_ptr<Connection>> connect(const Url& url,
                                                          const SourcePolicy& policy,
                                                          Clock::time_point until,
                                                          const std::stop_token& stop);

}  // namespace gyre::source
