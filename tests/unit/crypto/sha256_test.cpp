#include "harness/crypto/sha256.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/digest.hpp"

namespace gyre::crypto {
namespace {

// FIPS 180-4 examples.
constexpr std::string_view of_abc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, OfTheStandardsExamples) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), of_abc);
  EXPECT_EQ(to_hex(sha256(std::span<const std::byte>())), of_nothing);
  EXPECT_EQ(to_hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, FitsTheSeamOfCore) {
  const Sha256 seam = sha256;
  const std::array<std::span<const std::byte>, 3> parts = {as_bytes("a"), as_bytes(""),
                                                           as_bytes("bc")};
  EXPECT_EQ(to_hex(seam(parts)), of_abc);
}

TEST(Sha256Stream, BeginsAnewAfterFinish) {
  Sha256Stream stream;
  stream.update(as_bytes("abc"));
  EXPECT_EQ(to_hex(stream.finish()), of_abc);
  EXPECT_EQ(to_hex(stream.finish()), of_nothing);
  Sha256Stream moved = std::move(stream);
  moved.update(as_bytes("abc"));
  EXPECT_EQ(to_hex(moved.finish()), of_abc);
}

RC_GTEST_PROP(Sha256Stream, DoesNotSeeWhereThePiecesEnd, (const std::vector<std::string>& pieces)) {
  Sha256Stream stream;
  std::string whole;
  for (const std::string& piece : pieces) {
    stream.update(as_bytes(piece));
    whole += piece;
  }
  RC_ASSERT(stream.finish() == sha256(as_bytes(whole)));
}

}  // namespace
}  // namespace gyre::crypto
