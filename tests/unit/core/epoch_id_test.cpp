#include "core/epoch_id.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <limits>

#include "core/bytes.hpp"
#include "harness/crypto/sha256.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"

namespace gyre {
namespace {

TEST(EpochId, OfABaseHasNoChain) {
  Bytes32 content{};
  ASSERT_TRUE(
      from_hex("a442eb25e7813bc581912eb71fcf7b719800562fb544c5b59a6971da5e2c8183", content));
  EXPECT_EQ(EpochId::of_base(content, 41).text(), "a442eb25e7813bc5-41-0000000000000000");
}

// The constants come from Python's hashlib.
TEST(EpochId, ChainsOneBatchAfterAnother) {
  const EpochId base = EpochId::of_base(Bytes32{}, 0);
  const EpochId first = base.after(1, as_bytes("GYU1batch one"), crypto::sha256);
  EXPECT_EQ(first.text(), "0000000000000000-1-b36ca2b66b84e1b7");
  const EpochId second = first.after(2, as_bytes("GYU1batch two"), crypto::sha256);
  EXPECT_EQ(second.text(), "0000000000000000-2-74f9292b8587a0f5");
}

RC_GTEST_PROP(EpochId, TextIsReadBackAsTheSame, ()) {
  EpochId id;
  id.base = arbitrary_bytes<Bytes8>();
  id.seq = *rc::gen::arbitrary<std::uint64_t>();
  id.chain = arbitrary_bytes<Bytes8>();
  const std::string text = id.text();
  RC_ASSERT(text.size() <= EpochId::max_text_bytes);
  const auto parsed = EpochId::parse(text);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == id);
}

RC_GTEST_PROP(EpochId, NoTwoTextsAreOneId, ()) {
  EpochId id;
  id.base = arbitrary_bytes<Bytes8>();
  id.seq = *rc::gen::arbitrary<std::uint64_t>();
  id.chain = arbitrary_bytes<Bytes8>();
  std::string text = id.text();
  const auto at = *anywhere_in<std::size_t>(0, text.size());
  text[at] = *rc::gen::arbitrary<char>();
  const auto parsed = EpochId::parse(text);
  if (parsed) RC_ASSERT(parsed->text() == text);
}

TEST(EpochId, TheLargestSequenceNumberIsReadAndOneMoreIsNot) {
  EpochId id;
  id.seq = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(EpochId::parse(id.text()), id);
  EXPECT_EQ(code_of(EpochId::parse("0000000000000000-18446744073709551616-0000000000000000")),
            ErrorCode::malformed_request);
}

TEST(EpochId, RefusesEveryOtherForm) {
  for (const std::string_view text : {"",
                                      "-",
                                      "current",
                                      "0000000000000000-0-000000000000000",
                                      "000000000000000-0-0000000000000000",
                                      "0000000000000000--0000000000000000",
                                      "0000000000000000-00-0000000000000000",
                                      "0000000000000000-01-0000000000000000",
                                      "0000000000000000-+1-0000000000000000",
                                      "0000000000000000--1-0000000000000000",
                                      "0000000000000000- 1-0000000000000000",
                                      "0000000000000000-1-0000000000000000 ",
                                      " 0000000000000000-1-0000000000000000",
                                      "00000000000000AA-1-0000000000000000",
                                      "0000000000000000-1-AA00000000000000",
                                      "0000000000000000-1-000000000000000g",
                                      "0000000000000000_1_0000000000000000",
                                      "0000000000000000-0x1-0000000000000000",
                                      "000000000000000000000000000000000000",
                                      "0000000000000000-111111111111111111111-0000000000000000"}) {
    EXPECT_EQ(code_of(EpochId::parse(text)), ErrorCode::malformed_request) << text;
  }
}

}  // namespace
}  // namespace gyre
