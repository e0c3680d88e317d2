#include "fault_injection/injector.hpp"

#if defined(GYRE_FAULT_POINTS)

#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace gyre::fault_injection {
namespace {

constexpr std::size_t max_firings = 100'000;
// Copies that are under way at once are far fewer: two for each staging area.
constexpr std::size_t kept_copies = 64;

std::uint64_t mix(std::uint64_t x) noexcept {  // splitmix64's finaliser
  x += 0x9e37'79b9'7f4a'7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d0'49bb'1331'11ebU;
  return x ^ (x >> 31U);
}

// One for the process: a thread that is past the hook's check may still come after the injector
// that installed it is gone, and then finds that nothing is armed.
class Engine {
 public:
  static Engine& instance() {
    static Engine& engine = *new Engine;  // never destroyed, for the same reason
    return engine;
  }

  static void begin_to_look() noexcept { ++looking_; }
  static void end_to_look() noexcept { --looking_; }

  void begin(Plan plan, std::uint64_t seed, std::function<void(const Firing&)> on_firing) {
    {
      const std::lock_guard lock(mutex_);
      if (in_use_) throw std::logic_error("there is a fault injector already");
      in_use_ = true;
      seed_ = seed;
      on_firing_ = std::move(on_firing);
    }
    arm(std::move(plan));
    set_fault_hook(&hook, &bytes_hook);
  }

  void end() {
    set_fault_hook(nullptr);
    arm({});
    const std::lock_guard lock(mutex_);
    on_firing_ = {};
    in_use_ = false;
  }

  std::vector<Firing> arm(Plan plan) {
    const std::lock_guard lock(mutex_);
    for (Point& point : points_) {
      point.terms.clear();
      point.left.clear();
      point.hits = 0;
      point.firings = 0;
      point.armed = false;
    }
    for (PointPlan& entry : plan.points) {
      Point& point = points_[static_cast<std::size_t>(entry.point)];
      for (const Term& term : entry.terms) point.left.push_back(term.count);
      point.terms = std::move(entry.terms);
      point.armed = true;
    }
    ++plans_;
    changed_.notify_all();
    return std::exchange(firings_, {});
  }

  void release(FaultPoint where) {
    const std::lock_guard lock(mutex_);
    ++points_[static_cast<std::size_t>(where)].releases;
    changed_.notify_all();
  }

  bool is_paused(FaultPoint where) {
    const std::lock_guard lock(mutex_);
    return points_[static_cast<std::size_t>(where)].paused > 0;
  }

  Injector::Counts counts(FaultPoint where) {
    const std::lock_guard lock(mutex_);
    const Point& point = points_[static_cast<std::size_t>(where)];
    return {point.hits, point.firings};
  }

  std::vector<Firing> firings() {
    const std::lock_guard lock(mutex_);
    return firings_;
  }

  std::vector<FaultPoint> never_hit() {
    std::vector<FaultPoint> points;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (points_[i].armed && points_[i].hits == 0) points.push_back(static_cast<FaultPoint>(i));
    }
    return points;
  }

 private:
  struct Point {
    std::atomic<bool> armed = false;
    std::vector<Term> terms;
    std::vector<std::optional<std::uint64_t>> left;  // of each term's count
    std::atomic<std::uint64_t> hits = 0;
    std::uint64_t firings = 0;
    std::uint64_t releases = 0;
    std::uint64_t paused = 0;  // threads
  };

  static std::optional<Error> hook(FaultPoint point) { return instance().at(point, nullptr); }
  static std::optional<Error> bytes_hook(FaultPoint point, FaultBytes& bytes) {
    return instance().at(point, &bytes);
  }

  std::optional<Error> at(FaultPoint where, FaultBytes* bytes) {
    if (looking_ > 0) return std::nullopt;
    Point& point = points_[static_cast<std::size_t>(where)];
    // No lock where nothing is to happen: it would order threads that nothing else orders, and so
    // hide races.
    if (!point.armed.load(std::memory_order_relaxed)) {
      point.hits.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    std::unique_lock lock(mutex_);
    const std::uint64_t hit = ++point.hits;
    const Term* const chosen = choose(where, point, hit);
    if (chosen == nullptr || changes_nothing(*chosen, bytes)) return std::nullopt;
    const Term term = *chosen;  // arm() may come while this thread sleeps
    // Before the lock is let go: a release while somebody is told of the firing counts.
    const std::uint64_t releases = point.releases;
    const std::uint64_t plans = plans_;
    ++point.firings;
    const Firing firing{where, hit, term, Clock::now()};
    if (firings_.size() < max_firings) firings_.push_back(firing);
    const auto on_firing = on_firing_;
    if (on_firing) {
      lock.unlock();
      on_firing(firing);
      lock.lock();
    }
    switch (term.action) {
      case FaultAction::off:
        break;
      case FaultAction::fail:
        return Error{term.code,
                     "a fault plan wants this to fail at " + std::string(describe(where).name)};
      case FaultAction::delay:
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::milliseconds(term.argument));
        break;
      case FaultAction::partial:
        bytes->bytes = bytes->bytes.first(static_cast<std::size_t>(term.argument));
        break;
      case FaultAction::corrupt:
        corrupt(*bytes, term.argument, mix(seed_ ^ mix(hit)));
        break;
      case FaultAction::pause:
        ++point.paused;
        changed_.notify_all();
        changed_.wait(lock, [&] { return point.releases != releases || plans_ != plans; });
        --point.paused;
        break;
      case FaultAction::crash:
        // As from outside: no destructor runs, nothing is flushed.
        ::kill(::getpid(), SIGKILL);
        std::abort();
    }
    return std::nullopt;
  }

  // Whoever asks for the first hundred of ten bytes breaks nothing.
  static bool changes_nothing(const Term& term, const FaultBytes* bytes) noexcept {
    switch (term.action) {
      case FaultAction::off:
        return true;
      case FaultAction::partial:
        return bytes == nullptr || bytes->bytes.size() <= term.argument;
      case FaultAction::corrupt:
        return bytes == nullptr || bytes->bytes.empty() || term.argument == 0;
      default:
        return false;
    }
  }

  // REQUIRES: the mutex is held.
  const Term* choose(FaultPoint where, Point& point, std::uint64_t hit) const {
    for (std::size_t i = 0; i < point.terms.size(); ++i) {
      const Term& term = point.terms[i];
      if (point.left[i] == 0U) continue;
      const std::uint64_t random =
          mix(seed_ ^ mix(hit ^ mix((static_cast<std::uint64_t>(where) << 32U) ^ i)));
      if (term.per_million < always && random % always >= term.per_million) continue;
      if (point.left[i]) --*point.left[i];
      return &term;
    }
    return nullptr;
  }

  // REQUIRES: the mutex is held, and there are bytes. Flips neighbouring bits, as far as there are
  // so many.
  void corrupt(FaultBytes& passing, std::uint64_t bits, std::uint64_t random) {
    const std::uint64_t all = std::uint64_t{passing.bytes.size()} * 8;
    std::span<std::byte> bytes = passing.writable;
    if (bytes.empty()) {
      if (copies_.size() == kept_copies) copies_.pop_front();
      bytes = copies_.emplace_back(passing.bytes.begin(), passing.bytes.end());
      passing.bytes = bytes;
    }
    const std::uint64_t first = random % all;
    for (std::uint64_t i = 0; i < std::min(bits, all); ++i) {
      const std::uint64_t bit = (first + i) % all;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
  }

  static inline thread_local unsigned looking_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool in_use_ = false;
  std::uint64_t seed_ = 0;
  std::function<void(const Firing&)> on_firing_;
  std::array<Point, fault_points.size()> points_;
  std::vector<Firing> firings_;
  std::list<std::vector<std::byte>> copies_;  // may be read by a device after the plan has ended
  std::uint64_t plans_ = 0;
};

}  // namespace

std::string text_of(const Firing& firing) {
  return std::string(describe(firing.point).name) + " hit " + std::to_string(firing.hit) + ": " +
         text_of(Term{firing.term.action, always, std::nullopt, firing.term.argument,
                      firing.term.code});
}

Injector::Injector(Plan plan, std::uint64_t seed, std::function<void(const Firing&)> on_firing) {
  Engine::instance().begin(std::move(plan), seed, std::move(on_firing));
}

Injector::OnlyLooking::OnlyLooking() noexcept {
  Engine::begin_to_look();
}

Injector::OnlyLooking::~OnlyLooking() {
  Engine::end_to_look();
}

Injector::~Injector() {
  Engine::instance().end();
}

std::vector<Firing> Injector::arm(Plan plan) {
  return Engine::instance().arm(std::move(plan));
}

void Injector::release(FaultPoint point) {
  Engine::instance().release(point);
}

bool Injector::is_paused(FaultPoint point) const {
  return Engine::instance().is_paused(point);
}

Injector::Counts Injector::counts(FaultPoint point) const {
  return Engine::instance().counts(point);
}

std::vector<Firing> Injector::firings() const {
  return Engine::instance().firings();
}

std::vector<FaultPoint> Injector::never_hit() const {
  return Engine::instance().never_hit();
}

}  // namespace gyre::fault_injection

#endif
