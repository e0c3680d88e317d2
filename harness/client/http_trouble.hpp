// Why an exchange over HTTP ended early, and the sentence for it.
//
// Thread-safety: pure functions.
#pragma once

#include <chrono>
#include <string>

#include "core/error.hpp"

namespace gyre::client {

enum class HttpTrouble {
  none,
  unreachable,
  connect_timed_out,
  timed_out,
  cut_off,
  certificate_name,
  certificate_time,
  certificate_issuer,
  no_tls,
  too_long,
  not_http,
  encoded,
  out_of_memory,
};

// The error of an exchange with that server. `patience` is the time-out that ran out, if one did.
[[nodiscard]] Error explain(HttpTrouble trouble, const std::string& server_text,
                            std::chrono::milliseconds patience);

}  // namespace gyre::client
