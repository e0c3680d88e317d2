#include "harness/server/connection_table.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <tuple>

namespace gyre::server {

void ConnectionTable::shut_down(Entry& entry) noexcept {
  entry.shut_down = true;
  ::shutdown(entry.socket, SHUT_RDWR);
}

void ConnectionTable::end_idling(const Entry& entry) noexcept {
  char byte = 0;
  if (::recv(entry.socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
  // For reading only: what comes in this very moment can still be read, and be answered.
  ::shutdown(entry.socket, SHUT_RD);
}

std::list<ConnectionTable::Entry>::iterator ConnectionTable::add(int socket) {
  std::list<Entry> one;
  one.push_back(Entry{socket, Phase::queued, std::chrono::steady_clock::now()});
  const std::lock_guard lock(mutex_);
  entries_.splice(entries_.end(), one);
  return std::prev(entries_.end());
}

void ConnectionTable::remove(std::list<Entry>::iterator entry) noexcept {
  std::list<Entry> one;
  {
    const std::lock_guard lock(mutex_);
    one.splice(one.end(), entries_, entry);
  }
  changed_.notify_all();
}

bool ConnectionTable::Registration::enter(Phase phase) {
  const std::lock_guard lock(table_.mutex_);
  table_.changed_.notify_all();
  entry_->phase = phase;
  entry_->since = std::chrono::steady_clock::now();
  if (phase == Phase::idle && table_.refuse_idle_) end_idling(*entry_);
  return !entry_->shut_down;
}

bool ConnectionTable::evict_one() noexcept {
  const std::lock_guard lock(mutex_);
  Entry* least = nullptr;
  for (Entry& entry : entries_) {
    if (entry.phase >= Phase::working || entry.shut_down) continue;
    if (least == nullptr ||
        std::tie(entry.phase, entry.since) < std::tie(least->phase, least->since)) {
      least = &entry;
    }
  }
  if (least == nullptr) return false;
  shut_down(*least);
  return true;
}

void ConnectionTable::refuse_idle() noexcept {
  const std::lock_guard lock(mutex_);
  refuse_idle_ = true;
  for (Entry& entry : entries_) {
    if (entry.phase == Phase::idle) end_idling(entry);
  }
}

void ConnectionTable::shut_down_all() noexcept {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) shut_down(entry);
}

bool ConnectionTable::wait_until_empty(Deadline deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return entries_.empty(); });
}

void ConnectionTable::wait_until_all_answered(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] {
    return std::none_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
      return entry.phase == Phase::working || entry.phase == Phase::sending;
    });
  });
}

std::size_t ConnectionTable::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

std::size_t ConnectionTable::count(Phase phase) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.phase == phase; }));
}

}  // namespace gyre::server
