// Expansion with AES-NI and SSE2: eight blocks in flight hide the latency of a round.
#include <immintrin.h>

#include "core/dpf/kernel_functions.hpp"

namespace gyre::dpf::aesni {
namespace {

constexpr std::size_t rounds = 10;

inline __m128i load(const Block* block) noexcept {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(block));
}
inline void store(Block* block, __m128i value) noexcept {
  _mm_store_si128(reinterpret_cast<__m128i*>(block), value);
}

struct RoundKeys {
  __m128i of[rounds + 1];
};

inline RoundKeys round_keys(FixedKey key) noexcept {
  RoundKeys keys;
  for (std::size_t i = 0; i <= rounds; ++i) {
    keys.of[i] = load(&fixed_round_keys[static_cast<std::size_t>(key)][i]);
  }
  return keys;
}

// (high, low) -> (high ^ low, high)
inline __m128i sigma(__m128i x) noexcept {
  const __m128i high_half = _mm_set_epi64x(-1, 0);
  return _mm_xor_si128(_mm_shuffle_epi32(x, 0x4E), _mm_and_si128(x, high_half));
}

inline __m128i seed_of(__m128i node) noexcept {
  return _mm_andnot_si128(_mm_set_epi64x(0, 1), node);
}

// All ones if the control bit of the node is set, else zero.
inline __m128i control_mask(__m128i node) noexcept {
  return _mm_srai_epi32(_mm_slli_epi32(_mm_shuffle_epi32(node, 0), 31), 31);
}

// AES_key(x) ^ x of n blocks together.
template <std::size_t n>
inline void encrypt_and_add(const RoundKeys& keys, const __m128i (&in)[n],
                            __m128i (&out)[n]) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = _mm_xor_si128(in[i], keys.of[0]);
  for (std::size_t round = 1; round < rounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) out[i] = _mm_aesenc_si128(out[i], keys.of[round]);
  }
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = _mm_aesenclast_si128(out[i], _mm_xor_si128(keys.of[rounds], in[i]));
  }
}

template <std::size_t n>
inline void hash_blocks(const RoundKeys& keys, const Block* in, Block* out) noexcept {
  __m128i sigmas[n];
  __m128i hashes[n];
  for (std::size_t i = 0; i < n; ++i) sigmas[i] = sigma(load(in + i));
  encrypt_and_add(keys, sigmas, hashes);
  for (std::size_t i = 0; i < n; ++i) store(out + i, hashes[i]);
}

template <std::size_t n>
inline void expand_parents(const RoundKeys& left_keys, const RoundKeys& right_keys,
                           const Block* parents, const __m128i (&corrections)[2],
                           Block* children) noexcept {
  __m128i sigmas[n];
  __m128i left[n];
  __m128i right[n];
  for (std::size_t i = 0; i < n; ++i) {
    sigmas[i] = sigma(seed_of(load(parents + i)));
    left[i] = _mm_xor_si128(sigmas[i], left_keys.of[0]);
    right[i] = _mm_xor_si128(sigmas[i], right_keys.of[0]);
  }
  for (std::size_t round = 1; round < rounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) {
      left[i] = _mm_aesenc_si128(left[i], left_keys.of[round]);
      right[i] = _mm_aesenc_si128(right[i], right_keys.of[round]);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const __m128i mask = control_mask(load(parents + i));
    left[i] = _mm_aesenclast_si128(left[i], _mm_xor_si128(left_keys.of[rounds], sigmas[i]));
    right[i] = _mm_aesenclast_si128(right[i], _mm_xor_si128(right_keys.of[rounds], sigmas[i]));
    store(children + 2 * i, _mm_xor_si128(left[i], _mm_and_si128(mask, corrections[0])));
    store(children + 2 * i + 1, _mm_xor_si128(right[i], _mm_and_si128(mask, corrections[1])));
  }
}

template <std::size_t n>
inline void finish_nodes(const RoundKeys& keys, const Block* nodes, __m128i value_correction,
                         Block* leaves) noexcept {
  __m128i sigmas[n];
  __m128i hashes[n];
  for (std::size_t i = 0; i < n; ++i) sigmas[i] = sigma(seed_of(load(nodes + i)));
  encrypt_and_add(keys, sigmas, hashes);
  for (std::size_t i = 0; i < n; ++i) {
    const __m128i mask = control_mask(load(nodes + i));
    store(leaves + i, _mm_xor_si128(hashes[i], _mm_and_si128(mask, value_correction)));
  }
}

}  // namespace

void hash(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept {
  const RoundKeys keys = round_keys(key);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) hash_blocks<8>(keys, in + i, out + i);
  for (; i < count; ++i) hash_blocks<1>(keys, in + i, out + i);
}

void expand_level(const Block* parents, std::size_t count, const ChildCorrections& corrections,
                  Block* children) noexcept {
  const RoundKeys left_keys = round_keys(FixedKey::left);
  const RoundKeys right_keys = round_keys(FixedKey::right);
  const __m128i sides[2] = {load(&corrections.left), load(&corrections.right)};
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    expand_parents<4>(left_keys, right_keys, parents + i, sides, children + 2 * i);
  }
  for (; i < count; ++i) {
    expand_parents<1>(left_keys, right_keys, parents + i, sides, children + 2 * i);
  }
}

void finish_leaves(const Block* nodes, std::size_t count, const Block& value_correction,
                   Block* leaves) noexcept {
  const RoundKeys keys = round_keys(FixedKey::value);
  const __m128i correction = load(&value_correction);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) finish_nodes<8>(keys, nodes + i, correction, leaves + i);
  for (; i < count; ++i) finish_nodes<1>(keys, nodes + i, correction, leaves + i);
}

}  // namespace gyre::dpf::aesni
