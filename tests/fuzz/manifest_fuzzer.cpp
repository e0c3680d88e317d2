// Manifests from anywhere: no input may do more than be refused, and what is accepted must survive
// being written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/snapshot/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = gyre::snapshot::parse_manifest(text);
  if (!manifest) return 0;
  const auto again = gyre::snapshot::parse_manifest(gyre::snapshot::manifest_to_text(*manifest));
  if (!again || *again != *manifest) std::abort();
  return 0;
}
