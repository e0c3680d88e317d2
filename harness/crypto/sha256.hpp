// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "core/metadata.hpp"

namespace gyre::crypto {

// SHA-256 of the parts one after another; has the type of core's seam, gyre::Sha256. Thread-safe.
// An OpenSSL that cannot digest at all ends the process: no answer could be trusted without it.
[[nodiscard]] Bytes32 sha256(std::span<const std::span<const std::byte>> parts);

[[nodiscard]] Bytes32 sha256(std::span<const std::byte> bytes);

// SHA-256 of what arrives piece by piece. One thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void update(std::span<const std::byte> bytes);

  // The digest of everything since the last finish(); the stream begins anew.
  [[nodiscard]] Bytes32 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gyre::crypto
