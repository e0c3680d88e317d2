#include "harness/server/pass_gate.hpp"

#include <utility>

namespace gyre::server {
namespace {

tl::unexpected<Error> closed() {
  return fail(ErrorCode::draining, "this server is shutting down; ask another time");
}

}  // namespace

PassGate::Turn::Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}

PassGate::Turn::~Turn() {
  if (gate_ != nullptr) gate_->leave();
}

Result<void> PassGate::Turn::take_another(Deadline deadline) {
  PassGate& gate = *gate_;
  std::unique_lock lock(gate.mutex_);
  if (gate.tickets_.empty() && !gate.closed_) return {};
  gate.pass_on();
  gate_ = nullptr;
  auto waited = gate.wait(lock, deadline);
  if (waited) gate_ = &gate;
  return waited;
}

Result<PassGate::Turn> PassGate::enter(Deadline deadline) {
  std::unique_lock lock(mutex_);
  // A turn is free only while nobody waits.
  if (passes_ < max_passes_ && !closed_) {
    ++passes_;
    return Turn(*this);
  }
  if (tickets_.size() >= max_waiting_ && !closed_) {
    return fail(ErrorCode::queue_full, "as many queries wait as this server accepts; try again");
  }
  if (auto waited = wait(lock, deadline); !waited) return forward_error(waited);
  return Turn(*this);
}

Result<void> PassGate::wait(std::unique_lock<std::mutex>& lock, Deadline deadline) {
  if (closed_) return closed();
  Ticket ticket;
  const auto place = tickets_.insert(tickets_.end(), &ticket);
  ticket.called.wait_until(lock, deadline, [&] { return ticket.admitted || closed_; });
  if (ticket.admitted) return {};
  tickets_.erase(place);
  if (closed_) return closed();
  return fail(ErrorCode::queue_full,
              "the query's turn did not come in time; try again, with fewer keys if there are "
              "many");
}

void PassGate::pass_on() noexcept {
  if (tickets_.empty() || closed_) {
    --passes_;
    return;
  }
  // Called under the lock: its ticket lives until the one who waits has it.
  Ticket& next = *tickets_.front();
  tickets_.pop_front();
  next.admitted = true;
  next.called.notify_one();
}

void PassGate::leave() noexcept {
  const std::lock_guard lock(mutex_);
  pass_on();
}

void PassGate::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Ticket* ticket : tickets_) ticket->called.notify_one();
}

std::size_t PassGate::waiting() const {
  const std::lock_guard lock(mutex_);
  return tickets_.size();
}

}  // namespace gyre::server
