#include "harness/snapshot/describe.hpp"

#include <gtest/gtest.h>

#include "tests/support/example_metadata.hpp"

namespace gyre::snapshot {
namespace {

TEST(Describe, TellsWhatAPersonWantsToKnow) {
  Manifest manifest;
  manifest.metadata = example_metadata();
  manifest.metadata.geometry.rows = 113'000;
  manifest.file = "example.rows";
  manifest.chunk_digests.resize(4);
  manifest.content_id = counting_bytes<Bytes32>();
  manifest.keys = 90'400;
  const std::string text = describe(manifest);
  for (const std::string_view part :
       {"cuckoo3", "ethereum-account, 28 bytes", "90,400 (load 80.0 %)", "113,000 of 36 bytes",
        "1,000 of 113 rows (4,068 bytes)", "example.rows, 3.88 MiB in 4 chunks", "19,000,000",
        "0001020304050607-7-0000000000000000", "000102030405060708090a0b0c0d0e0f\n",
        "at most 3 in 2^64"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Describe, SaysWhatThereIsNotOfAnIndexTable) {
  Manifest manifest;
  manifest.metadata.geometry = {10, 4, 1};
  manifest.file = "example.rows";
  manifest.chunk_digests.resize(1);
  const std::string text = describe(manifest);
  EXPECT_NE(text.find("found by its number"), std::string::npos);
  EXPECT_NE(text.find("has none"), std::string::npos);
  EXPECT_EQ(text.find("false match"), std::string::npos);
}

}  // namespace
}  // namespace gyre::snapshot
