// Sends the batches of a feed to everybody who takes them, in order.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "core/error.hpp"
#include "harness/feed/batch_receiver.hpp"
#include "harness/feed/feed_state.hpp"

namespace gyre::feed {

struct DeliveryOptions {
  unsigned attempts = 5;  // for each batch and receiver, at least 1
  // Before the second attempt; twice as long before each further one, at most a minute.
  std::chrono::milliseconds first_pause{250};
  std::stop_token stop;
  // After each batch that everybody has, with its number and the last one's.
  std::function<void(std::uint64_t seq, std::uint64_t last)> progress = [](std::uint64_t,
                                                                           std::uint64_t) {};
};

// Hands every batch that is pending to all receivers at the same time, waits for all of them, and
// goes on to the next. What a receiver has is remembered at once, so that after any failure or
// crash the same batches, byte for byte, go to those who lack them before anything new does.
//
// The first error ends it; the receivers are asked again only if client::is_worth_retrying().
// Errors: the receivers', with the receiver's own sentence; the state's; cancelled. Returns how
// many batches everybody has now that had not before. REQUIRES: at least one receiver, no two with
// the same name, no transaction of the state.
[[nodiscard]] Result<std::uint64_t> deliver(
    FeedState& state, const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
    const DeliveryOptions& options);

// The same for all batches from this one on (or from the first that is pending, if that is
// earlier), whether they are pending or not: for a server that has lost them. Errors also:
// not_found (one of them is kept no longer, or was never made).
[[nodiscard]] Result<std::uint64_t> deliver_again(
    FeedState& state, const std::vector<std::unique_ptr<BatchReceiver>>& receivers,
    std::uint64_t first_seq, const DeliveryOptions& options);

}  // namespace gyre::feed
