// Draining: what has begun is finished, nothing new begins.
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "tests/integration/server/running_server.hpp"
#include "tests/support/held_image.hpp"

namespace gyre::server {
namespace {

Deadline in(std::chrono::seconds time) {
  return std::chrono::steady_clock::now() + time;
}

bool refuses_connections(std::uint16_t port) {
  try {
    RawConnection connection(port);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

// These tests keep their ends open longer than clients do.
void short_farewell(ServerConfiguration& configuration) {
  configuration.http.linger_time = std::chrono::milliseconds(50);
}

TEST(Shutdown, AnAnnouncedDrainIsVisibleAndHurtsNobody) {
  RunningServer running;
  running.publish_table();
  running.server().listener().announce_drain();
  const auto health = ask(running.port(), get_request("/health"));
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 503);
  EXPECT_EQ(nlohmann::json::parse(health->body)["status"], "draining");
  EXPECT_EQ(ask(running.port(), running.query())->status, 200);
}

TEST(Shutdown, AQueryInFlightIsAnswered) {
  RunningServer running(short_farewell);
  const auto held =
      std::make_shared<const HeldImage>(test_image(running.backend(), 0, RunningServer::geometry));
  running.publish_image(held);
  RawConnection idle(running.port());
  RawConnection query(running.port());
  query.send(running.query());
  held->wait_for_passes(1);
  auto drained = std::async(std::launch::async, [&] {
    return running.server().listener().drain(in(std::chrono::seconds(60)));
  });
  EXPECT_FALSE(idle.receive());  // closed, although nobody asked
  while (!refuses_connections(running.port())) std::this_thread::yield();
  held->release();
  const auto response = query.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->header("connection"), "close");
  query.wait_for_end();
  EXPECT_TRUE(drained.get());
}

TEST(Shutdown, ARequestThatHasBegunToArriveIsAnswered) {
  RunningServer running(short_farewell);
  running.publish_table();
  RawConnection connection(running.port());
  const std::string request = running.query();
  connection.send(request.substr(0, 30));
  while (running.http().connections().count(Phase::receiving_head) == 0) std::this_thread::yield();
  auto drained = std::async(std::launch::async, [&] {
    return running.server().listener().drain(in(std::chrono::seconds(60)));
  });
  while (!refuses_connections(running.port())) std::this_thread::yield();
  connection.send(request.substr(30));
  const auto response = connection.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  connection.wait_for_end();
  EXPECT_TRUE(drained.get());
}

TEST(Shutdown, PatienceEndsAtTheDeadline) {
  RunningServer running;
  running.publish_table();
  RawConnection connection(running.port());
  connection.send("GET /health HTTP/1.1\r\n");
  while (running.http().connections().count(Phase::receiving_head) == 0) std::this_thread::yield();
  EXPECT_FALSE(running.server().listener().drain(std::chrono::steady_clock::now()));
  EXPECT_FALSE(connection.receive());
}

// Its requests take two passes of which the first does not end by itself.
TEST(Shutdown, AtTheDeadlineAQueryEndsAfterThePassItIsIn) {
  RunningServer running([](ServerConfiguration& configuration) {
    short_farewell(configuration);
    configuration.http.farewell_time = std::chrono::seconds(60);
    configuration.queries.max_pass_queries = 1;
  });
  const auto held =
      std::make_shared<const HeldImage>(test_image(running.backend(), 0, RunningServer::geometry));
  running.publish_image(held);
  const dpf::Key key = running.key();
  RawConnection scanning(running.port()), waiting(running.port());
  scanning.send(post_request(
      "/query", "application/octet-stream",
      encode(protocol::QueryRequest{CurrentEpoch{}, {key, key}}, protocol::Encoding::binary)));
  held->wait_for_passes(1);
  waiting.send(running.query());
  while (running.server().queries().waiting() == 0) std::this_thread::yield();
  auto drained = std::async(std::launch::async, [&] {
    return running.server().listener().drain(std::chrono::steady_clock::now());
  });
  // Who waits for a scan learns at once that there will be none, and then so does the other.
  for (RawConnection* connection : {&waiting, &scanning}) {
    const auto response = connection->receive();
    held->release();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 503);
    EXPECT_EQ(response->code(), "draining");
    EXPECT_EQ(response->header("connection"), "close");
  }
  EXPECT_FALSE(drained.get());
}

TEST(Shutdown, EveryRequestThatWasSentInFullIsAnswered) {
  constexpr std::size_t peers = 60;
  for (int round = 0; round < 5; ++round) {
    RunningServer running(short_farewell);
    running.publish_table();
    std::vector<std::unique_ptr<RawConnection>> connections;
    for (std::size_t i = 0; i < peers; ++i) {
      connections.push_back(std::make_unique<RawConnection>(running.port()));
      if (i % 2 == 0) continue;  // its first request is the one that meets the end
      connections.back()->send(get_request("/health"));
      ASSERT_TRUE(connections.back()->receive());
    }
    const std::string query = running.query();
    for (const auto& connection : connections) ASSERT_TRUE(connection->send(query));
    EXPECT_TRUE(running.server().listener().drain(in(std::chrono::seconds(60))));
    std::size_t answered = 0;
    for (const auto& connection : connections) {
      const auto response = connection->receive();
      if (response && response->status == 200) ++answered;
    }
    EXPECT_EQ(answered, peers);
  }
}

}  // namespace
}  // namespace gyre::server
