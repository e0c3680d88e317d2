// A directory as a receiver of batches: one file for each, to be sent by other means.
#pragma once

#include <filesystem>
#include <string>

#include "harness/feed/batch_receiver.hpp"

namespace gyre::feed {

// DIRECTORY/SEQ.batch, the number of at least 20 digits so that names sort. A file appears whole
// and durable or not at all.
class DirectoryReceiver final : public BatchReceiver {
 public:
  explicit DirectoryReceiver(std::filesystem::path directory);

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  // Errors: io_failed (also: another batch has the file's name), disk_full.
  [[nodiscard]] Result<void> take(std::uint64_t seq, std::span<const std::byte> body) override;

 private:
  std::filesystem::path directory_;
  std::string name_;
};

}  // namespace gyre::feed
