// Digests of a rows file: every 1 MiB of it, and the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/digest.hpp"
#include "harness/crypto/sha256.hpp"

namespace gyre::snapshot {

// One thread at a time.
class ChunkDigester {
 public:
  void update(std::span<const std::byte> bytes);

  struct Digests {
    std::vector<Bytes32> chunks;
    Bytes32 whole{};
  };
  // Of everything given to update(). REQUIRES: called once, last.
  [[nodiscard]] Digests finish();

 private:
  crypto::Sha256Stream whole_;
  crypto::Sha256Stream chunk_;
  std::uint64_t in_chunk_ = 0;  // bytes of the chunk begun
  std::vector<Bytes32> chunks_;
};

}  // namespace gyre::snapshot
