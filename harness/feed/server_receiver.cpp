#include "harness/feed/server_receiver.hpp"

#include <utility>

#include "harness/protocol/update_codec.hpp"

namespace gyre::feed {

ServerReceiver::ServerReceiver(client::AdminClient client,
                               std::chrono::milliseconds deadline) noexcept
    : client_(std::move(client)), deadline_(deadline) {}

const std::string& ServerReceiver::name() const noexcept {
  return client_.server();
}

Result<void> ServerReceiver::take(std::uint64_t seq, std::span<const std::byte> body) {
  auto reply = client_.request("POST", "/admin/updates", {},
                               {protocol::media_type(protocol::Encoding::binary), body}, deadline_);
  if (!reply) return forward_error(reply);
  const auto bad = [&] {
    return fail(
        ErrorCode::bad_answer,
        "server " + name() + " did not answer to a batch as an admin listener of Gyre's does");
  };
  if (reply->status != 200) return bad();
  const auto accepted = protocol::decode_update_reply(reply->body);
  if (!accepted || accepted->seq != seq) return bad();
  return {};
}

}  // namespace gyre::feed
