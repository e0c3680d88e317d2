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
  template <typename Lane>
  struct Lanes {
    Lane lane;
    template <typename Work>
    __device__ void each(const Work& work) {
      work(threadIdx.x % 32, lane);
    }
  };
  template <typename Lane, typename Work>
  __device__ void for_each_warp(unsigned count, const Work& work) {
    Lanes<Lane> lanes;
    for (unsigned warp = threadIdx.x / 32; warp < count; warp += blockDim.x / 32) {
      work(warp, lanes);
    }
    __syncthreads();
  }
  template <typename Lane>
  __device__ void multiply(Lanes<Lane>& lanes, unsigned product, unsigned m, unsigned t) {
    Lane& lane = lanes.lane;
    auto& c = lane.counts[m][t];
    if constexpr (Lane::Elements::are_bytes) {
      asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
          "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
          : "r"(lane.first(product, m, 0)), "r"(lane.first(product, m, 1)),
            "r"(lane.first(product, m, 2)), "r"(lane.first(product, m, 3)),
            "r"(lane.second(product, t, 0)), "r"(lane.second(product, t, 1)));
    } else {
      asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
          "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
          : "r"(lane.first(product, m, 0)), "r"(lane.first(product, m, 1)),
            "r"(lane.first(product, m, 2)), "r"(lane.first(product, m, 3)),
            "r"(lane.second(product, t, 0)), "r"(lane.second(product, t, 1)));
    }
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
