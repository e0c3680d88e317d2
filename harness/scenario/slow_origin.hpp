// An HTTP origin on loopback that serves the files of one directory, as slowly as is asked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/error.hpp"

namespace gyre::scenario {

// Serves from construction to destruction.
class SlowOrigin {
 public:
  // Every response is sent at `bytes_per_second`; 0: as fast as it can. Errors: io_failed (no
  // port).
  [[nodiscard]] static Result<std::unique_ptr<SlowOrigin>> start(
      const std::filesystem::path& directory);
  ~SlowOrigin();
  SlowOrigin(const SlowOrigin&) = delete;
  SlowOrigin& operator=(const SlowOrigin&) = delete;

  // Responses that begin from now on are each sent at so many bytes a second; 0, as at first: as
  // fast as it can.
  void set_rate(std::uint64_t bytes_per_second) noexcept;

  // "127.0.0.1:PORT".
  [[nodiscard]] std::string host() const;
  [[nodiscard]] std::string url(const std::string& file) const {
    return "http://" + host() + "/" + file;
  }

 private:
  class Listener;
  explicit SlowOrigin(std::unique_ptr<Listener> listener) noexcept;

  std::unique_ptr<Listener> listener_;
};

}  // namespace gyre::scenario
