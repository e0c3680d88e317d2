#include "harness/crypto/siphash.hpp"

#include <gtest/gtest.h>

#include "core/bytes.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre::crypto {
namespace {

TEST(SipHash, OfThePapersExample) {
  // Appendix A of the paper: key 00 … 0f, message 00 … 0e.
  const auto message = counting_bytes<std::array<std::byte, 15>>();
  EXPECT_EQ(siphash_2_4(counting_bytes<Bytes16>(), message), 0xa129ca6149be45e5U);
}

TEST(SipHash, OfNothing) {
  // The first of the reference implementation's vectors.
  EXPECT_EQ(siphash_2_4(counting_bytes<Bytes16>(), {}), 0x726fdb47dd0e0e31U);
}

}  // namespace
}  // namespace gyre::crypto
