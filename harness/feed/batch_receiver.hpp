// Who takes the batches of a feed: a server, or a directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/error.hpp"

namespace gyre::feed {

// One receiver. One thread at a time; several receivers may be used at the same time.
class BatchReceiver {
 public:
  BatchReceiver() = default;
  BatchReceiver(const BatchReceiver&) = delete;
  BatchReceiver& operator=(const BatchReceiver&) = delete;
  virtual ~BatchReceiver() = default;

  // Its address, for people and to remember what it has. Never changes.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  // Hands over a batch in its binary form. Success means that it has it now, or had it before: the
  // same batch may be handed over again. An error of which client::is_worth_retrying() holds may
  // pass.
  [[nodiscard]] virtual Result<void> take(std::uint64_t seq, std::span<const std::byte> body) = 0;
};

}  // namespace gyre::feed
