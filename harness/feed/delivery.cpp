#include "harness/feed/delivery.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "harness/client/admin_client.hpp"

namespace gyre::feed {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest_pause = std::chrono::minutes(1);

tl::unexpected<Error> stopped() {
  return fail(ErrorCode::cancelled,
              "the update was stopped; what was not delivered is kept for the next run");
}

// False if it was asked to stop.
bool pause(milliseconds length, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, length, [] { return false; });
  return !stop.stop_requested();
}

Result<void> hand_over(BatchReceiver& receiver, std::uint64_t seq, std::span<const std::byte> body,
                       const DeliveryOptions& options) {
  milliseconds length = options.first_pause;
  for (unsigned attempt = 1;; ++attempt) {
    if (options.stop.stop_requested()) return stopped();
    auto taken = receiver.take(seq, body);
    if (taken || attempt >= options.attempts || !client::is_worth_retrying(taken.error())) {
      return taken;
    }
    if (!pause(length, options.stop)) return stopped();
    length = std::min(2 * length, longest_pause);
  }
}

// To all of them at the same time: two servers that are far away cost one wait and not two.
std::vector<Result<void>> hand_to_all(const std::vector<BatchReceiver*>& receivers,
                                      std::uint64_t seq, std::span<const std::byte> body,
                                      const DeliveryOptions& options) {
  std::vector<Result<void>> outcomes(receivers.size());
  const auto hand = [&](std::size_t i) noexcept {
    try {
      outcomes[i] = hand_over(*receivers[i], seq, body, options);
    } catch (const std::exception&) {
      outcomes[i] = fail(ErrorCode::out_of_memory, "there is not enough memory to send a batch");
    }
  };
  std::vector<std::jthread> threads;
  threads.reserve(receivers.size());
  for (std::size_t i = 1; i < receivers.size(); ++i) threads.emplace_back(hand, i);
  if (!receivers.empty()) hand(0);
  threads.clear();  // joins
  return outcomes;
}

Result<void> deliver_one(FeedState& state,
                         const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
                         std::uint64_t seq, bool again, const DeliveryOptions& options) {
  auto body = state.batch(seq);
  if (!body) return forward_error(body);
  if (!*body) {
    return fail(ErrorCode::not_found, "the feed does not have batch " + std::to_string(seq) +
                                          "; it keeps the last " + std::to_string(kept_batches));
  }
  std::vector<BatchReceiver*> lacking;
  for (const auto& receiver : receivers) {
    auto has_it = state.is_acknowledged(seq, receiver->name());
    if (!has_it) return forward_error(has_it);
    if (again || !*has_it) lacking.push_back(receiver.get());
  }
  const std::vector<Result<void>> outcomes = hand_to_all(lacking, seq, **body, options);
  // Those who have it are noted before anything else, whatever became of the others.
  std::optional<Error> error;
  for (std::size_t i = 0; i < lacking.size(); ++i) {
    if (outcomes[i]) {
      auto noted = state.acknowledge(seq, lacking[i]->name());
      if (!noted && !error) error = std::move(noted.error());
    } else if (!error) {
      error = outcomes[i].error();
    }
  }
  if (error) return tl::unexpected<Error>(std::move(*error));
  return state.set_delivered(seq);
}

Result<std::uint64_t> deliver_from(FeedState& state,
                                   const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
                                   std::uint64_t first, bool again,
                                   const DeliveryOptions& options) {
  auto last = state.last_seq();
  if (!last) return forward_error(last);
  std::uint64_t delivered = 0;
  for (std::uint64_t left = *last - first + 1; left > 0; --left) {
    const std::uint64_t seq = first + delivered;
    auto done = deliver_one(state, receivers, seq, again, options);
    if (!done) return forward_error(done);
    ++delivered;
    options.progress(seq, *last);
  }
  return delivered;
}

}  // namespace

Result<std::uint64_t> deliver(FeedState& state,
                              const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
                              const DeliveryOptions& options) {
  auto first = state.first_pending();
  if (!first) return forward_error(first);
  if (!*first) return 0;
  return deliver_from(state, receivers, **first, false, options);
}

Result<std::uint64_t> deliver_again(FeedState& state,
                                    const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
                                    std::uint64_t first_seq, const DeliveryOptions& options) {
  auto last = state.last_seq();
  if (!last) return forward_error(last);
  if (first_seq > *last) {
    return fail(ErrorCode::not_found, "the feed's last batch is number " + std::to_string(*last));
  }
  // A gap would be refused.
  auto pending = state.first_pending();
  if (!pending) return forward_error(pending);
  return deliver_from(state, receivers, std::min(first_seq, pending->value_or(first_seq)), true,
                      options);
}

}  // namespace gyre::feed
