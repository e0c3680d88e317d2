// The native wire form of a DPF key: whatever bytes come, a key or an error, and one key has one
// form.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/dpf/key.hpp"
#include "tests/fuzz/require.hpp"

using namespace gyre;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto front = dpf::parse_front(bytes);
  if (!front) {
    fuzz::require(front.error().code == ErrorCode::malformed_request);
    fuzz::require(!dpf::parse(bytes));
    return 0;
  }
  fuzz::require(front->wire_bytes <= size);
  fuzz::require(front->key.levels.size() <= dpf::max_levels && front->key.party <= 1);
  const auto again = dpf::serialize(front->key);
  fuzz::require(std::equal(again.begin(), again.end(), bytes.begin(),
                           bytes.begin() + static_cast<std::ptrdiff_t>(front->wire_bytes)));
  fuzz::require(dpf::parse(bytes).has_value() == (front->wire_bytes == size));
  for (const std::uint64_t records :
       {std::uint64_t{1}, std::uint64_t{129}, std::uint64_t{1} << 46U}) {
    const bool fits = dpf::check(front->key, front->key.party, records).has_value();
    fuzz::require(fits == (front->key.levels.size() >= dpf::levels_for(records)));
    fuzz::require(!dpf::check(front->key, front->key.party ^ 1U, records));
  }
  return 0;
}
