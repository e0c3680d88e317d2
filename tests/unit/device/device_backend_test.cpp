// What is the device backend's own: its device's failures, bounded buffers, memory.
#include "backends/device/device_backend.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/fault_point.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_device.hpp"

namespace gyre {
namespace {

// Three full upload buffers and a rest.
constexpr Geometry large_table{.rows = 13 * 1024, .row_bytes = 1024, .rows_per_page = 4};
constexpr Geometry small_table{.rows = 300, .row_bytes = 36, .rows_per_page = 3};

Bytes rows_of(const Geometry& geometry) {
  SeededRandom random(1);
  return random_bytes(random, geometry.bytes());
}

Result<std::shared_ptr<const Image>> stage(TestDevice& device, const Geometry& geometry,
                                           const Bytes& rows) {
  SeededRandom random(2);
  return make_image(device.backend, geometry, rows, random);
}

// A table of so many bytes.
Geometry table_of(std::uint64_t bytes) {
  return {.rows = bytes / 4, .row_bytes = 4, .rows_per_page = 1};
}

TEST(SimulatedDevice, CountsItsMemoryAndRefusesMore) {
  device::SimulatedDevice device({.capacity_bytes = 1000});
  const auto first = device.allocate(table_of(600));
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of(device.allocate(table_of(404))), ErrorCode::device_out_of_memory);
  EXPECT_EQ(code_of(device.allocate(table_of(Geometry::max_table_bytes))),
            ErrorCode::device_out_of_memory);
  const auto second = device.allocate(table_of(400));
  ASSERT_TRUE(second);
  EXPECT_EQ(device.used_bytes(), 1000U);
  device.free(*first);
  device.free(*first);
  EXPECT_EQ(device.used_bytes(), 400U);
}

TEST(SimulatedDevice, CopiesStayInsideTheirBuffer) {
  device::SimulatedDevice device({.capacity_bytes = 1000});
  const auto buffer = device.allocate(table_of(100));
  Bytes bytes(60);
  EXPECT_TRUE(device.copy_up(*buffer, 40, bytes));
  EXPECT_EQ(code_of(device.copy_up(*buffer, 41, bytes)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.copy_up(*buffer, ~std::uint64_t{0}, bytes)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.copy_down(*buffer, 41, bytes)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.copy_down(*buffer + 1, 0, bytes)), ErrorCode::device_failed);
  EXPECT_TRUE(device.synchronize(*buffer));
}

TEST(SimulatedDevice, ACopyTakesOnlyWhatItWasMadeToTake) {
  device::SimulatedDevice device({.capacity_bytes = 1000});
  const auto buffer = device.allocate(table_of(100));
  const Bytes bytes(100, std::byte{7});
  ASSERT_TRUE(device.copy_up(*buffer, 0, bytes));
  ASSERT_TRUE(device.synchronize(*buffer));
  const std::vector<device::ByteRange> writable = {{.offset = 40, .bytes = 20}};
  const auto copy = device.allocate_copy(*buffer, writable);
  ASSERT_TRUE(copy);
  Bytes there(100);
  ASSERT_TRUE(device.copy_down(*copy, 0, there));
  EXPECT_EQ(there, bytes);
  const std::span<const std::byte> some = std::span(bytes).first(20);
  EXPECT_TRUE(device.copy_up(*copy, 40, some));
  EXPECT_TRUE(device.synchronize(*copy));
  EXPECT_EQ(code_of(device.copy_up(*copy, 36, some)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.copy_up(*copy, 44, some)), ErrorCode::device_failed);
  EXPECT_EQ(code_of(device.allocate_copy(*buffer + 7, writable)), ErrorCode::device_failed);
}

// The bytes are read when the copy is waited for: whoever changes them before gets the change.
TEST(SimulatedDevice, CopiesUpAreUnderWayUntilTheyAreWaitedFor) {
  device::SimulatedDevice device({.capacity_bytes = 1000});
  const auto buffer = device.allocate(table_of(4));
  Bytes bytes(4, std::byte{1});
  ASSERT_TRUE(device.copy_up(*buffer, 0, bytes));
  Bytes there(4);
  ASSERT_TRUE(device.copy_down(*buffer, 0, there));
  EXPECT_EQ(there, Bytes(4));
  ASSERT_TRUE(device.synchronize(*buffer));
  ASSERT_TRUE(device.copy_down(*buffer, 0, there));
  EXPECT_EQ(there, bytes);
}

TEST(SimulatedDevice, BandwidthMakesCopiesTakeTheirTime) {
  device::SimulatedDevice device({.capacity_bytes = 1U << 20U, .bandwidth = 10U << 20U});
  const auto buffer = device.allocate(table_of(1U << 20U));
  const Bytes bytes(1U << 20U);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(device.copy_up(*buffer, 0, bytes));
  ASSERT_TRUE(device.synchronize(*buffer));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(99));
}

TEST(DeviceBackend, UploadsManyBuffersFull) {
  TestDevice device;
  const Bytes rows = rows_of(large_table);
  const auto image = stage(device, large_table, rows);
  ASSERT_TRUE(image);
  EXPECT_EQ(device.used(), large_table.bytes());
  EXPECT_EQ((*image)->memory_bytes(), large_table.bytes());
  EXPECT_EQ((*image)->residency(), "device:sim");
  Bytes there(rows.size());
  ASSERT_TRUE((*image)->read_rows(0, there));
  EXPECT_TRUE(there == rows);
}

TEST(DeviceBackend, MemoryGoesBackWhenStagingIsDroppedOrItsImage) {
  TestDevice device;
  const Bytes rows = rows_of(small_table);
  {
    auto staging = device.backend.stage(small_table).value();
    EXPECT_EQ(device.used(), small_table.bytes());
    ASSERT_TRUE(staging->write(0, std::span(rows).first(36)));
  }
  EXPECT_EQ(device.used(), 0U);
  { auto image = stage(device, small_table, rows).value(); }
  EXPECT_EQ(device.used(), 0U);
  {
    auto staging = device.backend.stage(small_table).value();
    EXPECT_EQ(code_of(staging->write(1, rows)), ErrorCode::geometry_mismatch);
    EXPECT_EQ(device.used(), 0U);  // not only when it is dropped
  }
}

TEST(DeviceBackend, FailuresHaveTheirCodeAndGiveEverythingBack) {
  TestDevice device;
  const Bytes rows = rows_of(large_table);
  FaultyDevice& faults = *device.device;
  const auto code = [&] { return code_of(stage(device, large_table, rows)); };

  faults.refuse_memory();
  EXPECT_EQ(code(), ErrorCode::device_failed);
  faults.repair();
  for (const std::uint64_t upload : {0U, 1U, 3U}) {
    faults.fail_upload(upload);
    EXPECT_EQ(code(), ErrorCode::device_upload_failed) << upload;
    EXPECT_EQ(device.used(), 0U);
  }
  faults.repair();
  faults.fail_synchronize();
  EXPECT_EQ(code(), ErrorCode::device_upload_failed);
  EXPECT_EQ(device.used(), 0U);
  faults.repair();

  auto staging = device.backend.stage(large_table).value();
  ASSERT_TRUE(staging->write(0, std::span(rows).first(5U << 20U)));
  faults.lose();
  EXPECT_EQ(code_of(staging->write(5U << 10U, std::span(rows).subspan(5U << 20U))),
            ErrorCode::device_upload_failed);
  EXPECT_EQ(device.used(), 0U);
  EXPECT_EQ(code(), ErrorCode::device_failed);
  faults.repair();
  EXPECT_FALSE(code());
}

TEST(DeviceBackend, ATableLargerThanWhatIsLeftHasNoRoom) {
  TestDevice device(2 * small_table.bytes() - 1);
  const Bytes rows = rows_of(small_table);
  auto first = stage(device, small_table, rows).value();
  EXPECT_EQ(code_of(stage(device, small_table, rows)), ErrorCode::device_out_of_memory);
  SeededRandom random(1);
  EXPECT_EQ(code_of(first->with_updates(random_overlay(small_table, 1, random))),
            ErrorCode::device_out_of_memory);
  EXPECT_TRUE(first->healthy());
  first.reset();
  EXPECT_TRUE(stage(device, small_table, rows));
}

TEST(DeviceImage, OfALostDeviceSaysSo) {
  TestDevice device;
  const auto image = stage(device, small_table, rows_of(small_table)).value();
  SeededRandom random(3);
  const auto keys = dpf::generate(dpf::levels_for(small_table.rows), 5, random).value();
  const auto ask = [&] { return code_of(answer_of(*image, QueryKind::row, keys[0], Overlay{})); };
  EXPECT_FALSE(ask());
  device.device->refuse_scans();
  EXPECT_EQ(ask(), ErrorCode::device_out_of_memory);
  EXPECT_FALSE(image->healthy());  // a new image makes room for its passes anew, or is refused
  device.device->repair();
  EXPECT_FALSE(ask());
  device.device->lose();
  EXPECT_EQ(ask(), ErrorCode::device_failed);
  EXPECT_FALSE(image->healthy());
  device.device->repair();
  EXPECT_FALSE(image->healthy());  // what its memory holds now, nobody knows
  const auto failures = device.backend.failures();
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].code, ErrorCode::device_out_of_memory);
  EXPECT_EQ(failures[0].count, 1U);
  EXPECT_EQ(failures[1].code, ErrorCode::device_failed);
  EXPECT_EQ(failures[1].reason, "the device failed, as the test wanted");
}

TEST(FailureCounts, TellsSoManyReasonsApartAndNoMore) {
  device::FailureCounts counts;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < device::FailureCounts::most_reasons + 5; ++i) {
      counts.add({ErrorCode::device_failed, "reason " + std::to_string(i)});
    }
  }
  const auto list = counts.list();
  ASSERT_EQ(list.size(), device::FailureCounts::most_reasons + 1);
  EXPECT_EQ(list.front().reason, "reason 0");
  EXPECT_EQ(list.front().count, 2U);
  EXPECT_EQ(list.back().reason, "others");
  EXPECT_EQ(list.back().count, 10U);
}

TEST(DeviceImage, UpdatesThatGoWrongLeaveTheImageAsItWas) {
  TestDevice device;
  const Bytes rows = rows_of(small_table);
  const auto image = stage(device, small_table, rows).value();
  SeededRandom random(4);
  const Overlay overlay = random_overlay(small_table, 3, random);
  FaultyDevice& faults = *device.device;
  const auto code = [&] { return code_of(image->with_updates(overlay)); };

  faults.fail_upload(0);
  EXPECT_EQ(code(), ErrorCode::device_upload_failed);
  EXPECT_EQ(device.used(), small_table.bytes());
  faults.repair();
  faults.fail_synchronize();
  EXPECT_EQ(code(), ErrorCode::device_upload_failed);
  faults.repair();
  faults.flip_bit((small_table.rows - 1) * small_table.row_bytes, 3);  // every overlay has that row
  EXPECT_EQ(code(), ErrorCode::image_corrupt);
  faults.repair();
  EXPECT_EQ(device.used(), small_table.bytes());
  Bytes there(rows.size());
  ASSERT_TRUE(image->read_rows(0, there));
  EXPECT_EQ(there, rows);
  EXPECT_FALSE(code());
}

#if defined(GYRE_FAULT_POINTS)

std::atomic<FaultPoint> armed;
std::optional<Error> fail_armed(FaultPoint point) {
  if (point != armed) return std::nullopt;
  return Error{ErrorCode::device_upload_failed, "a fault of the test"};
}

TEST(DeviceFaults, FailWithTheirErrorAndLeaveNothing) {
  TestDevice device;
  const Bytes rows = rows_of(small_table);
  set_fault_hook(&fail_armed);
  for (const FaultPoint point : {FaultPoint::device_alloc, FaultPoint::device_upload,
                                 FaultPoint::device_sync, FaultPoint::staging_seal}) {
    armed = point;
    EXPECT_EQ(code_of(stage(device, small_table, rows)), ErrorCode::device_upload_failed);
    EXPECT_EQ(device.used(), 0U);
  }
  set_fault_hook(nullptr);
  const auto image = stage(device, small_table, rows).value();
  SeededRandom random(4);
  const Overlay overlay = random_overlay(small_table, 2, random);
  set_fault_hook(&fail_armed);
  for (const FaultPoint point : {FaultPoint::device_alloc, FaultPoint::device_copy,
                                 FaultPoint::device_upload, FaultPoint::device_sync}) {
    armed = point;
    EXPECT_EQ(code_of(image->with_updates(overlay)), ErrorCode::device_upload_failed);
    EXPECT_EQ(device.used(), small_table.bytes());
  }
  set_fault_hook(nullptr);
  EXPECT_TRUE(image->with_updates(overlay));
}

#endif

}  // namespace
}  // namespace gyre
