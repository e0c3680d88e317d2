// A thread block of a GPU as a crew (crew.hpp).
#pragma once

#include "backends/cuda/crew.hpp"

namespace gyre::cuda {

// Constant memory: all threads of a warp read the same word, which takes one cycle.
__constant__ const dpf::bitsliced::KeyPlanes device_key_planes[3] = {
    dpf::bitsliced::fixed_key_planes[0], dpf::bitsliced::fixed_key_planes[1],
    dpf::bitsliced::fixed_key_planes[2]};

class DeviceCrew {
 public:
  template <typename Work>
  __device__ void for_each(std::uint64_t count, const Work& work) {
    for (std::uint64_t i = threadIdx.x; i < count; i += blockDim.x) work(i);
    __syncthreads();
  }
  __device__ void add(std::uint32_t* word, std::uint32_t value) { atomicXor(word, value); }
  template <unsigned count>
  __device__ Words<count> load(const std::uint32_t* from) const {
    Words<count> words;
    if constexpr (count == 4) {
      const uint4 value = __ldg(reinterpret_cast<const uint4*>(from));
      words = {{value.x, value.y, value.z, value.w}};
    } else {
      static_assert(count == 1);
      words = {{__ldg(from)}};
    }
    return words;
  }
  // Past the first-level cache, which it would only flush.
  template <unsigned count>
  __device__ Words<count> load_once(const std::uint32_t* from) const {
    Words<count> words;
    if constexpr (count == 4) {
      asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
          : "=r"(words.word[0]), "=r"(words.word[1]), "=r"(words.word[2]), "=r"(words.word[3])
          : "l"(from));
    } else {
      static_assert(count == 1);
      asm("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(words.word[0]) : "l"(from));
    }
    return words;
  }
  __device__ void* shared() {
    extern __shared__ uint4 block_memory[];
    return block_memory;
  }
  __device__ const dpf::bitsliced::KeyPlanes& key(dpf::FixedKey which) const {
    return device_key_planes[static_cast<unsigned>(which)];
  }
};

}  // namespace gyre::cuda
