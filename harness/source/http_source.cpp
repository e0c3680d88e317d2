#include "harness/source/http_source.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/fault_point.hpp"
#include "harness/protocol/chunk_framing.hpp"
#include "harness/source/response_head.hpp"

namespace gyre::source {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} * 1024;
// Between two bytes of content: sizes, extensions, trailers.
constexpr std::size_t max_framing_bytes = std::size_t{16} * 1024;

tl::unexpected<Error> too_long(std::uint64_t max_bytes) {
  return fail(ErrorCode::request_too_large, "the source is longer than the " +
                                                std::to_string(max_bytes) +
                                                " bytes that are allowed here");
}

tl::unexpected<Error> truncated() {
  return fail(ErrorCode::source_failed, "the origin ended the body before its end");
}

std::string seconds_text(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s"
                                  : std::to_string(time.count()) + " ms";
}

class HttpSource final : public Source {
 public:
  HttpSource(const SourcePolicy& policy, std::unique_ptr<Connection> connection,
             std::uint64_t max_bytes, Clock::time_point until)
      : stall_time_(policy.stall_time),
        total_time_(policy.total_time),
        connection_(std::move(connection)),
        max_bytes_(max_bytes),
        until_(until),
        buffer_(buffer_bytes) {}

  // Reads the head, and keeps what came with it.
  Result<void> begin(std::chrono::milliseconds first_byte_time) {
    const Clock::time_point head_by = std::min(until_, Clock::now() + first_byte_time);
    std::size_t searched = 0;
    while (true) {
      const std::string_view text = buffered();
      // The mark may have been cut in two by the end of what came before.
      const std::size_t mark = text.find("\r\n\r\n", searched < 3 ? 0 : searched - 3);
      searched = text.size();
      const std::size_t head_bytes = mark == std::string_view::npos ? text.size() : mark + 4;
      if (head_bytes > max_head_bytes) {
        return fail(ErrorCode::source_failed, "the head of the origin's answer has no end");
      }
      if (mark != std::string_view::npos) {
        auto head = parse_response_head(text.substr(0, head_bytes));
        if (!head) return forward_error(head);
        begin_ = head_bytes;
        head_ = *head;
        break;
      }
      auto received = connection_->receive(std::span(buffer_).subspan(end_), head_by);
      if (!received) {
        if (received.error().code == ErrorCode::source_timed_out)
          return timed_out("the origin did not answer within ", first_byte_time);
        return forward_error(received);
      }
      if (*received == 0) {
        return fail(ErrorCode::source_failed, "the origin hung up before it had answered");
      }
      end_ += *received;
    }
    if (head_.length.value_or(0) > max_bytes_) return too_long(max_bytes_);
    left_ = head_.length.value_or(0);
    return {};
  }

  std::optional<std::uint64_t> size() const noexcept override { return head_.length; }

  Result<std::size_t> read(std::span<std::byte> into) override {
    auto taken = take(into);
    if (!taken) return taken;
    into = into.first(*taken);
    GYRE_FAULT_POINT_OF_BYTES(source_read, into);
    return into.size();
  }

 private:
  Result<std::size_t> take(std::span<std::byte> into) {
    if (head_.chunked) return read_chunked(into);
    if (!head_.length) return read_content(into, std::nullopt);
    if (left_ == 0) return std::size_t{0};
    auto taken = read_content(into, left_);
    if (!taken) return taken;
    if (*taken == 0) return truncated();
    left_ -= *taken;
    return taken;
  }

  [[nodiscard]] std::string_view buffered() const noexcept {
    return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_};
  }

  [[nodiscard]] tl::unexpected<Error> timed_out(const char* sentence,
                                                std::chrono::milliseconds time) const {
    if (Clock::now() >= until_) {
      sentence = "the origin did not deliver the whole source within ";
      time = total_time_;
    }
    return fail(ErrorCode::source_timed_out, sentence + seconds_text(time));
  }

  // From the connection, unless the origin has stalled. `content` says what counts as progress.
  Result<std::size_t> receive(std::span<std::byte> into) {
    const Clock::time_point before = Clock::now();
    auto received = connection_->receive(into, std::min(until_, before + (stall_time_ - waited_)));
    if (!received) {
      if (received.error().code == ErrorCode::source_timed_out)
        return timed_out("the origin delivered next to nothing within ", stall_time_);
      return received;
    }
    waited_ += Clock::now() - before;
    return received;
  }

  void count_content(std::size_t bytes) noexcept {
    taken_ += bytes;
    progress_ += bytes;
    if (progress_ < min_progress_bytes) return;
    progress_ = 0;
    waited_ = Clock::duration(0);
  }

  // Content that is due, at most `due` bytes, or all until the connection ends.
  Result<std::size_t> read_content(std::span<std::byte> into, std::optional<std::uint64_t> due) {
    // One byte beyond the bound tells that there is more than allowed.
    const std::uint64_t allowed = max_bytes_ - taken_;
    const std::uint64_t most = std::min(due.value_or(into.size()), allowed == 0 ? 1 : allowed);
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), most)));
    std::size_t bytes = end_ - begin_;
    if (bytes > 0) {
      bytes = std::min(bytes, into.size());
      std::memcpy(into.data(), buffer_.data() + begin_, bytes);
      begin_ += bytes;
    } else {
      // Straight to where it shall go.
      auto received = receive(into);
      if (!received) return received;
      bytes = *received;
    }
    if (bytes > allowed) return too_long(max_bytes_);
    count_content(bytes);
    return bytes;
  }

  Result<std::size_t> read_chunked(std::span<std::byte> into) {
    std::size_t framing_bytes = 0;
    while (true) {
      if (framing_.done()) return std::size_t{0};
      if (const std::uint64_t left = framing_.content_left(); left > 0) {
        if (left > max_bytes_ - taken_) return too_long(max_bytes_);
        auto taken = read_content(into, left);
        if (!taken) return taken;
        if (*taken == 0) return truncated();
        framing_.take(*taken);
        return taken;
      }
      if (begin_ == end_) {
        auto received = receive(buffer_);
        if (!received) return received;
        if (*received == 0) return truncated();
        begin_ = 0;
        end_ = *received;
      }
      const auto passed = framing_.pass(buffered());
      framing_bytes += passed.value_or(0);
      if (!passed || framing_bytes > max_framing_bytes) {
        return fail(ErrorCode::source_failed,
                    "the chunks of the origin's body are not well formed");
      }
      begin_ += *passed;
    }
  }

  const std::chrono::milliseconds stall_time_;
  const std::chrono::milliseconds total_time_;
  std::unique_ptr<Connection> connection_;
  const std::uint64_t max_bytes_;
  const Clock::time_point until_;
  ResponseHead head_;
  std::uint64_t left_ = 0;   // of a body of stated length
  std::uint64_t taken_ = 0;  // content given out
  protocol::ChunkFraming framing_;
  std::vector<std::byte> buffer_;  // what came with the head, and between chunks
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Clock::duration waited_{0};  // since there was progress
  std::uint64_t progress_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> get(const Url& url, const SourcePolicy& policy,
                                    std::unique_ptr<Connection> connection, std::uint64_t max_bytes,
                                    Clock::time_point until) {
  const std::string request = "GET " + url.path + url.query +
                              " HTTP/1.1\r\n"
                              "Host: " +
                              url.authority() +
                              "\r\n"
                              "User-Agent: gyre\r\n"
                              "Accept: */*\r\n"
                              "Accept-Encoding: identity\r\n"
                              "Connection: close\r\n\r\n";
  const Clock::time_point sent_by = std::min(until, Clock::now() + policy.first_byte_time);
  if (auto sent = connection->send(request, sent_by); !sent) return forward_error(sent);
  auto source = std::make_unique<HttpSource>(policy, std::move(connection), max_bytes, until);
  if (auto begun = source->begin(policy.first_byte_time); !begun) return forward_error(begun);
  return source;
}

}  // namespace gyre::source
