#include "core/digest.hpp"

#include <array>
#include <vector>

namespace gyre {

Bytes32 content_id(const Metadata& metadata, std::span<const Bytes32> chunk_digests,
                   Sha256 sha256) {
  const std::vector<std::byte> header = canonical_header(metadata);
  const std::array<std::span<const std::byte>, 2> parts = {header, std::as_bytes(chunk_digests)};
  return sha256(parts);
}

}  // namespace gyre
