// A held epoch as GET /epoch describes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/epoch_table.hpp"
#include "core/error.hpp"
#include "harness/protocol/epoch_document.hpp"

namespace gyre::server {

// RFC 3339 in UTC with milliseconds: "2026-11-23T07:31:18.042Z".
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point time);

// With that epoch's own metadata. The lease may end afterwards.
[[nodiscard]] protocol::EpochEntry describe(const Lease& lease);

// Everything the table holds, at one instant. Errors: no_epoch.
[[nodiscard]] Result<protocol::EpochDocument> describe(const EpochTable& epochs,
                                                       std::uint8_t party);

}  // namespace gyre::server
