#include "harness/server/epoch_entry.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

namespace gyre::server {

std::string rfc3339(std::chrono::system_clock::time_point time) {
  const auto since_epoch =
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since_epoch / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(since_epoch % 1000));
  return std::string(text.data(), length) + fraction.data();
}

protocol::EpochEntry describe(const Lease& lease) {
  const Epoch& epoch = lease.epoch();
  protocol::EpochEntry entry{epoch.id,
                             lease.generation().text(),
                             rfc3339(lease.published_at()),
                             epoch.content_id,
                             epoch.metadata,
                             {}};
  for (const auto& image : epoch.images) entry.resident.emplace_back(image->residency());
  return entry;
}

Result<protocol::EpochDocument> describe(const EpochTable& epochs, std::uint8_t party) {
  const std::vector<Lease> held = epochs.snapshot();
  if (held.empty()) {
    return fail(ErrorCode::no_epoch,
                "this server has no epoch yet; try again when it has loaded one");
  }
  protocol::EpochDocument document{party, epochs.boot(), describe(held.front()), {}};
  for (std::size_t i = 1; i < held.size(); ++i) document.retained.push_back(describe(held[i]));
  return document;
}

}  // namespace gyre::server
