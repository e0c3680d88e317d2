#include "core/error.hpp"

#include <gtest/gtest.h>

namespace gyre {
namespace {

TEST(ErrorCode, NamesAreTheEnumeratorsSpelling) {
  EXPECT_EQ(name(ErrorCode::malformed_request), "malformed_request");
  EXPECT_EQ(name(ErrorCode::epoch_gone), "epoch_gone");
  // The last one: the table is as long as the enumeration.
  EXPECT_EQ(name(ErrorCode::server_refused), "server_refused");
  EXPECT_FALSE(meaning(ErrorCode::server_refused).empty());
}

}  // namespace
}  // namespace gyre
