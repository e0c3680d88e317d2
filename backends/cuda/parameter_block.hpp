// What a batch sends to a device beside selection bits, laid out as one copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace gyre::cuda {

class ParameterBlock {
 public:
  // Where the values will lie, bytes from the block's begin; a multiple of 16. May throw bad_alloc.
  template <typename T>
  std::uint64_t append(std::span<const T> values) {
    return append_bytes(std::as_bytes(values));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::uint64_t append_bytes(std::span<const std::byte> values) {
    const std::size_t at = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(at + values.size());
    if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size());
    return at;
  }

  std::vector<std::byte> bytes_;
};

}  // namespace gyre::cuda
