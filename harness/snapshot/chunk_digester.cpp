#include "harness/snapshot/chunk_digester.hpp"

#include <algorithm>
#include <utility>

namespace gyre::snapshot {

void ChunkDigester::update(std::span<const std::byte> bytes) {
  whole_.update(bytes);
  while (!bytes.empty()) {
    const std::size_t count = std::min<std::size_t>(bytes.size(), digest_chunk_bytes - in_chunk_);
    chunk_.update(bytes.first(count));
    in_chunk_ += count;
    bytes = bytes.subspan(count);
    if (in_chunk_ == digest_chunk_bytes) {
      chunks_.push_back(chunk_.finish());
      in_chunk_ = 0;
    }
  }
}

ChunkDigester::Digests ChunkDigester::finish() {
  if (in_chunk_ > 0) chunks_.push_back(chunk_.finish());
  return {std::move(chunks_), whole_.finish()};
}

}  // namespace gyre::snapshot
