#include "harness/server/epoch_entry.hpp"

#include <gtest/gtest.h>

#include "backends/reference/reference_backend.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {
namespace {

constexpr Geometry geometry{8, 4, 2};

TEST(EpochEntry, TimesAreRfc3339InUtc) {
  using std::chrono::milliseconds;
  const auto at = [](std::int64_t ms) {
    return rfc3339(std::chrono::system_clock::time_point(milliseconds(ms)));
  };
  EXPECT_EQ(at(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(at(1'795'419'078'042), "2026-11-23T07:31:18.042Z");
}

TEST(EpochEntry, DescribesEveryHeldEpochByItsOwnMetadata) {
  Retirer retirer;
  EpochTable epochs("00ff", {}, retirer);
  EXPECT_EQ(code_of(describe(epochs, 1)), ErrorCode::no_epoch);
  ReferenceBackend backend;
  Epoch old = test_epoch(0, test_image(backend, 0, geometry));
  old.metadata.block_number = 17;
  const EpochId old_id = old.id;
  publish(epochs, std::move(old));
  publish(epochs, test_epoch(1, test_image(backend, 1, geometry)));

  const auto document = describe(epochs, 1);
  ASSERT_TRUE(document);
  EXPECT_EQ(document->party, 1);
  EXPECT_EQ(document->boot, "00ff");
  EXPECT_EQ(document->current.generation, "00ff:2");
  EXPECT_FALSE(document->current.metadata.block_number);
  EXPECT_EQ(document->current.resident, std::vector<std::string>{"reference"});
  ASSERT_EQ(document->retained.size(), 1U);
  EXPECT_EQ(document->retained[0].id, old_id);
  EXPECT_EQ(document->retained[0].generation, "00ff:1");
  EXPECT_EQ(document->retained[0].metadata.block_number, 17U);
  // What is described can be read by a client.
  EXPECT_EQ(*protocol::decode_epoch_document(protocol::encode_epoch_document(*document)),
            *document);
}

}  // namespace
}  // namespace gyre::server
