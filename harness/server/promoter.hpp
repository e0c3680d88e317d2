// Brings the current epoch to devices that had no room for it when it was published, or that
// failed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/backend.hpp"
#include "core/epoch_table.hpp"
#include "core/error.hpp"

namespace gyre::server {

enum class Promotion {
  none_needed,  // the current epoch has a healthy image on every device, or there is no epoch
  promoted,     // it has one more now
  withdrawn,    // images of failed devices were taken out, so that their memory can go back
  no_room_yet,  // an earlier image is still on the device, or it is too small altogether
  overtaken,    // other images were current before these were ready; they were dropped
};

// What is left to decide after a failure: when to try again. The epoch serves on as it was.
class Promoter {
 public:
  // Puts images in place of those of the current epoch, if `instead_of` is still its first one; see
  // EpochWriter::replace_images. Whether it was.
  using Replace = std::function<Result<bool>(const Image& instead_of, Images images)>;

  // In the order in which an epoch's images should be, which is the devices before everything
  // else. What is referred to must outlive this.
  Promoter(const EpochTable& epochs, std::vector<Backend*> devices, Replace replace);

  // Looks once and does one thing. One thread at a time. Errors: those of promote() but
  // device_out_of_memory, and of Replace.
  [[nodiscard]] Result<Promotion> look(const std::stop_token& stop) const;

  // Looks again and again, in a thread of its own: after `pause` while there may be something to
  // do, after ever longer (up to 64 times that) when it failed. Logs what it did. At most once.
  void start(std::chrono::milliseconds pause);

 private:
  // The same, and sets `uploaded_bytes` if a device has an image more.
  [[nodiscard]] Result<Promotion> look(const std::stop_token& stop,
                                       std::uint64_t& uploaded_bytes) const;
  void run(const std::stop_token& stop, std::chrono::milliseconds pause) const;

  const EpochTable& epochs_;
  const std::vector<Backend*> devices_;
  const Replace replace_;
  std::jthread thread_;  // last: it stops before what it uses
};

// For a server whose epochs nobody else replaces meanwhile: images of the current epoch alone.
[[nodiscard]] Promoter::Replace replace_in(EpochTable& epochs);

}  // namespace gyre::server
