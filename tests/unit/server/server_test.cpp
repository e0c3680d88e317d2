#include "harness/server/server.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "backends/reference/reference_backend.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {
namespace {

TEST(ServerConfiguration, RetentionIsBounded) {
  const auto refused = [](std::size_t epochs, std::chrono::seconds time) {
    ServerConfiguration configuration;
    configuration.retention.retain_epochs = epochs;
    configuration.retention.retain_for = time;
    return code_of(configuration.check()) == ErrorCode::bad_configuration;
  };
  EXPECT_FALSE(refused(0, std::chrono::seconds(0)));
  EXPECT_FALSE(refused(1024, std::chrono::seconds(1'000'000'000)));
  EXPECT_TRUE(refused(1025, std::chrono::seconds(60)));
  EXPECT_TRUE(refused(std::numeric_limits<std::size_t>::max(), std::chrono::seconds(60)));
  EXPECT_TRUE(refused(64, std::chrono::seconds(1'000'000'001)));
  EXPECT_TRUE(refused(64, std::chrono::seconds::max()));
  EXPECT_TRUE(refused(64, std::chrono::seconds(-1)));
}

TEST(Server, EpochsExpireThoughNothingElseHappens) {
  ReferenceBackend backend;
  ServerConfiguration configuration;
  configuration.listen = {"127.0.0.1", 0};
  configuration.retention.retain_for = std::chrono::seconds(1);
  const auto server = Server::start(configuration);
  ASSERT_TRUE(server);
  EpochTable& epochs = (*server)->epochs();
  constexpr Geometry geometry{8, 4, 1};
  for (unsigned table : {0U, 1U}) {
    publish(epochs, test_epoch(table, test_image(backend, table, geometry)));
  }
  while (epochs.snapshot().size() != 1) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

// Generations are counted from one in every boot: what tells them apart is its name.
TEST(Server, EveryBootHasANameOfItsOwn) {
  ServerConfiguration configuration;
  configuration.listen = {"127.0.0.1", 0};
  const auto first = Server::start(configuration);
  const auto second = Server::start(configuration);
  ASSERT_TRUE(first && second);
  EXPECT_NE((*first)->epochs().boot(), (*second)->epochs().boot());
}

}  // namespace
}  // namespace gyre::server
