// Lookups that arrive by themselves, whether or not the ones before were answered, each recorded.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "harness/client/pir_client.hpp"

namespace gyre::scenario {

// One lookup as it went. Times in seconds since the load began.
struct RecordedLookup {
  std::uint64_t key = 0;
  double arrived = 0;   // when it was due: waiting for a free client counts
  double answered = 0;  // or failed
  EpochId epoch;
  std::optional<std::vector<std::byte>> value;  // nothing: said to be absent
  std::optional<Error> failure;

  [[nodiscard]] double latency() const noexcept { return answered - arrived; }
};

struct LoadPlan {
  std::uint64_t keys = 0;    // lookups are for keys 0 … keys - 1, evenly
  unsigned clients = 0;      // lookups under way at once
  double per_second = 0;     // arrivals, at random (Poisson); 0: each client asks again at once
  double refresh_every = 1;  // seconds after which a client picks the epoch anew
  std::uint64_t seed = 0;
  std::function<std::vector<std::byte>(std::uint64_t number)> key;
  std::function<Result<std::unique_ptr<client::PirClient>>()> connect;
};

// Runs from construction until stop(). records() may be read afterwards.
class OpenLoad {
 public:
  // Errors: those of plan.connect.
  [[nodiscard]] static Result<std::unique_ptr<OpenLoad>> start(LoadPlan plan);
  ~OpenLoad();
  OpenLoad(const OpenLoad&) = delete;
  OpenLoad& operator=(const OpenLoad&) = delete;

  // Seconds since it began.
  [[nodiscard]] double now() const;
  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_; }
  // Epochs that were gone when they were asked about, and picked anew.
  [[nodiscard]] std::uint64_t gone() const noexcept { return gone_; }

  void stop();

  // REQUIRES: stop() was called.
  [[nodiscard]] const std::vector<RecordedLookup>& records() const noexcept { return records_; }

 private:
  explicit OpenLoad(LoadPlan plan);
  // When the next lookup is due, and for which key; the same for whichever client takes it.
  struct Arrival {
    double due;
    std::uint64_t key;
  };
  [[nodiscard]] Arrival next_arrival();

  const LoadPlan plan_;
  const std::chrono::steady_clock::time_point begun_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> gone_ = 0;

  std::mutex mutex_;  // of what follows
  std::uint64_t arrivals_ = 0;
  double last_due_ = 0;
  std::vector<RecordedLookup> records_;

  std::vector<std::unique_ptr<client::PirClient>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace gyre::scenario
