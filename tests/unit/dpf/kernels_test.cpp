// Every kernel against AES of another library, against the construction written down leaf by leaf,
// and against the portable one.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dpf/expand.hpp"
#include "core/dpf/expansion_kernel.hpp"
#include "core/dpf/fixed_keys.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/unit/dpf/random_keys.hpp"
#include "tests/unit/dpf/runnable_kernels.hpp"

namespace gyre::dpf {
namespace {

// The construction's keys as docs/formats.md prints them, (high, low).
constexpr std::array<Block, 3> documented_keys = {{
    {.low = 0x935f08d0a5b6a2fd, .high = 0x5be037ccf6a03de5},
    {.low = 0xe2ea1fe0f66f4d0b, .high = 0xef94b6aedebb026c},
    {.low = 0x46a31101b21d1c98, .high = 0x05a5d1588c5423e3},
}};

Block openssl_aes(const Block& key, const Block& plain) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  Block cipher;
  int written = 0;
  const bool done =
      EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr,
                         reinterpret_cast<const unsigned char*>(&key), nullptr) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char*>(&cipher), &written,
                        reinterpret_cast<const unsigned char*>(&plain), sizeof(plain)) == 1;
  EXPECT_TRUE(done && written == sizeof(plain));
  return cipher;
}

Block oracle_hash(FixedKey key, const Block& x) {
  const Block sigma{.low = x.high, .high = x.high ^ x.low};
  return openssl_aes(documented_keys[static_cast<std::size_t>(key)], sigma) ^ sigma;
}

// One leaf by the text of the construction: seed and control bit apart, one node at a time.
Block oracle_leaf(const Key& key, std::uint64_t leaf) {
  Block seed = key.seed;
  bool control = key.party == 1;
  for (std::size_t level = 0; level < key.levels.size(); ++level) {
    const bool right = ((leaf >> (key.levels.size() - 1 - level)) & 1U) != 0;
    Block child = oracle_hash(right ? FixedKey::right : FixedKey::left, seed);
    bool child_control = (child.low & 1U) != 0;
    child.low &= ~std::uint64_t{1};
    if (control) {
      child = child ^ key.levels[level].seed;
      const unsigned both_sides = key.levels[level].control;
      const unsigned correction = both_sides >> (right ? 1U : 0U);
      child_control = child_control != ((correction & 1U) != 0);
    }
    seed = child;
    control = child_control;
  }
  const Block value = oracle_hash(FixedKey::value, seed);
  return control ? value ^ key.value_correction : value;
}

TEST(DpfFixedKeys, AreTheDocumentedOnes) {
  EXPECT_EQ(fixed_keys, documented_keys);
}

// FIPS 197, appendix A.1.
TEST(DpfFixedKeys, KeyExpansionIsAes) {
  constexpr std::array<unsigned char, 16> key_bytes = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae,
                                                       0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88,
                                                       0x09, 0xcf, 0x4f, 0x3c};
  constexpr std::array<unsigned char, 16> last_bytes = {0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee,
                                                        0x25, 0x89, 0xe1, 0x3f, 0x0c, 0xc8,
                                                        0xb6, 0x63, 0x0c, 0xa6};
  Block key;
  Block last;
  std::memcpy(&key.low, key_bytes.data(), 8);
  std::memcpy(&key.high, key_bytes.data() + 8, 8);
  std::memcpy(&last.low, last_bytes.data(), 8);
  std::memcpy(&last.high, last_bytes.data() + 8, 8);
  EXPECT_EQ(expand_aes_key(key)[0], key);
  EXPECT_EQ(expand_aes_key(key)[10], last);
}

// FIPS 197, section 5.1.1, by its definition.
TEST(DpfTowerField, SubstitutesEveryByteAsAesDoes) {
  const auto multiply = [](std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; b != 0; b >>= 1U) {
      if ((b & 1U) != 0) product ^= a;
      a = (a << 1U) ^ ((a & 0x80U) != 0 ? 0x11BU : 0U);
    }
    return product;
  };
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t inverse = 0;
    for (std::uint32_t candidate = 1; candidate < 256; ++candidate) {
      if (multiply(byte, candidate) == 1) inverse = candidate;
    }
    std::uint32_t expected = 0;
    for (unsigned i = 0; i < 8; ++i) {
      std::uint32_t bit = 0x63U >> i;
      for (const unsigned j : {0U, 4U, 5U, 6U, 7U}) bit ^= inverse >> ((i + j) % 8);
      expected |= (bit & 1U) << i;
    }
    ASSERT_EQ(substitute_byte(byte), expected) << byte;
  }
}

// Counts around every kernel's group sizes; what lies behind the last block stays untouched.
TEST(DpfKernels, HashIsAesOfAnotherLibrary) {
  SeededRandom random(1);
  constexpr Block guard{.low = 0x0123456789abcdef, .high = 0xfedcba9876543210};
  for (const ExpansionKernel* kernel : runnable_kernels()) {
    for (const FixedKey key : {FixedKey::left, FixedKey::right, FixedKey::value}) {
      for (std::size_t count = 0; count <= 70; ++count) {
        std::vector<Block> in(count);
        for (Block& block : in) block = random_block(random);
        std::vector<Block> out(count + 1, guard);
        kernel->hash(key, in.data(), out.data(), count);
        for (std::size_t i = 0; i < count; ++i) {
          ASSERT_EQ(out[i], oracle_hash(key, in[i])) << kernel->name << " " << count << " " << i;
        }
        ASSERT_EQ(out[count], guard) << kernel->name << " " << count;
      }
    }
  }
}

TEST(DpfKernels, WriteExactlyTheirOutput) {
  SeededRandom random(2);
  constexpr Block guard{.low = 0x0123456789abcdef, .high = 0xfedcba9876543210};
  const ChildCorrections corrections{.left = random_block(random), .right = random_block(random)};
  const ExpansionKernel& portable = *expansion_kernels().back();
  for (const ExpansionKernel* kernel : runnable_kernels()) {
    for (std::size_t count = 0; count <= 70; ++count) {
      std::vector<Block> nodes(count);
      for (Block& node : nodes) node = random_block(random);
      std::vector<Block> children(2 * count + 1, guard);
      std::vector<Block> expected = children;
      kernel->expand_level(nodes.data(), count, corrections, children.data());
      portable.expand_level(nodes.data(), count, corrections, expected.data());
      ASSERT_EQ(children, expected) << kernel->name << " " << count;
      std::vector<Block> leaves(count + 1, guard);
      std::vector<Block> expected_leaves = leaves;
      kernel->finish_leaves(nodes.data(), count, corrections.left, leaves.data());
      portable.finish_leaves(nodes.data(), count, corrections.left, expected_leaves.data());
      ASSERT_EQ(leaves, expected_leaves) << kernel->name << " " << count;
    }
  }
}

TEST(DpfKernels, EndWithThePortableOneThatNeedsNothing) {
  ASSERT_FALSE(expansion_kernels().empty());
  EXPECT_EQ(expansion_kernels().back()->name, "portable");
  EXPECT_EQ(expansion_kernels().back()->required, CpuFeatures::none);
}

TEST(DpfKernels, AreFoundByNameOrRefused) {
  for (const ExpansionKernel* kernel : expansion_kernels()) {
    const auto found = find_expansion_kernel(kernel->name);
    if (covers(cpu_features(), kernel->required)) {
      ASSERT_TRUE(found);
      EXPECT_EQ(*found, kernel);
    } else {
      EXPECT_EQ(code_of(found), ErrorCode::cpu_feature_missing);
    }
  }
  const auto unknown = find_expansion_kernel("abacus");
  EXPECT_EQ(code_of(unknown), ErrorCode::bad_configuration);
  EXPECT_EQ(unknown.error().message.find("abacus"), std::string::npos);
  EXPECT_EQ(&best_expansion_kernel(), runnable_kernels().front());
}

RC_GTEST_PROP(DpfExpand, FollowsTheConstruction, ()) {
  const auto levels = *anywhere_in(0U, max_levels + 1);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Key key = random_key(levels, random);
  const std::uint64_t all = std::uint64_t{1} << levels;
  const auto first = *anywhere_in<std::uint64_t>(0, all);
  const auto count = *anywhere_in<std::uint64_t>(0, std::min<std::uint64_t>(all - first, 40) + 1);
  for (const ExpansionKernel* kernel : runnable_kernels()) {
    std::vector<Block> leaves(count);
    expand(*kernel, key, first, leaves);
    for (std::uint64_t i = 0; i < count; ++i) {
      RC_ASSERT(leaves[i] == oracle_leaf(key, first + i));
    }
  }
}

RC_GTEST_PROP(DpfExpand, AllKernelsAgreeOnAnyRange, ()) {
  const auto levels = *anywhere_in(0U, max_levels + 1);
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  const Key key = random_key(levels, random);
  const std::uint64_t all = std::uint64_t{1} << levels;
  const std::uint64_t near_an_edge = *rc::gen::elementOf(
      std::vector<std::uint64_t>{0, 1024, std::uint64_t{1} << 16U, all / 2, all});
  const auto back = *anywhere_in<std::uint64_t>(0, 3000);
  const std::uint64_t first = std::min(near_an_edge - std::min(near_an_edge, back), all - 1);
  const auto count = *anywhere_in<std::uint64_t>(1, std::min<std::uint64_t>(all - first, 4000) + 1);
  std::vector<Block> expected(count);
  expand(*expansion_kernels().back(), key, first, expected);
  for (const ExpansionKernel* kernel : runnable_kernels()) {
    std::vector<Block> leaves(count);
    expand(*kernel, key, first, leaves);
    RC_ASSERT(leaves == expected);
  }
}

// Pieces of any size are the whole, also across the places where expansion starts anew.
TEST(DpfExpand, PiecesMakeTheWhole) {
  SeededRandom random(3);
  const Key key = random_key(18, random);
  const ExpansionKernel& kernel = best_expansion_kernel();
  std::vector<Block> whole((std::size_t{1} << 18U));
  expand(kernel, key, 0, whole);
  EXPECT_EQ(whole[70'000], oracle_leaf(key, 70'000));
  EXPECT_EQ(whole.back(), oracle_leaf(key, whole.size() - 1));
  for (const std::size_t piece : {777U, 1024U, 40'961U, 100'003U}) {
    std::vector<Block> pieces(whole.size());
    for (std::size_t first = 0; first < whole.size(); first += piece) {
      expand(kernel, key, first,
             std::span(pieces).subspan(first, std::min(piece, whole.size() - first)));
    }
    EXPECT_EQ(pieces, whole) << piece;
  }
}

}  // namespace
}  // namespace gyre::dpf
