#include "harness/server/event_streams.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

namespace gyre::server {
namespace {

// The system would otherwise keep megabytes for a peer that does not read.
constexpr int system_buffer_bytes = 64 * 1024;

// Operations with this deadline do not wait.
constexpr Deadline at_once{};

tl::unexpected<Error> stopped() {
  return fail(ErrorCode::draining, "this server is shutting down; ask another time");
}

tl::unexpected<Error> full() {
  return fail(ErrorCode::queue_full, "as many streams are open as this server accepts; try again");
}

}  // namespace

EventStreams::EventStreams(StreamLimits limits)
    : limits_(limits),
      heartbeat_(std::make_shared<const std::string>(":\n\n")),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_.get() < 0) throw std::system_error(errno, std::generic_category());
  thread_ = std::thread([this] { run(); });
}

EventStreams::~EventStreams() {
  stop();
}

void EventStreams::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void EventStreams::wake() const noexcept {
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

Result<void> EventStreams::check_room() const {
  const std::lock_guard lock(mutex_);
  if (stopping_) return stopped();
  if (statistics_.open >= limits_.max_streams) return full();
  return {};
}

Result<void> EventStreams::take(std::shared_ptr<OpenConnection> connection, const std::string& head,
                                const StreamEvent& first) {
  const int socket = connection->socket.get();
  std::list<Stream> one(1);
  one.front().connection = std::move(connection);
  one.front().last_number = first.number;
  one.front().text = std::make_shared<const std::string>(head + *first.text);
  one.front().due = Clock::now() + limits_.send_time;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return stopped();
    if (statistics_.open >= limits_.max_streams) {
      ++statistics_.refused;
      return full();
    }
    // Neither is needed for a stream to be right. A host that is gone without a word acknowledges
    // nothing any more.
    const auto unacknowledged_ms = static_cast<unsigned>(limits_.send_time.count());
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &system_buffer_bytes, sizeof(system_buffer_bytes));
    ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms,
                 sizeof(unacknowledged_ms));
    ++statistics_.open;
    ++statistics_.taken;
    arrived_.splice(arrived_.end(), one);
  }
  wake();
  return {};
}

void EventStreams::publish(StreamEvent event) {
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t newest = events_.empty() ? last_forgotten_ : events_.back().number;
    if (event.number <= newest) return;
    events_.push_back(std::move(event));
    if (events_.size() > limits_.max_behind) {
      last_forgotten_ = events_.front().number;
      events_.pop_front();
    }
  }
  wake();
}

StreamStatistics EventStreams::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void EventStreams::run() {
  std::list<Stream> streams;
  while (collect(streams)) {
    const auto now = Clock::now();
    for (auto stream = streams.begin(); stream != streams.end();) {
      const auto next = std::next(stream);
      if (!advance(*stream, now)) {
        close(*stream);
        streams.erase(stream);
      }
      stream = next;
    }
    wait(streams);
  }
  for (Stream& stream : streams) close(stream);
}

bool EventStreams::collect(std::list<Stream>& streams) {
  const std::lock_guard lock(mutex_);
  streams.splice(streams.end(), arrived_);
  return !stopping_;
}

void EventStreams::close(Stream& stream) noexcept {
  stream.connection->transport->end_writing();
  stream.connection.reset();
  const std::lock_guard lock(mutex_);
  --statistics_.open;
}

bool EventStreams::advance(Stream& stream, Clock::time_point now) {
  Transport& transport = *stream.connection->transport;
  if (std::exchange(stream.readable, false)) {
    // It has nothing to say. The end of its bytes is how a peer that goes away shows itself; over
    // TLS there may be records that carry no bytes.
    std::array<char, 256> ignored;
    if (transport.read(ignored, at_once).outcome != TransferOutcome::timed_out) return false;
  }
  for (;;) {
    if (stream.text == nullptr) choose_text(stream, now);
    if (stream.text == nullptr) return true;
    const std::string_view left = std::string_view(*stream.text).substr(stream.written);
    const Transfer put = transport.write(left, at_once);
    if (put.outcome == TransferOutcome::timed_out) {
      if (now < stream.due) return true;
      const std::lock_guard lock(mutex_);
      ++statistics_.too_slow;
      return false;
    }
    if (put.outcome != TransferOutcome::moved) return false;
    stream.written += put.bytes;
    if (stream.written < stream.text->size()) continue;
    if (stream.text != heartbeat_) {
      const std::lock_guard lock(mutex_);
      ++statistics_.sent;
    }
    stream.text = nullptr;
    stream.due = now + limits_.heartbeat;
  }
}

void EventStreams::choose_text(Stream& stream, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!events_.empty() && events_.back().number > stream.last_number) {
    auto next = std::prev(events_.end());
    if (last_forgotten_ <= stream.last_number) {
      next = std::find_if(events_.begin(), events_.end(), [&](const StreamEvent& event) {
        return event.number > stream.last_number;
      });
    }
    statistics_.left_out += next->number - stream.last_number - 1;
    stream.text = next->text;
    stream.last_number = next->number;
  } else if (now >= stream.due) {
    stream.text = heartbeat_;
  } else {
    return;
  }
  stream.written = 0;
  stream.due = now + limits_.send_time;
}

void EventStreams::wait(std::list<Stream>& streams) const {
  // Long waits in pieces: poll counts milliseconds in an int.
  constexpr std::chrono::milliseconds longest{60'000};
  std::vector<pollfd> watched;
  auto until = Clock::now() + longest;
  try {
    watched.reserve(streams.size() + 1);
  } catch (const std::bad_alloc&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return;
  }
  for (const Stream& stream : streams) {
    const short events = stream.text == nullptr ? POLLIN : POLLIN | POLLOUT;
    watched.push_back({stream.connection->socket.get(), events, 0});
    until = std::min(until, stream.due);
  }
  watched.push_back({wake_.get(), POLLIN, 0});
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  if (::poll(watched.data(), watched.size(), static_cast<int>(std::max(left.count(), 0L))) <= 0) {
    return;
  }
  std::size_t i = 0;
  for (Stream& stream : streams) {
    stream.readable = (watched[i++].revents & ~POLLOUT) != 0;
  }
  std::uint64_t wakes = 0;
  if (watched[i].revents != 0) {
    while (::read(wake_.get(), &wakes, sizeof(wakes)) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace gyre::server
