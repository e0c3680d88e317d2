// Clients that hang up in the middle of a query, over real sockets, while the epochs change under
// faults: they take nothing with them, and everybody else is answered.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rapidcheck/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/faults/listening_world.hpp"
#include "tests/faults/sequence.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/integration/server/running_server.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/held_image.hpp"

namespace gyre::faults {
namespace {

using fault_injection::Injector;
using fault_injection::Plan;
using server::Phase;
using server::RawConnection;

// Not even an orderly end: what the server still sends is answered with a reset.
void reset_at_end(const RawConnection& connection) {
  const linger at_once{1, 0};
  ::setsockopt(connection.socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

// Ends its half, and waits until the server's system knows.
void hang_up(const RawConnection& connection) {
  ::shutdown(connection.socket(), SHUT_WR);
  ASSERT_TRUE(comes_true([&connection] {
    tcp_info information{};
    socklen_t length = sizeof(information);
    ::getsockopt(connection.socket(), IPPROTO_TCP, TCP_INFO, &information, &length);
    return information.tcpi_state == TCP_FIN_WAIT2;
  }));
}

// Begins a query and hangs up: before its body is whole, when all of it is sent, or when the first
// bytes of the answer have come.
void vanish(std::uint16_t port, SeededRandom& random) {
  const std::uint64_t records = geometry.records(QueryKind::page);
  protocol::QueryRequest request{CurrentEpoch{}, {}};
  for (std::uint64_t more = random.word() % 4 + 1; more > 0; --more) {
    request.keys.push_back(make_keys(records, random.word() % records, random)[0]);
  }
  const std::string bytes = post(QueryKind::page, request);
  RawConnection connection(port);
  if (random.word() % 2 == 0) reset_at_end(connection);
  const std::uint64_t when = random.word() % 3;
  const std::string_view sent(bytes);
  connection.send(when == 0 ? sent.substr(0, random.word() % sent.size()) : sent);
  if (when == 2) static_cast<void>(connection.receive_until("H"));
}

// What the cases came to. That no server ever noticed one that hung up while it waited would mean
// that they show nothing of it.
struct HangUps {
  std::size_t cases = 0;
  std::uint64_t found = 0;  // by the server, before their pass
};
HangUps& hang_ups() {
  static HangUps so_far;
  return so_far;
}
class SomeAreFound final : public testing::Environment {
  void TearDown() override {
    constexpr std::size_t enough_cases = 50;
    if (hang_ups().cases == 0) return;
    std::cout << "faults: " << hang_ups().found << " clients were found gone in "
              << hang_ups().cases << " cases" << std::endl;
    if (hang_ups().cases < enough_cases) return;
    EXPECT_GT(hang_ups().found, 0U);
  }
};
[[maybe_unused]] const auto* const registered = testing::AddGlobalTestEnvironment(new SomeAreFound);

RC_GTEST_FIXTURE_PROP(FaultSequences, ClientsThatHangUpTakeNothingWithThem, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  Plan plan = faults_now_and_then();
  // So that many hang up while their answer is computed.
  std::erase_if(plan.points, [](const auto& e) { return e.point == FaultPoint::query_scan; });
  plan.points.push_back({FaultPoint::query_scan,
                         {{.action = FaultAction::delay, .per_million = 200'000, .argument = 1}}});
  Recorder recorder;
  Injector injector({}, seed);
  World world(snapshots(), DeviceRoom::for_two_images, recorder.track());
  std::vector<fault_injection::Firing> firings;
  Exceptions exceptions;
  {
    ListeningWorld listening(world);
    {
      std::atomic<bool> over = false;
      injector.arm(plan);
      const PauseEnder ender(injector, plan);
      std::vector<std::jthread> clients;
      for (unsigned i = 1; i <= 2; ++i) {
        clients.emplace_back([&, i] {
          SeededRandom random(seed + i);
          exceptions.guard([&] {
            while (!over) vanish(listening.port(), random);
          });
        });
      }
      for (unsigned client = 1; client <= 2; ++client) {
        clients.emplace_back([&, client, &track = recorder.track()] {
          SeededRandom random(seed + 10 + client);
          exceptions.guard([&] {
            while (!over) {
              world.query(track, client, random, [&](QueryKind kind, const auto& request) {
                return listening.answer(kind, request);
              });
            }
          });
        });
      }
      // Whatever happens here, the clients come to an end.
      const std::shared_ptr<void> ender_of_clients(nullptr, [&over](void*) { over = true; });
      SeededRandom random(seed);
      for (int i = 0; i < 6; ++i) {
        world.rotate(
            snapshots().by_manifest(static_cast<unsigned>(random.word() % TestSnapshots::bases)));
        world.apply_next();
        random.word() % 2 == 0 ? world.compact() : world.promote();
        world.look();
      }
    }
    firings = injector.disarm();
    require_no_findings(world);
    RC_ASSERT(listening.serves_its_first_guest());
    // Once it does not, nobody is to wait so long again: RapidCheck looks for the smallest case.
    static std::chrono::seconds patience{20};
    const bool at_rest = listening.comes_to_rest(patience);
    if (!at_rest) patience = std::chrono::seconds(1);
    RC_ASSERT(at_rest);
    exceptions.require_none();
    hang_ups().found += world.queries().passes().gone;
    ++hang_ups().cases;
    world.heal();
  }
  world.end();
  require_no_findings(world);
  auto history = recorder.collect();
  history.firings = std::move(firings);
  require_good(std::move(history), contents_of({&world}, true));
}

// The three moments one by one, where the server is certainly at it.
struct HangUp : testing::Test {
  void expect_nothing_left() {
    EXPECT_TRUE(comes_true([this] { return running.http().connections().size() == 0; }));
    server::QueryService& queries = running.server().queries();
    EXPECT_TRUE(comes_true([this] { return running.server().epochs().leases() == 0; }));
    EXPECT_EQ(queries.answer_memory_left(), queries.limits().answer_memory_bytes);
    EXPECT_EQ(queries.waiting(), 0U);
  }

  server::RunningServer running;
};

TEST_F(HangUp, BeforeTheBodyIsWhole) {
  running.publish_table();
  const std::string query = running.query();
  {
    RawConnection connection(running.port());
    ASSERT_TRUE(connection.send(std::string_view(query).substr(0, query.size() - 1)));
    ASSERT_TRUE(
        comes_true([&] { return running.http().connections().count(Phase::receiving_body) == 1; }));
  }
  expect_nothing_left();
  EXPECT_TRUE(running.answers());
}

TEST_F(HangUp, WhileTheAnswerIsComputedAndWhileItWaitsForAPass) {
  const auto held = std::make_shared<HeldImage>(
      test_image(running.backend(), 0, server::RunningServer::geometry));
  running.publish_image(held);
  {
    RawConnection computing(running.port());
    ASSERT_TRUE(computing.send(running.query()));
    held->wait_for_passes(1);
    RawConnection waiting(running.port());
    ASSERT_TRUE(waiting.send(running.query()));
    ASSERT_TRUE(comes_true([&] { return running.server().queries().waiting() == 1; }));
    hang_up(computing);
    hang_up(waiting);
    held->release();
    waiting.wait_for_end();
  }
  expect_nothing_left();
  EXPECT_EQ(running.server().queries().passes().gone, 1U);  // nobody computed for who waited
  EXPECT_TRUE(running.answers());
}

TEST_F(HangUp, WhileTheAnswerIsRead) {
  // Answers far longer than what the system buffers on the way.
  const Geometry large{128, 65'536, 64};
  running.publish_image(test_image(running.backend(), 0, large));
  const dpf::Key key = running.key(0, large.pages());
  {
    constexpr int small_buffer = 4096;
    RawConnection connection(running.port(), small_buffer);
    reset_at_end(connection);
    ASSERT_TRUE(connection.send(post(QueryKind::page, {CurrentEpoch{}, {key, key, key, key}})));
    ASSERT_TRUE(connection.receive_until("\r\n\r\n"));
    ASSERT_TRUE(
        comes_true([&] { return running.http().connections().count(Phase::sending) == 1; }));
  }
  expect_nothing_left();
}

}  // namespace
}  // namespace gyre::faults
