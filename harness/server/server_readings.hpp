// What a server is doing right now, for its metrics.
#pragma once

#include <vector>

#include "core/backend.hpp"
#include "harness/server/administration.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/server.hpp"

namespace gyre::server {

// Each value is of a moment of its own, but what is said of the current epoch is of one epoch.
// Waits for no query, rotation or update. Thread-safe.
[[nodiscard]] std::vector<MetricReading> read_server(Server& server, Administration& administration,
                                                     const std::vector<Backend*>& backends);

}  // namespace gyre::server
