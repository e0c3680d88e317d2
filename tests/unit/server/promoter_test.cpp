#include "harness/server/promoter.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "backends/reference/reference_backend.hpp"
#include "core/epoch_writer.hpp"
#include "core/fault_point.hpp"
#include "core/staging_set.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/server/image_health.hpp"
#include "harness/server/query_service.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_device.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {
namespace {

constexpr Geometry geometry{600, 12, 4};

// An image whose rows may be watched while they are read.
class WatchedImage final : public Image {
 public:
  WatchedImage(std::shared_ptr<const Image> inside, std::function<void()> on_read)
      : inside_(std::move(inside)), on_read_(std::move(on_read)) {}
  const Geometry& geometry() const noexcept override { return inside_->geometry(); }
  std::string_view residency() const noexcept override { return inside_->residency(); }
  std::string_view kernel() const noexcept override { return inside_->kernel(); }
  std::uint64_t memory_bytes() const noexcept override { return inside_->memory_bytes(); }
  Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    return inside_->answer(pass, answers);
  }
  Result<void> read_rows(std::uint64_t first, std::span<std::byte> out) const override {
    on_read_();
    return inside_->read_rows(first, out);
  }
  Result<std::shared_ptr<const Image>> with_updates(const Overlay& overlay) const override {
    return inside_->with_updates(overlay);
  }

 private:
  std::shared_ptr<const Image> inside_;
  std::function<void()> on_read_;
};

// A server's epochs on a device with the host behind it; earlier epochs live on in leases alone.
class PromoterTest : public testing::Test {
 protected:
  explicit PromoterTest(std::uint64_t capacity_bytes = 2 * geometry.bytes() - 1)
      : device_(capacity_bytes) {}

  // Publishes a table wherever there is room.
  void rotate(unsigned table) {
    const std::vector<Backend*> backends = {&device_.backend, &host_};
    auto set = StagingSet::create(backends, geometry);
    ASSERT_TRUE(set) << set.error().message;
    ASSERT_TRUE(set->write(0, test_rows(table, geometry, 0, geometry.rows)));
    auto images = set->seal();
    ASSERT_TRUE(images) << images.error().message;
    Epoch epoch = test_epoch(table, images->front());
    epoch.images = std::move(*images);
    publish(epochs_, std::move(epoch));
    retirer_.drain();
  }
  [[nodiscard]] Promoter promoter() {
    return Promoter(epochs_, {&device_.backend}, replace_in(epochs_));
  }
  [[nodiscard]] Result<Promotion> look() {
    auto done = promoter().look({});
    retirer_.drain();
    return done;
  }
  [[nodiscard]] Lease current() const { return epochs_.lease(CurrentEpoch{}).value(); }
  [[nodiscard]] std::vector<std::string> residencies() const {
    const Lease lease = current();
    std::vector<std::string> names;
    for (const auto& image : lease.epoch().images) names.emplace_back(image->residency());
    return names;
  }
  // Two services ask the current epoch for a row of that table.
  void expect_answers(unsigned table) {
    QueryService first(epochs_, 0, {});
    QueryService second(epochs_, 1, {});
    const auto keys = make_keys(geometry.rows, 321, random_);
    auto one = first.answer(QueryKind::row, {CurrentEpoch{}, {keys[0]}});
    auto two = second.answer(QueryKind::row, {CurrentEpoch{}, {keys[1]}});
    ASSERT_TRUE(one && two);
    std::vector<std::byte> sum = one->response.answers;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= two->response.answers[i];
    EXPECT_EQ(sum, test_rows(table, geometry, 321, 1));
  }

  static RetentionPolicy retain_nothing() {
    RetentionPolicy policy;
    policy.retain_epochs = 0;
    return policy;
  }

  const std::vector<std::string> host_only_ = {"reference"};
  const std::vector<std::string> both_ = {"device:sim", "reference"};
  TestDevice device_;
  ReferenceBackend host_;
  Retirer retirer_;
  EpochTable epochs_{"boot", retain_nothing(), retirer_};
  SeededRandom random_{3};
};

TEST_F(PromoterTest, UpdatesAreFoldedOnTheHostWhereADeviceHasRoomForOneImageOnly) {
  rotate(0);
  ASSERT_EQ(residencies(), both_);
  EpochWriter writer(epochs_, crypto::sha256, {});
  const std::vector<std::byte> row(geometry.row_bytes, std::byte{42});
  ASSERT_TRUE(writer.apply({1, {{Bytes16{}, {321}, row}}}));
  {
    auto lock = writer.lock_rotation(std::chrono::milliseconds(0));
    ASSERT_TRUE(lock);
    const auto folded = writer.compact(*lock);
    ASSERT_TRUE(folded) << folded.error().message;
    EXPECT_TRUE(*folded);
  }
  EXPECT_EQ(residencies(), host_only_);
  EXPECT_EQ(writer.overlay_rows(), 0U);
  retirer_.drain();
  EXPECT_EQ(look(), Promotion::promoted);
  EXPECT_EQ(residencies(), both_);
  const Lease lease = current();
  for (const auto& image : lease.epoch().images) {
    std::vector<std::byte> read(geometry.row_bytes);
    ASSERT_TRUE(image->read_rows(321, read));
    EXPECT_EQ(read, row);
  }
}

TEST_F(PromoterTest, WithoutAnEpochOrWithAllImagesNothingIsToDo) {
  EXPECT_EQ(look(), Promotion::none_needed);
  rotate(0);
  EXPECT_EQ(residencies(), both_);
  EXPECT_EQ(look(), Promotion::none_needed);
}

TEST_F(PromoterTest, ADeviceTooSmallForTwoGetsTheNewImageWhenTheOldOneIsGone) {
  rotate(0);
  {
    const Lease old = current();
    rotate(1);
    EXPECT_EQ(residencies(), host_only_);
    expect_answers(1);
    EXPECT_EQ(look(), Promotion::no_room_yet);
    EXPECT_EQ(device_.used(), geometry.bytes());  // the old one
  }
  retirer_.drain();
  EXPECT_EQ(device_.used(), 0U);
  const std::string generation = current().generation().text();
  const EpochId id = current().epoch().id;
  EXPECT_EQ(look(), Promotion::promoted);
  EXPECT_EQ(residencies(), both_);
  EXPECT_EQ(current().generation().text(), generation);
  EXPECT_EQ(current().epoch().id, id);
  EXPECT_EQ(device_.used(), geometry.bytes());
  const std::uint64_t scans = device_.device->scans();
  expect_answers(1);
  EXPECT_GT(device_.device->scans(), scans);
  EXPECT_EQ(look(), Promotion::none_needed);
}

TEST_F(PromoterTest, AFailedPromotionLeavesTheEpochOnTheHostAndCanBeTriedAgain) {
  FaultyDevice& faults = *device_.device;
  faults.refuse_memory();
  publish(epochs_, test_epoch(0, test_image(host_, 0, geometry)));
  const auto expect_failure = [&](ErrorCode code) {
    EXPECT_EQ(code_of(look()), code);
    EXPECT_EQ(residencies(), host_only_);
    EXPECT_EQ(device_.used(), 0U);
    expect_answers(0);
    faults.repair();
  };
  expect_failure(ErrorCode::device_failed);
  faults.fail_upload(0);
  expect_failure(ErrorCode::device_upload_failed);
  faults.fail_synchronize();
  expect_failure(ErrorCode::device_upload_failed);
  faults.flip_bit(geometry.bytes() - 1, 0);
  expect_failure(ErrorCode::image_corrupt);
  EXPECT_EQ(look(), Promotion::promoted);
}

TEST_F(PromoterTest, ALostDeviceIsWithdrawnAndComesBackOnceItWorks) {
  rotate(0);
  device_.device->lose();
  EXPECT_FALSE(image_health(current().epoch().images, both_).degraded());
  expect_answers(0);  // from the host
  const ImageHealth lost = image_health(current().epoch().images, both_);
  EXPECT_EQ(lost.failed, std::vector<std::string>{"device:sim"});
  EXPECT_TRUE(lost.missing.empty());

  EXPECT_EQ(look(), Promotion::withdrawn);
  EXPECT_EQ(residencies(), host_only_);
  EXPECT_EQ(device_.used(), 0U);
  EXPECT_EQ(image_health(current().epoch().images, both_).missing,
            std::vector<std::string>{"device:sim"});
  EXPECT_EQ(code_of(look()), ErrorCode::device_failed);
  expect_answers(0);
  device_.device->repair();
  EXPECT_EQ(look(), Promotion::promoted);
  EXPECT_FALSE(image_health(current().epoch().images, both_).degraded());
  expect_answers(0);
}

TEST_F(PromoterTest, QueriesUnderWayAreAnsweredWhileTheDeviceIsLostAndComesBack) {
  rotate(0);
  std::atomic<bool> stop = false;
  std::atomic<int> right = 0;
  std::atomic<int> wrong = 0;
  const auto keys = make_keys(geometry.rows, 321, random_);
  std::array<QueryService, 2> services = {QueryService(epochs_, 0, {}),
                                          QueryService(epochs_, 1, {})};
  std::vector<std::thread> askers;
  for (int i = 0; i < 2; ++i) {
    askers.emplace_back([&] {
      while (!stop) {
        auto sum = services[0].answer(QueryKind::row, {CurrentEpoch{}, {keys[0]}});
        const auto other = services[1].answer(QueryKind::row, {CurrentEpoch{}, {keys[1]}});
        if (!sum || !other) {
          ++wrong;
          continue;
        }
        std::vector<std::byte>& bytes = sum->response.answers;
        for (std::size_t b = 0; b < bytes.size(); ++b) bytes[b] ^= other->response.answers[b];
        ++(bytes == test_rows(0, geometry, 321, 1) ? right : wrong);
      }
    });
  }
  const auto let_them_ask = [&] {
    const int before = right;
    while (right < before + 20 && wrong == 0) std::this_thread::yield();
  };
  for (int round = 0; round < 3; ++round) {
    let_them_ask();
    device_.device->lose();
    let_them_ask();
    EXPECT_EQ(look(), Promotion::withdrawn);
    device_.device->repair();
    // The withdrawn image is gone with the last query that began before.
    Result<Promotion> done = Promotion::no_room_yet;
    while (done == Promotion::no_room_yet) done = look();
    EXPECT_EQ(done, Promotion::promoted);
  }
  stop = true;
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(PromoterTest, AnEpochThatIsReplacedDuringItsUploadIsLetGo) {
  auto watched = std::make_shared<const WatchedImage>(test_image(host_, 0, geometry), [&] {
    if (current().epoch().id == test_epoch(0, current().epoch().images.front()).id) {
      publish(epochs_, test_epoch(1, test_image(host_, 1, geometry)));
    }
  });
  const std::weak_ptr<const Image> old = watched;
  publish(epochs_, test_epoch(0, std::move(watched)));
  EXPECT_EQ(look(), Promotion::overtaken);
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(device_.used(), 0U);
  EXPECT_EQ(residencies(), host_only_);
  EXPECT_EQ(look(), Promotion::promoted);
  expect_answers(1);
}

TEST_F(PromoterTest, ItDoesAllThatByItselfOnceStarted) {
  publish(epochs_, test_epoch(0, test_image(host_, 0, geometry)));
  Promoter promoter(epochs_, {&device_.backend}, replace_in(epochs_));
  promoter.start(std::chrono::milliseconds(1));
  while (residencies() != both_) std::this_thread::yield();
  expect_answers(0);
}

#if defined(GYRE_FAULT_POINTS)

TEST_F(PromoterTest, AFaultInAnUploadFailsThatPromotionAlone) {
  publish(epochs_, test_epoch(0, test_image(host_, 0, geometry)));
  set_fault_hook([](FaultPoint point) -> std::optional<Error> {
    if (point != FaultPoint::promotion_upload) return std::nullopt;
    return Error{ErrorCode::device_upload_failed, "a fault of the test"};
  });
  EXPECT_EQ(code_of(look()), ErrorCode::device_upload_failed);
  set_fault_hook(nullptr);
  EXPECT_EQ(residencies(), host_only_);
  EXPECT_EQ(device_.used(), 0U);
  EXPECT_EQ(look(), Promotion::promoted);
}

#endif

// Whatever happened: with the last epoch the device is as empty as it was.
TEST(PromoterMemory, ReturnsToTheBaseline) {
  TestDevice device;
  {
    ReferenceBackend host;
    Retirer retirer;
    EpochTable epochs("boot", {}, retirer);
    const Promoter promoter(epochs, {&device.backend}, replace_in(epochs));
    for (unsigned table = 0; table < 6; ++table) {
      publish(epochs, test_epoch(table, test_image(host, table, geometry)));
      if (table % 2 == 1) device.device->flip_bit(5, 5);
      EXPECT_EQ(promoter.look({}).has_value(), table % 2 == 0);
      device.device->repair();
    }
    EXPECT_GT(device.used(), 0U);
  }
  EXPECT_EQ(device.used(), 0U);
}

}  // namespace
}  // namespace gyre::server
