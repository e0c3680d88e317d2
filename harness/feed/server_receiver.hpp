// A server's admin listener as a receiver of batches: POST /admin/updates.
#pragma once

#include <chrono>
#include <string>

#include "harness/client/admin_client.hpp"
#include "harness/feed/batch_receiver.hpp"

namespace gyre::feed {

class ServerReceiver final : public BatchReceiver {
 public:
  // `deadline` is for one batch, connecting included.
  ServerReceiver(client::AdminClient client, std::chrono::milliseconds deadline) noexcept;

  [[nodiscard]] const std::string& name() const noexcept override;
  // Errors: those of AdminClient::request, bad_answer.
  [[nodiscard]] Result<void> take(std::uint64_t seq, std::span<const std::byte> body) override;

 private:
  client::AdminClient client_;
  std::chrono::milliseconds deadline_;
};

}  // namespace gyre::feed
