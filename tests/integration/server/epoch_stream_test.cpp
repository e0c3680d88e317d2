// GET /epoch/stream: who listens is told of every epoch, and costs nobody else anything.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "tests/integration/server/running_server.hpp"

namespace gyre::server {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds very_long{600'000};

// Nothing ends by a time-out, and no heartbeat comes between events.
void never_time_out(ServerConfiguration& configuration) {
  HttpLimits& http = configuration.http;
  http.head_time = http.body_time = http.send_time = http.idle_time = very_long;
  http.linger_time = milliseconds(50);
  configuration.streams.heartbeat = configuration.streams.send_time = very_long;
}

struct Event {
  std::string id;  // the generation
  json data;

  [[nodiscard]] std::uint64_t count() const { return std::stoull(id.substr(id.find(':') + 1)); }
};

// A client that follows the epochs.
class Listener {
 public:
  explicit Listener(std::uint16_t port, int receive_buffer_bytes = 0, std::string_view headers = "")
      : connection_(port, receive_buffer_bytes) {
    connection_.send(get_request("/epoch/stream", headers));
  }
  RawResponse head() { return connection_.receive(/*to_head=*/true).value(); }
  RawConnection& connection() { return connection_; }
  // One comment or event as it comes; nothing at the end.
  std::optional<std::string> block() { return connection_.receive_until("\n\n"); }
  std::optional<Event> next() {
    const auto text = block();
    if (!text) return std::nullopt;
    const std::string id_line = "event: epoch\nid: ";
    const std::size_t data = text->find("\ndata: ");
    if (!text->starts_with(id_line) || data == std::string::npos) {
      throw std::runtime_error("no event of an epoch: " + *text);
    }
    return Event{text->substr(id_line.size(), data - id_line.size()),
                 json::parse(text->substr(data + 7))};
  }
  // After its head.
  Event first() {
    EXPECT_EQ(head().status, 200);
    return next().value();
  }

 private:
  RawConnection connection_;
};

// An epoch that says its number in three places.
Epoch numbered_epoch(std::uint64_t number, std::shared_ptr<const Image> image) {
  Epoch epoch = test_epoch(0, std::move(image));
  for (std::size_t i = 0; i < 8; ++i) {
    epoch.content_id[i] = static_cast<std::byte>(number >> (8 * i));
  }
  epoch.id = EpochId::of_base(epoch.content_id, 0);
  epoch.metadata.block_number = number;
  return epoch;
}

class EpochStreamTest : public ::testing::Test {
 protected:
  void start(const RunningServer::Change& change = never_time_out) {
    running_ = std::make_unique<RunningServer>(change);
    image_ = test_image(running_->backend(), 0, RunningServer::geometry);
  }
  EpochTable& epochs() { return running_->server().epochs(); }
  EpochTable::Prepared prepare(std::uint64_t number) {
    return std::move(epochs().prepare(numbered_epoch(number, image_)).value());
  }
  Lease publish_number(std::uint64_t number) { return epochs().publish(prepare(number)); }
  std::uint16_t port() { return running_->port(); }
  StreamStatistics statistics() { return running_->server().listener().stream().statistics(); }
  void wait_until_open(std::size_t streams) {
    while (statistics().open != streams) std::this_thread::sleep_for(milliseconds(1));
  }

  std::unique_ptr<RunningServer> running_;
  std::shared_ptr<const Image> image_;
};

TEST_F(EpochStreamTest, BeginsWithTheCurrentEpochAsTheEpochDocumentHasIt) {
  start();
  publish_number(7);
  Listener listener(port());
  const auto head = listener.head();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-type"), "text/event-stream");
  EXPECT_EQ(head.header("cache-control"), "no-store");
  EXPECT_EQ(head.header("connection"), "close");
  EXPECT_EQ(head.header("content-length"), "");
  const auto event = listener.next();
  ASSERT_TRUE(event);
  const json current = json::parse(ask(port(), get_request("/epoch"))->body)["current"];
  EXPECT_EQ(event->data, current);
  EXPECT_EQ(event->id, current["generation"]);
}

TEST_F(EpochStreamTest, EveryPublishIsOneEventAndAnotherRepresentationIsNone) {
  start();
  publish_number(0);
  Listener listener(port());
  EXPECT_EQ(listener.first().count(), 1U);
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const Lease lease = publish_number(number);
    const auto event = listener.next();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->id, lease.generation().text());
    EXPECT_EQ(event->data["id"], lease.epoch().id.text());
    EXPECT_EQ(event->data["block_number"], number);
    epochs().replace_representation(prepare(number));
  }
}

TEST_F(EpochStreamTest, ARollbackIsAnEventOfAnEarlierIdAndANewGeneration) {
  start();
  const std::string earlier = publish_number(0).epoch().id.text();
  publish_number(1);
  Listener listener(port());
  EXPECT_EQ(listener.first().count(), 2U);
  epochs().roll_back(prepare(0), 1);
  const auto event = listener.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->count(), 3U);
  EXPECT_EQ(event->data["id"], earlier);
}

TEST_F(EpochStreamTest, LastEventIdIsToleratedAndChangesNothing) {
  start();
  publish_number(0);
  publish_number(1);
  for (const std::string id : {"", "0123456789abcdef:1", "x:99999999999999999999", "\xff\xfe"}) {
    Listener listener(port(), 0, "Last-Event-ID: " + id + "\r\n");
    EXPECT_EQ(listener.first().count(), 2U);
  }
}

TEST_F(EpochStreamTest, GenerationsIncreaseAndEachComesWithItsOwnMetadata) {
  start();
  publish_number(0);
  constexpr std::uint64_t publishes = 300;
  std::mutex mutex;
  std::map<std::string, std::uint64_t> numbers;  // by generation
  std::vector<std::thread> publishers;
  for (std::uint64_t writer = 0; writer < 2; ++writer) {
    publishers.emplace_back([&, writer] {
      for (std::uint64_t i = 1; i <= publishes; ++i) {
        const std::uint64_t number = 2 * i + writer;
        const Lease lease = publish_number(number);
        const std::lock_guard lock(mutex);
        numbers[lease.generation().text()] = number;
      }
    });
  }
  constexpr std::uint64_t last = 1 + 2 * publishes;
  std::vector<std::vector<Event>> seen(6);
  std::vector<std::thread> listeners;
  for (std::vector<Event>& events : seen) {
    listeners.emplace_back([&] {
      // Some begin when everything is over, and are told of the newest all the same.
      Listener listener(port());
      for (events.push_back(listener.first()); events.back().count() < last;) {
        events.push_back(listener.next().value());
      }
    });
    std::this_thread::sleep_for(milliseconds(2));
  }
  for (std::thread& thread : publishers) thread.join();
  for (std::thread& thread : listeners) thread.join();
  numbers[epochs().boot() + ":1"] = 0;
  for (const std::vector<Event>& events : seen) {
    std::uint64_t before = 0;
    for (const Event& event : events) {
      EXPECT_GT(event.count(), before);
      before = event.count();
      const std::uint64_t number = numbers.at(event.id);
      EXPECT_EQ(event.data["generation"], event.id);
      EXPECT_EQ(event.data["block_number"], number);
      EXPECT_EQ(event.data["id"], numbered_epoch(number, image_).id.text());
    }
    EXPECT_EQ(before, last);
  }
}

TEST_F(EpochStreamTest, WhileNothingHappensACommentComesNowAndThen) {
  start([](ServerConfiguration& configuration) {
    never_time_out(configuration);
    configuration.streams.heartbeat = milliseconds(30);
  });
  publish_number(0);
  Listener listener(port());
  listener.first();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(listener.block(), ":\n\n");
}

// Events of more bytes than the system keeps for a peer that does not read.
constexpr std::uint64_t many_publishes = 1500;

TEST_F(EpochStreamTest, AReaderThatIsSlowDelaysNobodyAndGetsTheNewestInTheEnd) {
  start();
  publish_number(0);
  Listener slow(port(), 4096);
  Listener quick(port());
  wait_until_open(2);
  EXPECT_EQ(quick.first().count(), 1U);
  std::uint64_t quick_has = 1;
  for (std::uint64_t number = 1; number <= many_publishes; ++number) {
    const std::uint64_t count = publish_number(number).generation().count;
    while (quick_has < count) quick_has = quick.next().value().count();
    if (number % 500 == 0) {
      EXPECT_TRUE(running_->answers());
    }
  }
  std::uint64_t events = 1;
  std::uint64_t before = slow.first().count();
  for (; before <= many_publishes; ++events) {
    const std::uint64_t count = slow.next().value().count();
    ASSERT_GT(count, before);
    before = count;
  }
  EXPECT_EQ(before, many_publishes + 1);
  EXPECT_LT(events, many_publishes);
  // Who reads misses nothing; what the other one missed was kept nowhere.
  EXPECT_EQ(statistics().left_out, many_publishes + 1 - events);
}

TEST_F(EpochStreamTest, AReaderThatTakesNothingInTimeIsCutOff) {
  start([](ServerConfiguration& configuration) {
    never_time_out(configuration);
    configuration.streams.send_time = milliseconds(100);
  });
  publish_number(0);
  Listener slow(port(), 4096);
  wait_until_open(1);
  for (std::uint64_t number = 1; statistics().open != 0; ++number) publish_number(number);
  slow.connection().wait_for_end();
  EXPECT_TRUE(running_->answers());
}

TEST_F(EpochStreamTest, OneMoreThanMayBeOpenIsToldSo) {
  start([](ServerConfiguration& configuration) {
    never_time_out(configuration);
    configuration.streams.max_streams = 2;
  });
  publish_number(0);
  auto first = std::make_unique<Listener>(port());
  Listener second(port());
  first->first();
  second.first();
  RawConnection third(port());
  third.send(get_request("/epoch/stream"));
  const auto refused = third.receive();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->code(), "queue_full");
  EXPECT_EQ(refused->header("retry-after"), "1");
  third.send("HEAD /epoch/stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(third.receive(/*to_head=*/true)->status, 503);
  // The connection is as good as before, and there is room once somebody has left.
  first.reset();
  wait_until_open(1);
  third.send(get_request("/epoch/stream"));
  EXPECT_EQ(third.receive(/*to_head=*/true)->status, 200);
  EXPECT_TRUE(third.receive_until("\n\n"));
  EXPECT_EQ(statistics().refused, 1U);
}

TEST_F(EpochStreamTest, StreamsTakeNoThreadThatQueriesNeed) {
  constexpr std::size_t threads = 12;
  start([](ServerConfiguration& configuration) {
    never_time_out(configuration);
    configuration.http.max_connections = threads;
    configuration.queries.max_pass_queries = 1;
    configuration.queries.max_passes = 1;
    configuration.queries.max_waiting = 3;
  });
  publish_number(0);
  std::vector<std::unique_ptr<Listener>> listeners;
  for (std::size_t i = 0; i < 4 * threads; ++i) {
    listeners.push_back(std::make_unique<Listener>(port()));
    EXPECT_EQ(listeners.back()->first().count(), 1U);
  }
  EXPECT_EQ(statistics().open, 4 * threads);
  std::vector<std::unique_ptr<RawConnection>> silent;
  for (std::size_t i = 0; i < 2 * threads; ++i) {
    silent.push_back(std::make_unique<RawConnection>(port()));
    EXPECT_TRUE(running_->answers());
  }
  // Making room for all those has cost no stream its connection.
  publish_number(1);
  for (const auto& listener : listeners) EXPECT_EQ(listener->next().value().count(), 2U);
  EXPECT_EQ(running_->http().statistics().refused, 0U);
}

TEST_F(EpochStreamTest, ADrainEndsThemAtOnceAndWaitsForNone) {
  start();
  publish_number(0);
  Listener slow(port(), 4096), quick(port());
  EXPECT_EQ(quick.first().count(), 1U);
  wait_until_open(2);
  for (std::uint64_t number = 1; statistics().left_out == 0; ++number) publish_number(number);
  PublicListener& listener = running_->server().listener();
  listener.announce_drain();
  EXPECT_EQ(statistics().open, 2U) << "only a drain ends them";
  EXPECT_TRUE(listener.drain(std::chrono::steady_clock::now() + std::chrono::minutes(5)));
  EXPECT_EQ(statistics().open, 0U);
  quick.connection().wait_for_end();
  slow.connection().wait_for_end();
}

TEST_F(EpochStreamTest, ARequestThatMeetsADrainIsToldSo) {
  start();
  publish_number(0);
  RawConnection connection(port());
  const std::string request = get_request("/epoch/stream");
  connection.send(request.substr(0, 20));
  while (running_->http().connections().count(Phase::receiving_head) == 0) {
    std::this_thread::yield();
  }
  std::thread draining(
      [&] { running_->server().listener().drain(std::chrono::steady_clock::now() + very_long); });
  // Until nothing is accepted any more there is no telling how far the drain is.
  for (bool accepted = true; accepted;) {
    try {
      RawConnection probe(port());
    } catch (const std::runtime_error&) {
      accepted = false;
    }
  }
  connection.send(request.substr(20));
  const auto refused = connection.receive();
  connection.wait_for_end();
  draining.join();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->code(), "draining");
  EXPECT_EQ(refused->header("connection"), "close");
}

TEST_F(EpochStreamTest, AClientThatGoesAwayOrTalksIsLetGo) {
  start();
  publish_number(0);
  {
    Listener listener(port());
    listener.first();
  }
  wait_until_open(0);
  Listener talking(port());
  talking.first();
  talking.connection().send("GET /health HTTP/1.1\r\n");
  talking.connection().wait_for_end();
  wait_until_open(0);
  while (running_->http().connections().size() != 0) std::this_thread::sleep_for(milliseconds(1));
}

TEST_F(EpochStreamTest, HeadAnswersWithoutAStream) {
  start();
  publish_number(0);
  RawConnection connection(port());
  connection.send("HEAD /epoch/stream HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto head = connection.receive(/*to_head=*/true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->header("content-type"), "text/event-stream");
  EXPECT_EQ(head->header("connection"), "");
  connection.send(get_request("/health"));
  EXPECT_EQ(connection.receive()->status, 200);
  EXPECT_EQ(statistics().taken, 0U);
}

TEST_F(EpochStreamTest, WithoutAnEpochThereIsNothingToTell) {
  start();
  RawConnection connection(port());
  for (const std::string method : {"GET", "HEAD"}) {
    connection.send(method + " /epoch/stream HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto refused = connection.receive(/*to_head=*/method == "HEAD");
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 503);
    EXPECT_EQ(refused->header("retry-after"), "1");
    if (method == "GET") {
      EXPECT_EQ(refused->code(), "no_epoch");
    }
  }
  connection.send(post_request("/epoch/stream", "application/json", "{}"));
  EXPECT_EQ(connection.receive()->status, 405);
}

}  // namespace
}  // namespace gyre::server
