// Expansion with VAES on 256-bit vectors, for processors that have VAES but no AVX-512 (Zen 3,
// Alder Lake): two blocks an instruction, eight instructions in flight.
#include <immintrin.h>

#include "core/dpf/kernel_functions.hpp"

namespace gyre::dpf::vaes256 {
namespace {

constexpr std::size_t rounds = 10;
constexpr std::size_t in_flight = 8;

inline __m256i load(const Block* blocks) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(blocks));
}
inline __m256i load_one(const Block* block) noexcept {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(block)));
}
inline void store(Block* blocks, __m256i values) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(blocks), values);
}
inline void store_one(Block* block, __m256i values) noexcept {
  _mm_store_si128(reinterpret_cast<__m128i*>(block), _mm256_castsi256_si128(values));
}

struct RoundKeys {
  __m256i of[rounds + 1];
};

// One key for the low block of every vector, one for the high block.
inline RoundKeys round_keys(FixedKey low, FixedKey high) noexcept {
  RoundKeys keys;
  for (std::size_t i = 0; i <= rounds; ++i) {
    keys.of[i] =
        _mm256_blend_epi32(load_one(&fixed_round_keys[static_cast<std::size_t>(low)][i]),
                           load_one(&fixed_round_keys[static_cast<std::size_t>(high)][i]), 0xF0);
  }
  return keys;
}

// (high, low) -> (high ^ low, high) in each block.
inline __m256i sigma(__m256i x) noexcept {
  const __m256i high_halves = _mm256_set_epi64x(-1, 0, -1, 0);
  return _mm256_xor_si256(_mm256_shuffle_epi32(x, 0x4E), _mm256_and_si256(x, high_halves));
}

inline __m256i seed_of(__m256i nodes) noexcept {
  return _mm256_andnot_si256(_mm256_set_epi64x(0, 1, 0, 1), nodes);
}

// For each block all ones if the control bit of the node is set, else zero.
inline __m256i control_mask(__m256i nodes) noexcept {
  return _mm256_srai_epi32(_mm256_slli_epi32(_mm256_shuffle_epi32(nodes, 0), 31), 31);
}

// AES_key(sigmas) ^ sigmas of n vectors together.
template <std::size_t n>
inline void encrypt_and_add(const RoundKeys& keys, const __m256i (&sigmas)[n],
                            __m256i (&out)[n]) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = _mm256_xor_si256(sigmas[i], keys.of[0]);
  for (std::size_t round = 1; round < rounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) out[i] = _mm256_aesenc_epi128(out[i], keys.of[round]);
  }
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = _mm256_aesenclast_epi128(out[i], _mm256_xor_si256(keys.of[rounds], sigmas[i]));
  }
}

template <std::size_t n>
inline void hash_vectors(const RoundKeys& keys, const __m256i (&in)[n],
                         __m256i (&out)[n]) noexcept {
  __m256i sigmas[n];
  for (std::size_t i = 0; i < n; ++i) sigmas[i] = sigma(in[i]);
  encrypt_and_add(keys, sigmas, out);
}

template <std::size_t n>
inline void finish_vectors(const RoundKeys& keys, const __m256i (&nodes)[n],
                           __m256i value_correction, __m256i (&out)[n]) noexcept {
  __m256i sigmas[n];
  for (std::size_t i = 0; i < n; ++i) sigmas[i] = sigma(seed_of(nodes[i]));
  encrypt_and_add(keys, sigmas, out);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = _mm256_xor_si256(out[i], _mm256_and_si256(control_mask(nodes[i]), value_correction));
  }
}

// A parent fills both blocks of a vector, so that its two children come out side by side.
template <std::size_t n>
inline void expand_parents(const RoundKeys& keys, const Block* parents, __m256i corrections,
                           Block* children) noexcept {
  __m256i nodes[n];
  __m256i out[n];
  for (std::size_t i = 0; i < n; ++i) nodes[i] = load_one(parents + i);
  finish_vectors(keys, nodes, corrections, out);
  for (std::size_t i = 0; i < n; ++i) store(children + 2 * i, out[i]);
}

}  // namespace

void hash(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept {
  const RoundKeys keys = round_keys(key, key);
  std::size_t i = 0;
  for (; i + 2 * in_flight <= count; i += 2 * in_flight) {
    __m256i blocks[in_flight];
    __m256i hashes[in_flight];
    for (std::size_t v = 0; v < in_flight; ++v) blocks[v] = load(in + i + 2 * v);
    hash_vectors(keys, blocks, hashes);
    for (std::size_t v = 0; v < in_flight; ++v) store(out + i + 2 * v, hashes[v]);
  }
  for (; i < count; ++i) {
    const __m256i block[1] = {load_one(in + i)};
    __m256i hash[1];
    hash_vectors(keys, block, hash);
    store_one(out + i, hash[0]);
  }
}

void expand_level(const Block* parents, std::size_t count, const ChildCorrections& corrections,
                  Block* children) noexcept {
  const RoundKeys keys = round_keys(FixedKey::left, FixedKey::right);
  const __m256i sides =
      _mm256_blend_epi32(load_one(&corrections.left), load_one(&corrections.right), 0xF0);
  std::size_t i = 0;
  for (; i + in_flight <= count; i += in_flight) {
    expand_parents<in_flight>(keys, parents + i, sides, children + 2 * i);
  }
  for (; i < count; ++i) expand_parents<1>(keys, parents + i, sides, children + 2 * i);
}

void finish_leaves(const Block* nodes, std::size_t count, const Block& value_correction,
                   Block* leaves) noexcept {
  const RoundKeys keys = round_keys(FixedKey::value, FixedKey::value);
  const __m256i correction = load_one(&value_correction);
  std::size_t i = 0;
  for (; i + 2 * in_flight <= count; i += 2 * in_flight) {
    __m256i some[in_flight];
    __m256i out[in_flight];
    for (std::size_t v = 0; v < in_flight; ++v) some[v] = load(nodes + i + 2 * v);
    finish_vectors(keys, some, correction, out);
    for (std::size_t v = 0; v < in_flight; ++v) store(leaves + i + 2 * v, out[v]);
  }
  for (; i < count; ++i) {
    const __m256i node[1] = {load_one(nodes + i)};
    __m256i out[1];
    finish_vectors(keys, node, correction, out);
    store_one(leaves + i, out[0]);
  }
}

}  // namespace gyre::dpf::vaes256
