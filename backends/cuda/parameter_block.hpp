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
    const auto from = std::as_bytes(values);
    const std::uint64_t at = extend(from.size());
    if (!from.empty()) std::memcpy(bytes_.data() + at, from.data(), from.size());
    return at;
  }
  // Room for so many bytes, which are zero. As append().
  std::uint64_t extend(std::uint64_t bytes) {
    const std::size_t at = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(at + bytes);
    return at;
  }
  // The block's begin, until more is appended.
  [[nodiscard]] std::byte* data() noexcept { return bytes_.data(); }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace gyre::cuda
