#include "fault_injection/history.hpp"

#include <algorithm>

namespace gyre::fault_injection {
namespace {

template <typename Event>
void append_sorted(std::vector<Event>& all, const std::deque<Event>& some) {
  all.insert(all.end(), some.begin(), some.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const Event& a, const Event& b) { return a.time.begin < b.time.begin; });
}

}  // namespace

Recorder::Track& Recorder::track() {
  const std::lock_guard lock(mutex_);
  return tracks_.emplace_back();
}

History Recorder::collect() const {
  History history;
  for (const Track& track : tracks_) {
    append_sorted(history.requests, track.requests_);
    append_sorted(history.changes, track.changes_);
    append_sorted(history.looks, track.looks_);
    append_sorted(history.decoded, track.decoded_);
  }
  return history;
}

}  // namespace gyre::fault_injection
