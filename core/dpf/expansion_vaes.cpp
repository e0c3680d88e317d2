// Expansion with VAES on 512-bit vectors: four blocks an instruction, eight instructions in flight.
#include <immintrin.h>

#include "core/dpf/kernel_functions.hpp"

namespace gyre::dpf::vaes {
namespace {

constexpr std::size_t rounds = 10;
constexpr std::size_t per_vector = 4;

// The low n blocks of a vector, as lanes of 64 bits.
inline __mmask8 lanes(std::size_t blocks) noexcept {
  return static_cast<__mmask8>((1U << (2 * blocks)) - 1U);
}
inline __m512i load(const Block* blocks, __mmask8 which) noexcept {
  return _mm512_maskz_loadu_epi64(which, blocks);
}
inline void store(Block* blocks, __mmask8 which, __m512i values) noexcept {
  _mm512_mask_storeu_epi64(blocks, which, values);
}
inline __m512i broadcast(const Block* block) noexcept {
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(block)));
}

struct RoundKeys {
  __m512i of[rounds + 1];
};

inline RoundKeys round_keys(FixedKey key) noexcept {
  RoundKeys keys;
  for (std::size_t i = 0; i <= rounds; ++i) {
    keys.of[i] = broadcast(&fixed_round_keys[static_cast<std::size_t>(key)][i]);
  }
  return keys;
}

// (high, low) -> (high ^ low, high) in each block: the halves swapped, the high half added to the
// high.
inline __m512i sigma(__m512i x) noexcept {
  constexpr __mmask8 high_halves = 0xAA;
  const __m512i swapped = _mm512_shuffle_epi32(x, _MM_PERM_BADC);
  return _mm512_mask_xor_epi64(swapped, high_halves, swapped, x);
}

inline __m512i seed_of(__m512i nodes) noexcept {
  return _mm512_andnot_si512(_mm512_set_epi64(0, 1, 0, 1, 0, 1, 0, 1), nodes);
}

// For each block, all lanes if the node's control bit is set. Masks only select lanes; the time of
// a masked instruction does not depend on its mask.
inline __mmask16 control_mask(__m512i nodes) noexcept {
  return _mm512_test_epi32_mask(_mm512_shuffle_epi32(nodes, _MM_PERM_AAAA), _mm512_set1_epi32(1));
}

// AES_key(sigmas) ^ sigmas ^ (correction where controlled) of n vectors together.
template <std::size_t n>
inline void encrypt_and_correct(const RoundKeys& keys, const __m512i (&sigmas)[n],
                                const __mmask16 (&controlled)[n], __m512i correction,
                                __m512i (&out)[n]) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = _mm512_xor_si512(sigmas[i], keys.of[0]);
  for (std::size_t round = 1; round < rounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) out[i] = _mm512_aesenc_epi128(out[i], keys.of[round]);
  }
  const __m512i corrected_key = _mm512_xor_si512(keys.of[rounds], correction);
  for (std::size_t i = 0; i < n; ++i) {
    const __m512i last = _mm512_mask_mov_epi32(keys.of[rounds], controlled[i], corrected_key);
    out[i] = _mm512_aesenclast_epi128(out[i], _mm512_xor_si512(last, sigmas[i]));
  }
}

// n vectors of four blocks; `last` says which lanes of the last one exist.
template <std::size_t n>
inline void hash_vectors(const RoundKeys& keys, const Block* in, Block* out,
                         __mmask8 last) noexcept {
  __m512i sigmas[n];
  __mmask16 controlled[n];
  __m512i hashes[n];
  for (std::size_t i = 0; i < n; ++i) {
    sigmas[i] = sigma(load(in + per_vector * i, i + 1 == n ? last : lanes(4)));
    controlled[i] = 0;
  }
  encrypt_and_correct(keys, sigmas, controlled, _mm512_setzero_si512(), hashes);
  for (std::size_t i = 0; i < n; ++i) {
    store(out + per_vector * i, i + 1 == n ? last : lanes(4), hashes[i]);
  }
}

template <std::size_t n>
inline void finish_vectors(const RoundKeys& keys, const Block* nodes, __m512i value_correction,
                           Block* leaves, __mmask8 last) noexcept {
  __m512i sigmas[n];
  __mmask16 controlled[n];
  __m512i hashes[n];
  for (std::size_t i = 0; i < n; ++i) {
    const __m512i node = load(nodes + per_vector * i, i + 1 == n ? last : lanes(4));
    sigmas[i] = sigma(seed_of(node));
    controlled[i] = control_mask(node);
  }
  encrypt_and_correct(keys, sigmas, controlled, value_correction, hashes);
  for (std::size_t i = 0; i < n; ++i) {
    store(leaves + per_vector * i, i + 1 == n ? last : lanes(4), hashes[i]);
  }
}

// n vectors of four parents, of the last one only the first `last_blocks`.
template <std::size_t n>
inline void expand_vectors(const RoundKeys& left_keys, const RoundKeys& right_keys,
                           const Block* parents, __m512i left_correction, __m512i right_correction,
                           Block* children, std::size_t last_blocks) noexcept {
  const __m512i first_pairs = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i second_pairs = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  __m512i sigmas[n];
  __mmask16 controlled[n];
  __m512i left[n];
  __m512i right[n];
  for (std::size_t i = 0; i < n; ++i) {
    const __m512i parent = load(parents + per_vector * i, lanes(i + 1 == n ? last_blocks : 4));
    sigmas[i] = sigma(seed_of(parent));
    controlled[i] = control_mask(parent);
  }
  encrypt_and_correct(left_keys, sigmas, controlled, left_correction, left);
  encrypt_and_correct(right_keys, sigmas, controlled, right_correction, right);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t blocks = 2 * (i + 1 == n ? last_blocks : 4);
    Block* out = children + 2 * per_vector * i;
    store(out, lanes(blocks < 4 ? blocks : 4),
          _mm512_permutex2var_epi64(left[i], first_pairs, right[i]));
    store(out + 4, lanes(blocks < 4 ? 0 : blocks - 4),
          _mm512_permutex2var_epi64(left[i], second_pairs, right[i]));
  }
}

}  // namespace

void hash(FixedKey key, const Block* in, Block* out, std::size_t count) noexcept {
  const RoundKeys keys = round_keys(key);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) hash_vectors<8>(keys, in + i, out + i, lanes(4));
  for (; i + 4 <= count; i += 4) hash_vectors<1>(keys, in + i, out + i, lanes(4));
  if (i < count) hash_vectors<1>(keys, in + i, out + i, lanes(count - i));
}

void expand_level(const Block* parents, std::size_t count, const ChildCorrections& corrections,
                  Block* children) noexcept {
  const RoundKeys left_keys = round_keys(FixedKey::left);
  const RoundKeys right_keys = round_keys(FixedKey::right);
  const __m512i left = broadcast(&corrections.left);
  const __m512i right = broadcast(&corrections.right);
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    expand_vectors<4>(left_keys, right_keys, parents + i, left, right, children + 2 * i, 4);
  }
  for (; i < count; i += 4) {
    const std::size_t blocks = count - i < 4 ? count - i : 4;
    expand_vectors<1>(left_keys, right_keys, parents + i, left, right, children + 2 * i, blocks);
  }
}

void finish_leaves(const Block* nodes, std::size_t count, const Block& value_correction,
                   Block* leaves) noexcept {
  const RoundKeys keys = round_keys(FixedKey::value);
  const __m512i correction = broadcast(&value_correction);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    finish_vectors<8>(keys, nodes + i, correction, leaves + i, lanes(4));
  }
  for (; i + 4 <= count; i += 4) {
    finish_vectors<1>(keys, nodes + i, correction, leaves + i, lanes(4));
  }
  if (i < count) finish_vectors<1>(keys, nodes + i, correction, leaves + i, lanes(count - i));
}

}  // namespace gyre::dpf::vaes
