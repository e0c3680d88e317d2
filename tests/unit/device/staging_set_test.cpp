#include "core/staging_set.hpp"

#include <gtest/gtest.h>

#include <array>

#include "backends/cpu/cpu_backend.hpp"
#include "core/answer_from.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/corrupting_backend.hpp"
#include "tests/support/test_device.hpp"

namespace gyre {
namespace {

constexpr Geometry table{.rows = 13 * 1024, .row_bytes = 512, .rows_per_page = 8};

class StagingSetTest : public testing::Test {
 protected:
  StagingSetTest() {
    SeededRandom random(1);
    rows_ = random_bytes(random, table.bytes());
  }
  std::vector<Backend*> backends() { return {&device_.backend, cpu_.get()}; }
  Result<StagingSet> create() { return StagingSet::create(backends(), table); }
  Result<Images> stage() {
    auto set = create();
    if (!set) return forward_error(set);
    constexpr std::uint64_t at_once = 1000;
    for (std::uint64_t row = 0; row < table.rows; row += at_once) {
      const std::uint64_t count = std::min(at_once, table.rows - row);
      auto written =
          set->write(row, std::span(rows_).subspan(row * table.row_bytes, count * table.row_bytes));
      if (!written) return forward_error(written);
    }
    return set->seal();
  }
  void expect_nothing_held() {
    EXPECT_EQ(device_.used(), 0U);
    EXPECT_EQ(cpu_->memory_used_bytes(), 0U);
  }

  TestDevice device_;
  std::unique_ptr<CpuBackend> cpu_ = CpuBackend::create({.threads = 2}).value();
  Bytes rows_;
};

TEST_F(StagingSetTest, EveryBackendGetsTheSameRowsThePreferredFirst) {
  {
    const auto images = stage();
    ASSERT_TRUE(images) << images.error().message;
    ASSERT_EQ(images->size(), 2U);
    EXPECT_EQ(images->front()->residency(), "device:sim");
    EXPECT_EQ(images->back()->residency(), "cpu");
    for (const auto& image : *images) {
      Bytes there(rows_.size());
      ASSERT_TRUE(image->read_rows(0, there));
      EXPECT_TRUE(there == rows_);
    }
  }
  expect_nothing_held();
}

TEST_F(StagingSetTest, SaysWhatWentUpToDevices) {
  auto set = create().value();
  EXPECT_EQ(set.device_upload().bytes, 0U);
  ASSERT_TRUE(set.write(0, rows_));
  ASSERT_TRUE(set.seal());
  EXPECT_EQ(set.device_upload().bytes, rows_.size());
  EXPECT_GT(set.device_upload().seconds, 0);
  const std::array<Backend*, 1> host = {cpu_.get()};
  auto on_host = StagingSet::create(host, table).value();
  ASSERT_TRUE(on_host.write(0, rows_));
  ASSERT_TRUE(on_host.seal());
  EXPECT_EQ(on_host.device_upload().bytes, 0U);
  EXPECT_EQ(on_host.device_upload().seconds, 0);
}

TEST_F(StagingSetTest, WhateverFailsEverythingIsGivenBack) {
  FaultyDevice& faults = *device_.device;
  faults.refuse_memory();
  EXPECT_EQ(code_of(stage()), ErrorCode::device_failed);
  expect_nothing_held();
  faults.repair();
  faults.fail_upload(1);
  EXPECT_EQ(code_of(stage()), ErrorCode::device_upload_failed);
  expect_nothing_held();
  faults.repair();
  faults.flip_bit(table.bytes() / 2, 5);
  EXPECT_EQ(code_of(stage()), ErrorCode::image_corrupt);
  expect_nothing_held();
  faults.repair();
  faults.shorten_upload(1);
  EXPECT_EQ(code_of(stage()), ErrorCode::image_corrupt);
  expect_nothing_held();
  faults.repair();
  EXPECT_TRUE(stage());
}

TEST_F(StagingSetTest, AFailedMemberFailsTheSetAtOnce) {
  auto set = create();
  ASSERT_TRUE(set);
  EXPECT_EQ(code_of(set->write(1, std::span(rows_).first(table.row_bytes))),
            ErrorCode::geometry_mismatch);
  expect_nothing_held();
  EXPECT_EQ(code_of(set->write(0, std::span(rows_).first(table.row_bytes))),
            ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of(set->seal()), ErrorCode::geometry_mismatch);
}

TEST_F(StagingSetTest, RowsMustAllBeThere) {
  auto set = create();
  ASSERT_TRUE(set->write(0, std::span(rows_).first(table.row_bytes)));
  EXPECT_EQ(code_of(set->seal()), ErrorCode::geometry_mismatch);
  expect_nothing_held();
}

TEST_F(StagingSetTest, ADeviceWithoutRoomIsLeftOut) {
  TestDevice device(table.bytes() - 1);
  const std::vector<Backend*> both = {&device.backend, cpu_.get()};
  auto set = StagingSet::create(both, table);
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->needs_promotion());
  ASSERT_TRUE(set->write(0, rows_));
  const auto images = set->seal();
  ASSERT_TRUE(images);
  ASSERT_EQ(images->size(), 1U);
  EXPECT_EQ(images->front()->residency(), "cpu");
  EXPECT_FALSE(create()->needs_promotion());
}

TEST_F(StagingSetTest, AHostImageIsMandatory) {
  const std::vector<Backend*> device_only = {&device_.backend};
  EXPECT_EQ(code_of(StagingSet::create(device_only, table)), ErrorCode::bad_configuration);
  const auto no_memory = CpuBackend::create({.threads = 1, .memory_limit_bytes = 4096}).value();
  const std::vector<Backend*> both = {&device_.backend, no_memory.get()};
  EXPECT_EQ(code_of(StagingSet::create(both, table)), ErrorCode::out_of_memory);
  expect_nothing_held();
}

TEST_F(StagingSetTest, HostImagesAreCheckedWhereThatIsAskedFor) {
  CorruptingBackend corrupting(*cpu_, 12345);
  const auto stage_on = [&](Backend& backend, HostImages host_images) {
    Backend* const only = &backend;
    auto set = StagingSet::create({&only, 1}, table, host_images).value();
    EXPECT_TRUE(set.write(0, rows_));
    return code_of(set.seal());
  };
  EXPECT_EQ(stage_on(corrupting, HostImages::checked), ErrorCode::image_corrupt);
  expect_nothing_held();
  EXPECT_FALSE(stage_on(*cpu_, HostImages::checked));
  EXPECT_FALSE(stage_on(*cpu_, HostImages::unchecked));
}

class AnswerFrom : public StagingSetTest {
 protected:
  AnswerFrom() : images_(stage().value()) {}

  // Asks and holds the answer against what it must be.
  std::optional<ErrorCode> ask() {
    const auto keys = dpf::generate(dpf::levels_for(table.rows), 7, random_).value();
    const Overlay overlay = random_overlay(table, 1, random_);
    const Query query{.kind = QueryKind::row, .key = keys.data(), .overlay = &overlay};
    Bytes answer(table.row_bytes);
    if (auto done = answer_from(images_, {{&query, 1}}, answer); !done) return code_of(done);
    EXPECT_EQ(answer,
              expected_answer(table, updated_rows(table, rows_, overlay), QueryKind::row, keys[0]));
    return std::nullopt;
  }

  SeededRandom random_{9};
  Images images_;
};

TEST_F(AnswerFrom, TheFirstImageAnswersWhileItCan) {
  const std::uint64_t before = device_.device->scans();
  EXPECT_FALSE(ask());
  EXPECT_EQ(device_.device->scans(), before + 1);
}

TEST_F(AnswerFrom, TheNextImageAnswersForALostDeviceWhichIsNotAskedAgain) {
  device_.device->lose();
  const std::uint64_t before = device_.device->scans();
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask());
  EXPECT_EQ(device_.device->scans(), before + 1);
}

TEST_F(AnswerFrom, ADeviceWithoutRoomForAPassIsNotAskedAgainForTheNext) {
  device_.device->refuse_scans();
  const std::uint64_t before = device_.device->scans();
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask());
  EXPECT_EQ(device_.device->scans(), before + 1);
}

TEST_F(AnswerFrom, WhereNothingElseIsLeftTheErrorIsTheDevices) {
  images_.pop_back();
  device_.device->lose();
  EXPECT_EQ(ask(), ErrorCode::device_failed);
  EXPECT_EQ(ask(), ErrorCode::device_failed);
  device_.device->repair();
  EXPECT_FALSE(ask());
}

}  // namespace
}  // namespace gyre
