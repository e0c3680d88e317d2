#include "harness/bench/read_bandwidth.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/cpu_features.hpp"

namespace gyre::bench {
namespace {

constexpr std::size_t piece_bytes = std::size_t{4} << 20U;
constexpr std::size_t prefetch_bytes = 2048;

std::uint64_t sum_words(const std::uint8_t* bytes, std::size_t count) noexcept {
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (; at + 8 <= count; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, sizeof word);
    sum += word;
  }
  for (; at < count; ++at) sum += bytes[at];
  return sum;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) std::uint64_t sum_avx2(const std::uint8_t* bytes,
                                                       std::size_t count) noexcept {
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                     _mm256_setzero_si256()};
  std::size_t at = 0;
  for (; at + 128 <= count; at += 128) {
    _mm_prefetch(reinterpret_cast<const char*>(bytes + at + prefetch_bytes), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(bytes + at + prefetch_bytes + 64), _MM_HINT_T0);
    for (std::size_t i = 0; i < 4; ++i) {
      sums[i] = _mm256_add_epi64(
          sums[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + at + 32 * i)));
    }
  }
  std::uint64_t words[4];
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(words),
      _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3])));
  return words[0] + words[1] + words[2] + words[3] + sum_words(bytes + at, count - at);
}

__attribute__((target("avx512f"))) std::uint64_t sum_avx512(const std::uint8_t* bytes,
                                                            std::size_t count) noexcept {
  __m512i sums[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                     _mm512_setzero_si512()};
  std::size_t at = 0;
  for (; at + 256 <= count; at += 256) {
    for (std::size_t i = 0; i < 4; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(bytes + at + prefetch_bytes + 64 * i),
                   _MM_HINT_T0);
      sums[i] = _mm512_add_epi64(sums[i], _mm512_loadu_si512(bytes + at + 64 * i));
    }
  }
  std::uint64_t words[8];
  _mm512_storeu_si512(words, _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]),
                                              _mm512_add_epi64(sums[2], sums[3])));
  std::uint64_t sum = sum_words(bytes + at, count - at);
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

#endif

using Sum = std::uint64_t (*)(const std::uint8_t*, std::size_t) noexcept;

Sum widest_sum() noexcept {
#if defined(__x86_64__)
  if (covers(cpu_features(), CpuFeatures::avx512f)) return &sum_avx512;
  if (covers(cpu_features(), CpuFeatures::avx2)) return &sum_avx2;
#endif
  return &sum_words;
}

}  // namespace

Result<std::uint64_t> read_all(cpu::Executor& executor,
                               std::span<const std::span<const std::uint8_t>> memory) {
  std::vector<std::span<const std::uint8_t>> pieces;
  for (const auto& part : memory) {
    for (std::size_t at = 0; at < part.size(); at += piece_bytes) {
      pieces.push_back(part.subspan(at, std::min(piece_bytes, part.size() - at)));
    }
  }
  const Sum sum = widest_sum();
  std::atomic<std::uint64_t> total{0};
  auto done = executor.parallel_for_at_home(
      pieces.size(),
      [&](std::size_t task) { return cpu::node_of_part(task, pieces.size(), executor.nodes()); },
      cpu::OtherNodes::help,
      [&](std::size_t task) { total.fetch_add(sum(pieces[task].data(), pieces[task].size())); });
  if (!done) return forward_error(done);
  return total.load();
}

}  // namespace gyre::bench
