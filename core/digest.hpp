// The seam to SHA-256: core says what is hashed, its caller brings the implementation.
#pragma once

#include <span>

#include "core/metadata.hpp"

namespace gyre {

// SHA-256 of the parts one after another. Thread-safe, does not fail.
using Sha256 = Bytes32 (*)(std::span<const std::span<const std::byte>> parts);

// Content of a base is digested in chunks of 1 MiB of the row-major file; the last may be shorter.
inline constexpr std::uint64_t digest_chunk_bytes = std::uint64_t{1} << 20U;

// SHA-256(canonical header ‖ chunk digests): names the content and all its metadata.
[[nodiscard]] Bytes32 content_id(const Metadata& metadata, std::span<const Bytes32> chunk_digests,
                                 Sha256 sha256);

}  // namespace gyre
