// The private builder file: which key has which row. docs/formats.md, "Builder file". It names
// every key, so it is neither served nor needed by a server.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/snapshot/file.hpp"

namespace gyre::snapshot {

// Writes one from front to back. One thread at a time.
class BuilderFileWriter {
 public:
  explicit BuilderFileWriter(File& file);
  [[nodiscard]] Result<void> begin(const Metadata& metadata, std::uint64_t keys);
  [[nodiscard]] Result<void> add(std::span<const std::byte> key, std::uint64_t row);
  [[nodiscard]] Result<void> finish(const Bytes32& content_id);

 private:
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);

  BufferedWriter writer_;
  crypto::Sha256Stream digest_;
  std::vector<std::byte> piece_;
};

struct BuilderFileSummary {
  std::uint64_t keys = 0;
  Bytes32 content_id{};
};

// Reads one that must belong to this metadata, calling visit(key, row) for every key in the order
// of the file; the key lives for the call. Errors: malformed_input, digest_mismatch (its own
// digest, found at the end), io_failed, what visit returns.
using KeyVisitor = std::function<Result<void>(std::span<const std::byte> key, std::uint64_t row)>;
[[nodiscard]] Result<BuilderFileSummary> read_builder_file(const File& file,
                                                           const Metadata& metadata,
                                                           const KeyVisitor& visit);

}  // namespace gyre::snapshot
