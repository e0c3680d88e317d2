#include "core/update_batch.hpp"

#include <gtest/gtest.h>

#include "core/bytes.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/written_epochs.hpp"

namespace gyre {
namespace {

TEST(UpdateBatch, BinaryFormIsTheDocumentedOne) {
  const UpdateBatch batch{258, {table_update(1, 4, {{2, 0xaa}, {5, 0xbb}})}};
  EXPECT_EQ(to_hex(binary_form(batch)),
            "47595531"                          // GYU1
            "0201000000000000"                  // seq
            "01000000"                          // tables
            "01000000000000000000000000000000"  // table id
            "02000000"                          // rows
            "0200000000000000aaaaaaaa"
            "0500000000000000bbbbbbbb");
}

TEST(UpdateBatch, WhatIsNotWellFormedIsRefused) {
  const auto refused = [](const UpdateBatch& batch) {
    return code_of(check_well_formed(batch)) == ErrorCode::malformed_request;
  };
  EXPECT_TRUE(check_well_formed({1, {table_update(1, 4, {{0, 1}}), table_update(2, 8, {{0, 1}})}}));
  EXPECT_TRUE(refused({1, {}}));
  EXPECT_TRUE(refused({1, {table_update(1, 4, {})}}));
  EXPECT_TRUE(refused({1, {table_update(1, 4, {{1, 1}, {1, 1}})}}));
  EXPECT_TRUE(refused({1, {table_update(1, 4, {{1, 1}, {0, 1}})}}));
  EXPECT_TRUE(refused({1, {table_update(1, 4, {{0, 1}}), table_update(1, 4, {{0, 1}})}}));
  EXPECT_TRUE(refused({1, {table_update(2, 4, {{0, 1}}), table_update(1, 4, {{0, 1}})}}));
  EXPECT_TRUE(refused({1, {table_update(1, 6, {{0, 1}})}}));
  UpdateBatch uneven{1, {table_update(1, 4, {{0, 1}, {1, 1}})}};
  uneven.tables[0].data.pop_back();
  EXPECT_TRUE(refused(uneven));
  uneven.tables[0].data.clear();
  EXPECT_TRUE(refused(uneven));
}

}  // namespace
}  // namespace gyre
