// Rotations over real sockets: clients that go away in any phase, a device that fails on the way,
// and what everybody else is told meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/bytes.hpp"
#include "core/fault_point.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "tests/conformance/random_table.hpp"
#include "tests/integration/server/administered_server.hpp"
#include "tests/support/hostile_origin.hpp"

namespace gyre::server {
namespace {

using nlohmann::json;
using protocol::Encoding;

// What a snapshot's epoch must answer to the key.
Bytes expected_of(const TestSnapshot& snapshot, const dpf::Key& key) {
  const auto bytes = as_bytes(snapshot.rows);
  return expected_answer(AdministeredServer::geometry, Bytes(bytes.begin(), bytes.end()),
                         QueryKind::row, key);
}

// --- Clients that go away ---

#if defined(GYRE_FAULT_POINTS)
// Holds whoever reaches a point.
struct HeldAtPoint {
  static inline Gate gate;
  static inline FaultPoint point = FaultPoint::validate;

  explicit HeldAtPoint(FaultPoint held) {
    point = held;
    gate.close();
    set_fault_hook([](FaultPoint reached) -> std::optional<Error> {
      if (reached == point) gate.pass();
      return std::nullopt;
    });
  }
  ~HeldAtPoint() {
    gate.open();
    set_fault_hook(nullptr);
  }
  HeldAtPoint(const HeldAtPoint&) = delete;
  HeldAtPoint& operator=(const HeldAtPoint&) = delete;
};
#endif

class ClientGone : public testing::TestWithParam<const char*> {
 protected:
  ClientGone() { server_.install(before_); }
  ~ClientGone() override {
    at_stage_.open();
    at_body_.open();
  }

  static void allow(AdministeredSettings& settings, const HostileOrigin& origin) {
    settings.sources.allowed_hosts = {"127.0.0.1:" + origin.port_text()};
    settings.sources.allowed_networks = {"127.0.0.0/8"};
    settings.sources.allow_plain_http = true;
    settings.sources.stall_time = std::chrono::hours(1);
  }

  // A client asks for the next snapshot, and hangs up while the rotation is held in this phase.
  void ask_and_hang_up(const std::function<void()>& wait_for_arrival) {
    RawConnection connection(server_.admin_port());
    ASSERT_TRUE(connection.send(post_request(
        "/admin/snapshot", "application/json",
        AdministeredServer::request_for(next_, "http://127.0.0.1:" + origin_.port_text() + "/rows"),
        server_.authorization())));
    wait_for_arrival();
    while (phase() != GetParam()) std::this_thread::yield();
  }
  std::string phase() const {
    const json rotations = json::parse(server_.admin_get("/admin/rotations").body)["rotations"];
    return rotations[0]["state"] == "running" ? rotations[0]["phase"].get<std::string>() : "";
  }

  const TestSnapshot before_ = AdministeredServer::snapshot(0);
  const TestSnapshot next_ = AdministeredServer::snapshot(1);
  Gate at_stage_;
  Gate at_body_;
  HostileOrigin origin_{[this](OriginPeer& peer) {
    (void)peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(next_.rows.size()) +
              "\r\n\r\n");
    peer.send(std::string_view(next_.rows).substr(0, 1000));
    at_body_.pass();
    peer.send(std::string_view(next_.rows).substr(1000));
  }};
  AdministeredServer server_{[this](AdministeredSettings& settings) { allow(settings, origin_); }};
};

TEST_P(ClientGone, CancelsNothing) {
  const std::string held = GetParam();
  const std::uint64_t generation = server_.epochs.current()->generation().count;
  if (held == "lock") {
    const auto lock = server_.writer.lock_rotation(std::chrono::milliseconds(0));
    ASSERT_TRUE(lock);
    ask_and_hang_up([] {});
  } else if (held == "open") {
    server_.on_stage = [this]() -> Result<void> {
      at_stage_.pass();
      return {};
    };
    at_stage_.close();
    ask_and_hang_up([this] { at_stage_.wait_for_arrival(); });
    at_stage_.open();
  } else if (held == "stream") {
    at_body_.close();
    ask_and_hang_up([this] { at_body_.wait_for_arrival(); });
    at_body_.open();
  } else if (held == "seal") {
    server_.at_seal.close();
    ask_and_hang_up([this] { server_.at_seal.wait_for_arrival(); });
    server_.at_seal.open();
  } else if (held == "commit") {
    server_.at_commit.close();
    ask_and_hang_up([this] { server_.at_commit.wait_for_arrival(); });
    server_.at_commit.open();
  }
#if defined(GYRE_FAULT_POINTS)
  else {
    const HeldAtPoint point(held == "digest"     ? FaultPoint::source_digest
                            : held == "validate" ? FaultPoint::validate
                                                 : FaultPoint::retire);
    ask_and_hang_up([] { HeldAtPoint::gate.wait_for_arrival(); });
    HeldAtPoint::gate.open();
  }
#endif
  ASSERT_TRUE(server_.epochs.wait_newer(
      generation, std::chrono::steady_clock::now() + std::chrono::minutes(1), {}));
  EXPECT_EQ(server_.epochs.current()->epoch().id, next_.id());
  EXPECT_EQ(server_.query().status, 200);
}

std::string phase_name(const testing::TestParamInfo<const char*>& tested) {
  return std::string("In_") + tested.param;
}
INSTANTIATE_TEST_SUITE_P(, ClientGone, testing::Values("lock", "open", "stream", "seal", "commit"),
                         phase_name);
#if defined(GYRE_FAULT_POINTS)
// Nothing else holds a rotation in these.
INSTANTIATE_TEST_SUITE_P(AtFaultPoints, ClientGone, testing::Values("digest", "validate", "retire"),
                         phase_name);
#endif

// --- A device that fails ---

class DeviceRotation : public testing::Test {
 protected:
  DeviceRotation() { server_.install(before_); }

  // Both images of the current epoch answer, and what they answer is the snapshot's.
  void expect_served(const TestSnapshot& snapshot) {
    SeededRandom random(5);
    const dpf::Key key = make_keys(AdministeredServer::geometry.rows, 77, random)[0];
    const Bytes expected = expected_of(snapshot, key);
    const std::uint64_t scans = server_.device.device->scans();
    const auto response =
        server_.post("/query", protocol::encode({CurrentEpoch{}, {key}}, Encoding::json));
    ASSERT_EQ(response.status, 200) << response.body;
    const auto decoded = protocol::decode_query_response(response.body, Encoding::json, 1,
                                                         AdministeredServer::geometry.row_bytes);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->epoch, snapshot.id());
    EXPECT_EQ(decoded->answers, expected);
    EXPECT_EQ(server_.device.device->scans(), scans + 1) << "the device did not answer";
    const Lease lease = server_.epochs.current().value();
    ASSERT_EQ(lease.epoch().images.size(), 2U);
    EXPECT_EQ(answer_of(*lease.epoch().images.back(), QueryKind::row, key, Overlay()).value(),
              expected);
  }

  // The rotation fails with that, and it is as if it had never been attempted.
  void expect_refused(const std::string& code) {
    const std::uint64_t on_device = server_.device.used();
    const std::uint64_t on_host = server_.cpu->memory_used_bytes();
    const std::string generation = server_.epochs.current()->generation().text();
    const RawResponse refused = server_.rotate(next_);
    EXPECT_EQ(refused.code(), code) << refused.body;
    server_.device.device->repair();
    EXPECT_EQ(server_.device.used(), on_device);
    EXPECT_EQ(server_.cpu->memory_used_bytes(), on_host);
    EXPECT_EQ(server_.epochs.current()->generation().text(), generation);
    expect_served(before_);
    // The next one, without a fault, succeeds.
    server_.install(next_);
    expect_served(next_);
  }

  FaultyDevice& faults() { return *server_.device.device; }

  const TestSnapshot before_ = AdministeredServer::snapshot(0);
  const TestSnapshot next_ = AdministeredServer::snapshot(1);
  AdministeredServer server_{[](AdministeredSettings& settings) { settings.with_device = true; }};
};

TEST_F(DeviceRotation, AFailedAllocationLeavesBothImagesOfTheOldEpochServing) {
  faults().refuse_memory();
  expect_refused("device_failed");
}

TEST_F(DeviceRotation, AFailedUploadLeavesBothImagesOfTheOldEpochServing) {
  faults().fail_upload(0);
  expect_refused("device_upload_failed");
}

TEST_F(DeviceRotation, AFailedSynchronizationLeavesBothImagesOfTheOldEpochServing) {
  faults().fail_synchronize();
  expect_refused("device_upload_failed");
}

TEST_F(DeviceRotation, AFlippedBitLeavesBothImagesOfTheOldEpochServing) {
  faults().flip_bit(1234, 5);
  expect_refused("image_corrupt");
}

TEST_F(DeviceRotation, AnUploadCutShortLeavesBothImagesOfTheOldEpochServing) {
  faults().shorten_upload(0);
  expect_refused("image_corrupt");
}

// --- Everybody else ---

TEST(RotationOverHttp, EpochDocumentsAndAnswersBelongTogetherWhateverChangesMeanwhile) {
  AdministeredServer server;
  std::vector<TestSnapshot> snapshots;
  std::map<std::string, std::size_t> number_of;  // by epoch id
  for (unsigned number = 0; number < 6; ++number) {
    snapshots.push_back(AdministeredServer::snapshot(number));
    snapshots.back().manifest.metadata.block_number = number;
    snapshots.back().name();
    number_of[snapshots.back().id().text()] = number;
  }
  server.install(snapshots[0]);

  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> looks = 0;
  const auto look = [&](std::uint64_t seed) {
    SeededRandom random(seed);
    std::uint64_t newest = 0;
    while (!over) {
      const auto document = protocol::decode_epoch_document(server.get("/epoch").body);
      ASSERT_TRUE(document);
      std::vector<protocol::EpochEntry> entries = document->retained;
      entries.push_back(document->current);
      for (const protocol::EpochEntry& entry : entries) {
        ASSERT_TRUE(number_of.contains(entry.id.text()));
        const TestSnapshot& snapshot = snapshots[number_of[entry.id.text()]];
        EXPECT_EQ(entry.metadata, snapshot.manifest.metadata);
        EXPECT_EQ(entry.base, snapshot.manifest.content_id);
      }
      const dpf::Key key = make_keys(AdministeredServer::geometry.rows, 3, random)[0];
      const auto answered = protocol::decode_query_response(
          server.post("/query", protocol::encode({CurrentEpoch{}, {key}}, Encoding::json)).body,
          Encoding::json, 1, AdministeredServer::geometry.row_bytes);
      ASSERT_TRUE(answered);
      ASSERT_TRUE(number_of.contains(answered->epoch.text()));
      EXPECT_EQ(answered->answers, expected_of(snapshots[number_of[answered->epoch.text()]], key));
      const std::uint64_t generation =
          std::stoull(answered->generation.substr(answered->generation.find(':') + 1));
      EXPECT_GE(generation, newest);
      newest = generation;
      ++looks;
    }
  };
  std::thread first(look, 1);
  std::thread second(look, 2);
  for (std::size_t number = 1; number < snapshots.size(); ++number) {
    server.install(snapshots[number]);
    // Nobody is to miss everything.
    while (looks < 4 * number && !testing::Test::HasFailure()) std::this_thread::yield();
  }
  over = true;
  first.join();
  second.join();
}

TEST(RotationOverHttp, EveryBatchForBothTablesIsTakenAndKeptWhileTheServerRotatesBetweenThem) {
  AdministeredServer server;
  std::vector<TestSnapshot> snapshots;
  for (unsigned number = 0; number < 4; ++number) {
    snapshots.emplace_back(number, /*table_number=*/number % 2, 0, AdministeredServer::geometry);
  }
  server.install(snapshots[0]);
  std::atomic<bool> over = false;
  std::thread feeding([&] {
    // In the binary form, which says less: what a table's rows are the server must know or find
    // out.
    for (std::uint64_t seq = 1; !over; ++seq) {
      const std::string body =
          protocol::encode(test_batch(seq, {0, 1}, seq % 8, AdministeredServer::geometry.row_bytes),
                           Encoding::binary);
      const auto taken = ask(
          server.admin_port(),
          post_request("/admin/updates", "application/octet-stream", body, server.authorization()));
      ASSERT_TRUE(taken);
      ASSERT_EQ(taken->status, 200) << taken->body;
    }
  });
  std::uint64_t fed = 0;
  for (std::size_t i = 1; i < 12; ++i) {
    server.install(snapshots[i % snapshots.size()]);
    while (server.epochs.current()->epoch().id.seq < fed + 5 && !HasFailure()) {
      std::this_thread::yield();
    }
    fed = server.epochs.current()->epoch().id.seq;
  }
  over = true;
  feeding.join();
  // Each row is what the last batch for it made it, over whichever table.
  const Lease lease = server.epochs.current().value();
  const std::uint64_t last = lease.epoch().id.seq;
  ASSERT_GE(last, 8U);
  for (std::uint64_t seq = last - 7; seq <= last; ++seq) {
    std::vector<std::byte> row(AdministeredServer::geometry.row_bytes);
    ASSERT_TRUE(lease.epoch().images.front()->read_rows(seq % 8, row));
    lease.epoch().overlay.apply_to_row(seq % 8, row);
    EXPECT_EQ(row, std::vector<std::byte>(row.size(), static_cast<std::byte>(seq)));
  }
}

}  // namespace
}  // namespace gyre::server
