#include "harness/scenario/query_load.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <deque>
#include <optional>
#include <random>
#include <string_view>
#include <utility>

#include "core/elapsed.hpp"
#include "harness/client/client_socket.hpp"

namespace gyre::scenario {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double longest_silence = 60;  // seconds
constexpr std::size_t max_response_bytes = std::size_t{1} << 20U;

class Descriptor {
 public:
  explicit Descriptor(int value) noexcept : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

struct Response {
  int status = 0;
  std::string_view body;
};

// Nothing until it is whole. Only as far as this project's server writes it.
Result<std::optional<Response>> parse(std::string_view text) {
  constexpr std::string_view end_of_head = "\r\n\r\n";
  constexpr std::string_view start = "HTTP/1.1 ";
  constexpr std::string_view length_name = "\r\nContent-Length: ";
  const auto bad = [] {
    return fail(ErrorCode::bad_answer, "the server's response is not of the form that it writes");
  };
  const std::size_t head_bytes = text.find(end_of_head);
  if (head_bytes == std::string_view::npos) return std::nullopt;
  const std::string_view head = text.substr(0, head_bytes + 2);
  const std::size_t length_at = head.find(length_name);
  Response response;
  std::size_t length = 0;
  if (!head.starts_with(start) || length_at == std::string_view::npos) return bad();
  const char* const end = head.data() + head.size();
  const auto status = std::from_chars(head.data() + start.size(), end, response.status);
  const auto body = std::from_chars(head.data() + length_at + length_name.size(), end, length);
  if (status.ec != std::errc{} || body.ec != std::errc{} || length > max_response_bytes) {
    return bad();
  }
  const std::string_view rest = text.substr(head_bytes + end_of_head.size());
  if (rest.size() < length) return std::nullopt;
  if (rest.size() > length) return bad();
  response.body = rest;
  return response;
}

class Load {
 public:
  explicit Load(const QueryLoadPlan& plan)
      : plan_(plan), epoll_(::epoll_create1(EPOLL_CLOEXEC)), random_(plan.seed) {}

  Result<QueryLoadFigures> run() {
    if (auto connected = connect(); !connected) return forward_error(connected);
    start_ = Clock::now();
    last_answer_ = 0;
    schedule_next();
    bool counting = false;
    bool over = false;
    while (!over || busy_ > 0 || !backlog_.empty()) {
      const double now = seconds_since(start_);
      if (!counting && now >= plan_.warm_up) {
        counting = true;
        plan_.begun();
      }
      arrive(std::min(now, end()));
      if (!over && now >= end()) {
        over = true;
        plan_.ended();
      }
      if (auto sent = send_to_idle(over); !sent) return forward_error(sent);
      if (now - last_answer_ > longest_silence) {
        return fail(ErrorCode::timed_out, "the server answered nothing for a minute");
      }
      if (auto received = receive(over); !received) return forward_error(received);
    }
    return std::move(figures_);
  }

 private:
  struct Client {
    Descriptor socket;
    std::string received;
    std::size_t query = 0;  // that it has asked
    double due = 0;
    bool busy = false;
  };

  [[nodiscard]] bool open() const noexcept { return plan_.per_second > 0; }
  [[nodiscard]] double end() const noexcept { return plan_.warm_up + plan_.seconds; }
  [[nodiscard]] bool counts(double time) const noexcept {
    return time >= plan_.warm_up && time < end();
  }

  Result<void> connect() {
    if (epoll_.get() < 0) {
      return fail(ErrorCode::internal, "the operating system gave no event descriptor");
    }
    for (unsigned i = 0; i < plan_.clients; ++i) {
      client::Wait outcome{};
      Descriptor socket(client::connect_to(plan_.ip, plan_.port,
                                           Clock::now() + std::chrono::seconds(10), outcome));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = i;
      if (socket.get() < 0 || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) {
        return fail(ErrorCode::unreachable, "the server did not accept a connection");
      }
      clients_.push_back({std::move(socket), {}, 0, 0, false});
      idle_.push_back(i);
    }
    return {};
  }

  void schedule_next() {
    if (open()) next_due_ += std::exponential_distribution<double>(plan_.per_second)(random_);
  }

  // Requests that have become due wait for a client.
  void arrive(double now) {
    for (; open() && next_due_ <= now; schedule_next()) backlog_.push_back(next_due_);
  }

  Result<void> send_to_idle(bool over) {
    while (!idle_.empty() && (open() ? !backlog_.empty() : !over)) {
      Client& client = clients_[idle_.front()];
      idle_.pop_front();
      client.due = seconds_since(start_);
      if (open()) {
        client.due = backlog_.front();
        backlog_.pop_front();
      }
      client.query = next_query_++ % plan_.queries.size();
      if (auto sent = send(client); !sent) return sent;
    }
    return {};
  }

  Result<void> send(Client& client) {
    std::string_view rest = plan_.queries[client.query].request;
    client.busy = true;
    ++busy_;
    while (!rest.empty()) {
      const ssize_t put = ::send(client.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (put > 0) {
        rest.remove_prefix(static_cast<std::size_t>(put));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        // Requests are small: it takes a server that does not read to get here.
        const auto until = Clock::now() + std::chrono::seconds(10);
        if (client::wait_for(client.socket.get(), EPOLLOUT, until) != client::Wait::ready) break;
      } else if (errno != EINTR) {
        break;
      }
    }
    if (!rest.empty()) return fail(ErrorCode::unreachable, "the server reads no more requests");
    return {};
  }

  Result<void> receive(bool over) {
    std::array<epoll_event, 256> events{};
    const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   wait_milliseconds(over));
    for (int i = 0; i < ready; ++i) {
      const std::uint32_t number = events[static_cast<std::size_t>(i)].data.u32;
      if (auto received = receive_one(number); !received) return received;
    }
    return {};
  }

  // Until the next thing that happens by itself.
  [[nodiscard]] int wait_milliseconds(bool over) const {
    const double now = seconds_since(start_);
    double next = now + 1;
    if (!over) next = std::min(next, now < plan_.warm_up ? plan_.warm_up : end());
    if (!over && open()) next = std::min(next, next_due_);
    return static_cast<int>(std::ceil(std::max(next - now, 0.0) * 1000));
  }

  Result<void> receive_one(std::uint32_t number) {
    Client& client = clients_[number];
    std::array<char, 4096> piece;
    const ssize_t got = ::recv(client.socket.get(), piece.data(), piece.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (got <= 0) return fail(ErrorCode::unreachable, "the server closed a connection");
    client.received.append(piece.data(), static_cast<std::size_t>(got));
    auto response = parse(client.received);
    if (!response) return forward_error(response);
    if (!response->has_value()) return {};
    if (!client.busy) return fail(ErrorCode::bad_answer, "the server answers without a question");
    const double now = seconds_since(start_);
    last_answer_ = now;
    count(client, **response, now);
    client.received.clear();
    client.busy = false;
    --busy_;
    idle_.push_back(number);
    return {};
  }

  void count(const Client& client, const Response& response, double now) {
    if (response.status != 200) {
      if (figures_.refused++ == 0) figures_.first_refusal = response.status;
      return;
    }
    if (!response.body.ends_with(plan_.queries[client.query].answer)) ++figures_.wrong;
    if (counts(now)) ++figures_.answered;
    if (counts(client.due)) figures_.latencies.push_back(now - client.due);
  }

  const QueryLoadPlan& plan_;
  const Descriptor epoll_;
  std::vector<Client> clients_;
  std::deque<std::uint32_t> idle_;
  std::deque<double> backlog_;  // when requests without a client were due
  std::size_t busy_ = 0;
  std::size_t next_query_ = 0;
  double next_due_ = 0;
  Clock::time_point start_;
  double last_answer_ = 0;
  std::mt19937_64 random_;
  QueryLoadFigures figures_;
};

}  // namespace

Result<QueryLoadFigures> run_query_load(const QueryLoadPlan& plan) {
  return Load(plan).run();
}

}  // namespace gyre::scenario
