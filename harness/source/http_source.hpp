// A source over HTTP/1.1: one GET over one connection.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>

#include "core/error.hpp"
#include "harness/source/connection.hpp"
#include "harness/source/source.hpp"
#include "harness/source/url.hpp"

namespace gyre::source {

// Sends the GET and reads the head of the answer; the times begin now and end at `until` at the
// latest. Errors: not_found, request_too_large (a stated length above max_bytes), source_failed,
// source_timed_out, cancelled. Throws std::bad_alloc.
[[nodiscard]] Result<std::unique_ptr<Source>> get(const Url& url, const SourcePolicy& policy,
                                                  std::unique_ptr<Connection> connection,
                                                  std::uint64_t max_bytes, Clock::time_point until);

}  // namespace gyre::source
