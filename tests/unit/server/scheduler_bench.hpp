// Requests to a scheduler over scripted images, for its tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/retirer.hpp"
#include "harness/server/pass_scheduler.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/scripted_image.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {

inline constexpr Geometry scripted_geometry{600, 12, 4};
inline constexpr Deadline never = Deadline::max();

using Numbers = std::vector<std::uint64_t>;
using Passes = std::vector<Numbers>;
using std::chrono::milliseconds;

inline Deadline in(milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Scripted images, each the base of a current and of retained minor epochs, and a scheduler.
class SchedulerBench {
 public:
  explicit SchedulerBench(SchedulerLimits limits, RetentionPolicy policy = generous())
      : epochs_("boot", policy, retirer_), scheduler_(limits) {}

  static RetentionPolicy generous() {
    RetentionPolicy policy;
    policy.retain_bases = 16;
    return policy;
  }

  std::shared_ptr<const ScriptedImage> add_base(ScriptedImage::Script script = {},
                                                std::size_t parts = 1) {
    auto image = std::make_shared<const ScriptedImage>(static_cast<unsigned>(bases_.size()),
                                                       scripted_geometry, std::move(script), parts);
    bases_.push_back(image.get());
    overlay_ = {};
    publish_epoch(image);
    return image;
  }
  // One batch more on the newest base.
  void add_batch() {
    OverlayBatch batch{
        overlay_.batches() + 1, {3}, std::vector<std::byte>(scripted_geometry.row_bytes)};
    overlay_ = *overlay_.append(scripted_geometry, std::move(batch));
    publish_epoch(epochs_.current()->epoch().images.front());
  }
  [[nodiscard]] EpochId id(std::size_t base, std::size_t batches) const {
    Epoch epoch;
    epoch.content_id.fill(static_cast<std::byte>(base + 1));
    return EpochId::of_base(epoch.content_id, batches);
  }

  [[nodiscard]] Result<PassAnswers> answer(const Numbers& numbers,
                                           const EpochChoice& choice = CurrentEpoch{},
                                           QueryKind kind = QueryKind::row,
                                           Deadline first_pass = never, Deadline all = never,
                                           std::function<bool()> gone = {}) {
    std::vector<dpf::Key> keys;
    for (const std::uint64_t number : numbers) keys.push_back(numbered_key(number));
    return scheduler_.answer({.lease = *epochs_.lease(choice),
                              .kind = kind,
                              .keys = std::move(keys),
                              .memory = *memory_.reserve(1),
                              .first_pass_deadline = first_pass,
                              .deadline = all,
                              .gone = std::move(gone)});
  }
  // What answer() should give.
  [[nodiscard]] std::vector<std::byte> expected(const Numbers& numbers, std::size_t base = 0,
                                                std::size_t batches = 0,
                                                QueryKind kind = QueryKind::row) const {
    std::vector<std::byte> all;
    for (const std::uint64_t number : numbers) {
      const auto one = scripted_answer(static_cast<unsigned>(base), scripted_geometry, kind,
                                       numbered_key(number), batches);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  // A request on a thread of its own; returns once it waits, if it should.
  template <typename... More>
  std::future<std::optional<ErrorCode>> ask(Numbers numbers, More... more) {
    return std::async(std::launch::async, [=, this] { return code_of(answer(numbers, more...)); });
  }
  template <typename... More>
  std::future<std::optional<ErrorCode>> ask_and_wait(Numbers numbers, More... more) {
    const std::size_t before = scheduler_.waiting();
    auto asked = ask(std::move(numbers), more...);
    while (scheduler_.waiting() == before) std::this_thread::yield();
    return asked;
  }

  [[nodiscard]] PassScheduler& scheduler() { return scheduler_; }
  [[nodiscard]] EpochTable& epochs() { return epochs_; }
  [[nodiscard]] Retirer& retirer() { return retirer_; }
  [[nodiscard]] const MemoryBudget& memory() const { return memory_; }

 private:
  void publish_epoch(std::shared_ptr<const Image> image) {
    Epoch epoch = test_epoch(static_cast<unsigned>(bases_.size() - 1), std::move(image));
    epoch.id = id(bases_.size() - 1, overlay_.batches());
    epoch.overlay = overlay_;
    publish(epochs_, std::move(epoch));
  }

  MemoryBudget memory_{1'000'000};
  Retirer retirer_;
  EpochTable epochs_;
  std::vector<const Image*> bases_;
  Overlay overlay_;
  PassScheduler scheduler_;
};

inline SchedulerLimits limits_of(std::size_t pass_queries, std::size_t max_passes = 1,
                                 std::size_t max_waiting = 100) {
  return {.pass = {.queries = pass_queries}, .max_passes = max_passes, .max_waiting = max_waiting};
}

}  // namespace gyre::server
