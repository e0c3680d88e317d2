// A world that can be asked over real sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "harness/protocol/query_codec.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/public_listener.hpp"
#include "tests/faults/world.hpp"
#include "tests/integration/server/raw_connection.hpp"

namespace gyre::faults {

// Thread-safe but for the constructor and the destructor.
class ListeningWorld {
 public:
  // REQUIRES: nothing is being asked of the world, and no fault is armed; the world is there until
  // its listener is gone. Throws std::runtime_error if there is no port to be had.
  explicit ListeningWorld(World& world);

  [[nodiscard]] std::uint16_t port() const { return port_; }

  // A query on a connection of its own, read to its end. Errors: those of the answer's problem
  // document; io_failed if the connection ends without a whole answer. What is whole and no
  // answer, and that nothing comes for half a minute, is a finding of the world's: no fault brings
  // it.
  [[nodiscard]] Result<protocol::QueryResponse> answer(QueryKind kind,
                                                       const protocol::QueryRequest& request);

  // Whether who has been connected from the beginning, and has asked nothing since, is answered.
  // Once; from one thread, with no fault in the way.
  [[nodiscard]] bool serves_its_first_guest();

  // Whether nothing of any request is left, or will be before so long: connections, leases, memory
  // for answers.
  [[nodiscard]] bool comes_to_rest(std::chrono::seconds patience = std::chrono::seconds(20)) const;

 private:
  World& world_;
  server::Metrics metrics_;
  server::PublicListener listener_;
  const std::uint64_t memory_;
  std::uint16_t port_ = 0;
  std::optional<server::RawConnection> first_guest_;
};

// A request as it goes over the wire, for ListeningWorld and those that break off in the middle.
[[nodiscard]] std::string post(QueryKind kind, const protocol::QueryRequest& request);

// Whether the condition, which is asked every millisecond, comes true before so long.
template <typename Condition>
[[nodiscard]] bool comes_true(Condition&& condition,
                              std::chrono::seconds patience = std::chrono::seconds(20)) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace gyre::faults
