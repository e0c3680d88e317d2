// Peers that are slow, silent or many: they are cut off, and everybody else is served.
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "tests/integration/server/running_server.hpp"
#include "tests/support/held_image.hpp"

namespace gyre::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds very_short{150};
constexpr milliseconds very_long{600'000};

// Time-outs that no test reaches: what ends a connection then is not one of them.
void never_time_out(ServerConfiguration& configuration) {
  HttpLimits& http = configuration.http;
  http.head_time = http.body_time = http.send_time = http.idle_time = very_long;
  http.linger_time = very_short;
}

// One byte after the other until the server has enough of it.
void expect_too_slow(RunningServer& running, const std::string& at_once, std::string_view drip) {
  RawConnection connection(running.port());
  ASSERT_TRUE(connection.send(at_once));
  std::thread dripping([&] {
    for (const char c : drip) {
      if (!connection.send({&c, 1})) return;
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  const auto response = connection.receive();
  dripping.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 408);
  EXPECT_EQ(response->code(), "request_too_slow");
  EXPECT_EQ(response->header("connection"), "close");
}

TEST(SlowPeers, AHeadMustBeWholeInTime) {
  RunningServer running([](ServerConfiguration& c) {
    never_time_out(c);
    c.http.head_time = very_short;
  });
  running.publish_table();
  expect_too_slow(running, "GET /health HTTP/1.1\r\nHost: a\r\nX: ", std::string(100, 'y'));
  expect_too_slow(running, "GET /health HTTP/1.1\r\n", "");
  expect_too_slow(running, "G", "");
  EXPECT_TRUE(running.answers());
}

TEST(SlowPeers, ABodyMustBeWholeInTime) {
  RunningServer running([](ServerConfiguration& c) {
    never_time_out(c);
    c.http.body_time = very_short;
  });
  running.publish_table();
  const std::string head = "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
  expect_too_slow(running, head + "Content-Length: 1000\r\n\r\n", std::string(100, ' '));
  expect_too_slow(running, head + "Content-Length: 1000\r\n\r\n", "");
  expect_too_slow(running, head + "Transfer-Encoding: chunked\r\n\r\nfff\r\n",
                  std::string(100, ' '));
  expect_too_slow(running, head + "Transfer-Encoding: chunked\r\n\r\n1;", std::string(100, 'x'));
  EXPECT_TRUE(running.answers());
}

TEST(SlowPeers, AnIdleConnectionIsClosedWithoutAWord) {
  RunningServer running([](ServerConfiguration& c) {
    never_time_out(c);
    c.http.idle_time = very_short;
  });
  running.publish_table();
  RawConnection silent(running.port());
  EXPECT_FALSE(silent.receive());
  RawConnection used(running.port());
  used.send(get_request("/health"));
  EXPECT_EQ(used.receive()->status, 200);
  EXPECT_FALSE(used.receive());
}

TEST(SlowPeers, AnAnswerMustBeTakenInTime) {
  RunningServer running([](ServerConfiguration& c) {
    never_time_out(c);
    c.http.send_time = very_short;
  });
  // Answers far longer than what the system buffers on the way.
  const Geometry large{128, 65'536, 64};
  running.publish_image(test_image(running.backend(), 0, large));
  RawConnection lazy(running.port(), 4096);
  const dpf::Key key = running.key(0, large.pages());
  const protocol::QueryRequest request{CurrentEpoch{}, {key, key, key, key}};
  ASSERT_TRUE(lazy.send(post_request("/query/page", "application/octet-stream",
                                     encode(request, protocol::Encoding::binary))));
  // Only taking it would let it be sent; nobody does.
  while (running.http().connections().count(Phase::sending) == 0) std::this_thread::yield();
  while (running.http().connections().size() != 0) std::this_thread::sleep_for(milliseconds(1));
  // Its memory is free again.
  EXPECT_EQ(running.server().queries().answer_memory_left(),
            running.server().queries().limits().answer_memory_bytes);
  EXPECT_FALSE(lazy.receive());
}

// Few connections, so that it takes few peers to occupy all.
void few_connections(ServerConfiguration& configuration) {
  never_time_out(configuration);
  configuration.http.max_connections = 12;
  configuration.queries.max_passes = 1;
  configuration.queries.max_pass_queries = 1;
  configuration.queries.max_waiting = 3;
}

TEST(ManyPeers, SlowAndSilentOnesKeepNobodyOut) {
  RunningServer running(few_connections);
  running.publish_table();
  // Kept alive by an honest client, and not used for long.
  RawConnection idle(running.port());
  idle.send(get_request("/health"));
  ASSERT_TRUE(idle.receive());

  std::vector<std::unique_ptr<RawConnection>> peers;
  const auto add_peers = [&] {
    for (std::size_t i = 0; i < 2 * 12; ++i) {
      peers.push_back(std::make_unique<RawConnection>(running.port()));
      if (i % 3 == 1) peers.back()->send("POST /query HTTP/1.1\r\nHost: a\r\nX: ");
      if (i % 3 == 2) {
        peers.back()->send(
            "POST /query HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
            "99\r\n\r\n{");
      }
    }
  };
  add_peers();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(running.answers());
  add_peers();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(running.answers());
  EXPECT_GT(running.http().statistics().evicted, 0U);
  EXPECT_EQ(running.http().statistics().refused, 0U);
  EXPECT_LE(running.http().connections().size(), 12U);
  EXPECT_FALSE(idle.receive()) << "the one that idled longest goes first";
}

TEST(ManyPeers, SilentOnesDisplaceNobodyWhoSendsOrReads) {
  RunningServer running(few_connections);
  // Answers far longer than what the system buffers on the way.
  const Geometry large{128, 65'536, 64};
  running.publish_image(test_image(running.backend(), 0, large));
  const dpf::Key key = running.key(0, large.pages());
  const std::string request =
      post_request("/query/page", "application/octet-stream",
                   encode(protocol::QueryRequest{CurrentEpoch{}, {key, key, key, key}},
                          protocol::Encoding::binary));
  const auto wait_for = [&](Phase phase) {
    while (running.http().connections().count(phase) == 0) std::this_thread::yield();
  };
  RawConnection reader(running.port(), 4096), writer(running.port());
  reader.send(request);
  wait_for(Phase::sending);
  const std::size_t half = request.size() - 100;
  writer.send(request.substr(0, half));
  wait_for(Phase::receiving_body);
  std::vector<std::unique_ptr<RawConnection>> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(std::make_unique<RawConnection>(running.port()));
  while (running.http().statistics().accepted < 102) std::this_thread::yield();
  writer.send(request.substr(half));
  for (RawConnection* honest : {&writer, &reader}) {
    const auto response = honest->receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
  }
  EXPECT_GT(running.http().statistics().evicted, 0U);
}

TEST(ManyPeers, QueriesThatWaitLeaveConnectionsToOthers) {
  RunningServer running(few_connections);
  const auto held =
      std::make_shared<const HeldImage>(test_image(running.backend(), 0, RunningServer::geometry));
  running.publish_image(held);
  std::vector<std::unique_ptr<RawConnection>> queries;
  for (int i = 0; i < 4; ++i) {
    queries.push_back(std::make_unique<RawConnection>(running.port()));
    queries.back()->send(running.query());
  }
  held->wait_for_passes(1);
  while (running.server().queries().waiting() < 3) std::this_thread::yield();
  // One more is too many, and told so; health is still answered.
  const auto refused = ask(running.port(), running.query());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->code(), "queue_full");
  EXPECT_EQ(refused->header("retry-after"), "1");
  EXPECT_EQ(ask(running.port(), get_request("/health"))->status, 200);
  // Peers that occupy all other connections do not cost the waiting queries theirs.
  std::vector<std::unique_ptr<RawConnection>> peers;
  for (int i = 0; i < 24; ++i) peers.push_back(std::make_unique<RawConnection>(running.port()));
  EXPECT_EQ(ask(running.port(), get_request("/health"))->status, 200);
  held->release();
  for (const auto& query : queries) {
    const auto response = query->receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
  }
}

// The listener alone, with handlers of the test's.
class Listener {
 public:
  explicit Listener(std::size_t max_connections) : http_(limits(max_connections), nullptr) {}
  HttpListener& http() { return http_; }
  std::uint16_t start() {
    auto socket = ListeningSocket::open({"127.0.0.1", 0});
    const std::uint16_t port = socket->bound.port;
    EXPECT_TRUE(http_.start(std::move(*socket)));
    return port;
  }

 private:
  static HttpLimits limits(std::size_t max_connections) {
    HttpLimits limits;
    limits.max_connections = max_connections;
    return limits;
  }
  HttpListener http_;
};

TEST(HttpListener, WhenAllConnectionsAreAtWorkFurtherOnesAreToldSo) {
  std::mutex mutex;
  std::condition_variable changed;
  int working = 0;
  bool go_on = false;
  Listener listener(2);
  listener.http().get("/wait", [&](const auto&, auto&) {
    std::unique_lock lock(mutex);
    ++working;
    changed.notify_all();
    changed.wait(lock, [&] { return go_on; });
  });
  const std::uint16_t port = listener.start();
  RawConnection first(port), second(port);
  first.send(get_request("/wait"));
  second.send(get_request("/wait"));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return working == 2; });
  }
  RawConnection third(port);
  const auto refused = third.receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->code(), "queue_full");
  EXPECT_EQ(listener.http().statistics().refused, 1U);
  {
    const std::lock_guard lock(mutex);
    go_on = true;
  }
  changed.notify_all();
  EXPECT_EQ(first.receive()->status, 200);
  EXPECT_EQ(second.receive()->status, 200);
}

TEST(HttpListener, ExceptionsOfHandlersBecomeErrors) {
  Listener listener(2);
  listener.http().get("/defect", [](const auto&, auto&) { throw std::runtime_error("secret"); });
  listener.http().get("/memory", [](const auto&, auto&) { throw std::bad_alloc(); });
  const std::uint16_t port = listener.start();
  const auto defect = ask(port, get_request("/defect"));
  EXPECT_EQ(defect->status, 500);
  EXPECT_EQ(defect->code(), "internal");
  EXPECT_EQ(defect->body.find("secret"), std::string::npos);
  for (const auto& [name, value] : defect->headers)
    EXPECT_EQ(value.find("secret"), std::string::npos);
  const auto memory = ask(port, get_request("/memory"));
  EXPECT_EQ(memory->status, 507);
  EXPECT_EQ(memory->code(), "out_of_memory");
}

TEST(Peers, WhoHangsUpWhileWaitingForAPassIsNotInIt) {
  RunningServer running;
  const auto held =
      std::make_shared<const HeldImage>(test_image(running.backend(), 0, RunningServer::geometry));
  running.publish_image(held);
  RawConnection first(running.port());
  first.send(running.query());
  held->wait_for_passes(1);
  const auto wait_for_waiting = [&](std::size_t requests) {
    while (running.server().queries().waiting() != requests) std::this_thread::yield();
  };
  {
    RawConnection leaving(running.port());
    leaving.send(running.query());
    wait_for_waiting(1);
  }
  RawConnection staying(running.port());
  staying.send(running.query());
  wait_for_waiting(2);
  held->release();
  for (RawConnection* const connection : {&first, &staying}) {
    const auto response = connection->receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
  }
  const PassStatistics passes = running.server().queries().passes();
  EXPECT_EQ(passes.gone, 1U);
  EXPECT_EQ(passes.queries, 2U);
}

}  // namespace
}  // namespace gyre::server
