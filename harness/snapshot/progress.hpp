// How long work tells what it is at, and learns that it should stop.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

namespace gyre::snapshot {

struct Progress {
  std::string_view phase;  // what is being done, lower case; lives as long as the program
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // in the same unit as `done`; 0: not known
};

// Called from the thread that works, often; it should return quickly.
using ProgressCallback = std::function<void(const Progress&)>;

// Every function that takes one answers with `cancelled` soon after `stop` was requested.
struct Watch {
  ProgressCallback progress = [](const Progress&) {};
  std::stop_token stop = {};
};

}  // namespace gyre::snapshot
