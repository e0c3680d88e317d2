// What an answer is computed from: one immutable value.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch_id.hpp"
#include "core/metadata.hpp"
#include "core/overlay.hpp"
#include "core/update_log.hpp"

namespace gyre {

// The same content made resident in one or more places, the preferred place first. Never empty in
// an epoch.
using Images = std::vector<std::shared_ptr<const Image>>;

// Never changes once published; whoever holds a lease reads it without a lock.
struct Epoch {
  EpochId id;
  Bytes32 content_id{};  // of the base
  Metadata metadata;
  Images images;
  Overlay overlay;
  UpdateLog updates;  // what its feed position stands on
};

// Local to one server process: which boot, and how many publishes it has seen.
struct Generation {
  std::string boot;
  std::uint64_t count = 0;

  [[nodiscard]] std::string text() const { return boot + ":" + std::to_string(count); }
  friend bool operator==(const Generation&, const Generation&) = default;
};

// An epoch as a server serves it.
struct PublishedEpoch {
  Epoch epoch;
  Generation generation;
  std::chrono::system_clock::time_point published_at;
};

}  // namespace gyre
