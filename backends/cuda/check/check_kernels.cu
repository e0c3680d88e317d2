#include <cuda_runtime.h>

#include "backends/cuda/check/check_kernels.hpp"

namespace gyre::cuda {
namespace {

constexpr unsigned threads = 256;
constexpr unsigned loads_in_flight = 8;

__global__ void fill(std::uint32_t* words, std::uint64_t count) {
  const std::uint64_t stride = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x; i < count;
       i += stride) {
    std::uint64_t hash = (i + 1) * 0x9E3779B97F4A7C15U;
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9U;
    words[i] = static_cast<std::uint32_t>(hash >> 32U);
  }
}

__global__ void sum(const uint4* vectors, std::uint64_t count, std::uint32_t* to) {
  const std::uint64_t stride = std::uint64_t{gridDim.x} * blockDim.x;
  std::uint32_t total = 0;
  std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x;
  for (; i + (loads_in_flight - 1) * stride < count; i += loads_in_flight * stride) {
    uint4 some[loads_in_flight];
#pragma unroll
    for (unsigned k = 0; k < loads_in_flight; ++k) some[k] = __ldcs(vectors + i + k * stride);
#pragma unroll
    for (unsigned k = 0; k < loads_in_flight; ++k) {
      total ^= some[k].x ^ some[k].y ^ some[k].z ^ some[k].w;
    }
  }
  for (; i < count; i += stride) {
    const uint4 one = __ldcs(vectors + i);
    total ^= one.x ^ one.y ^ one.z ^ one.w;
  }
  atomicXor(to, total);
}

}  // namespace

cudaError_t fill_words(cudaStream_t stream, std::uint32_t* words, std::uint64_t count) {
  fill<<<4096, threads, 0, stream>>>(words, count);
  return cudaGetLastError();
}

cudaError_t sum_words(cudaStream_t stream, const std::uint32_t* words, std::uint64_t count,
                      std::uint32_t* sum_to, unsigned blocks) {
  sum<<<blocks, threads, 0, stream>>>(reinterpret_cast<const uint4*>(words), count / 4, sum_to);
  return cudaGetLastError();
}

}  // namespace gyre::cuda
