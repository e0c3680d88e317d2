// Who executes a thread block. A kernel's block function is written against a crew:
//
//   crew.for_each(n, f)     f(0) … f(n - 1) in any order or at once, then a barrier for all
//   crew.add(word, value)   *word ^= value, also when others do so at the same moment
//   crew.load<n>(from)      n words that nobody writes meanwhile; from: aligned to all of them
//   crew.load_once<n>(from) the same of words that nobody reads again soon
//   crew.shared()           shared memory of the block, of the size that the step asked for
//   crew.key(which)         a fixed AES key, as planes
//   crew.for_each_warp<Lane>(n, f)  f(0, lanes) … f(n - 1, lanes), each by a warp of 32 lanes that
//                           have a Lane of their own: lanes.each(g) calls g(number, lane) for all
//   crew.multiply(lanes, p, m, t)  counts[m][t] += first(p, m) · second(p, t), matrices that the
//                           lanes of a warp hold together (matrix_product.hpp), of Lane's Elements
//
// HostCrew does it all in one thread, item after item, from the first or from the last on: what
// comes out may not depend on it. DeviceCrew (device_crew.cuh) is a real block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backends/cuda/matrix_product.hpp"
#include "backends/cuda/on_device.hpp"
#include "core/dpf/bitsliced_aes.hpp"
#include "core/dpf/kernel_functions.hpp"

namespace gyre::cuda {

// So many words that move together.
template <unsigned count>
struct alignas(count * 4) Words {
  std::uint32_t word[count];
};

#if !defined(__CUDACC__)
enum class CrewOrder : std::uint8_t { forwards, backwards };

class HostCrew {
 public:
  // Shared memory begins with bytes of no meaning, as on a GPU.
  explicit HostCrew(std::size_t shared_bytes, CrewOrder order = CrewOrder::forwards)
      : order_(order),
        shared_((shared_bytes + sizeof(Line) - 1) / sizeof(Line) + 1, Line{unwritten}) {}

  template <typename Work>
  void for_each(std::uint64_t count, const Work& work) {
    for (std::uint64_t i = 0; i < count; ++i) {
      work(order_ == CrewOrder::forwards ? i : count - 1 - i);
    }
  }
  template <typename Lane>
  struct Lanes {
    std::array<Lane, 32> lane;
    template <typename Work>
    void each(const Work& work) {
      for (unsigned i = 0; i < 32; ++i) work(i, lane[i]);
    }
  };
  template <typename Lane, typename Work>
  void for_each_warp(unsigned count, const Work& work) {
    for_each(count, [&](std::uint64_t warp) {
      Lanes<Lane> lanes;
      work(static_cast<unsigned>(warp), lanes);
    });
  }
  template <typename Lane>
  void multiply(Lanes<Lane>& lanes, unsigned product, unsigned m, unsigned t) noexcept {
    using F = MatrixFragments;
    std::uint32_t first[F::rows][F::depth_words];
    std::uint32_t second[F::columns][F::depth_words];
    lanes.each([&](unsigned number, const Lane& lane) {
      for (unsigned i = 0; i < 4; ++i) {
        first[F::first_row(number, i)][F::first_word(number, i)] = lane.first(product, m, i);
      }
      for (unsigned i = 0; i < 2; ++i) {
        second[F::second_column(number)][F::second_word(number, i)] = lane.second(product, t, i);
      }
    });
    lanes.each([&](unsigned number, Lane& lane) {
      for (unsigned i = 0; i < 4; ++i) {
        for (unsigned w = 0; w < F::depth_words; ++w) {
          lane.counts[m][t][i] += Lane::Elements::dot(first[F::count_row(number, i)][w],
                                                      second[F::count_column(number, i)][w]);
        }
      }
    });
  }
  void add(std::uint32_t* word, std::uint32_t value) noexcept { *word ^= value; }
  template <unsigned count>
  [[nodiscard]] Words<count> load(const std::uint32_t* from) const noexcept {
    Words<count> words;
    std::memcpy(&words, from, sizeof words);
    return words;
  }
  template <unsigned count>
  [[nodiscard]] Words<count> load_once(const std::uint32_t* from) const noexcept {
    return load<count>(from);
  }
  [[nodiscard]] void* shared() noexcept { return shared_.data(); }
  [[nodiscard]] const dpf::bitsliced::KeyPlanes& key(dpf::FixedKey which) const noexcept {
    return dpf::bitsliced::fixed_key_planes[static_cast<std::size_t>(which)];
  }

 private:
  static constexpr std::uint64_t unwritten = 0xDEADBEEFDEADBEEF;
  struct alignas(16) Line {
    std::uint64_t first;
    std::uint64_t second = unwritten;
  };
  const CrewOrder order_;
  std::vector<Line> shared_;
};
#endif

}  // namespace gyre::cuda
