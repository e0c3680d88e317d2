// The name of an epoch: equal on two servers exactly when they hold the same content.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/metadata.hpp"

namespace gyre {

// Text form "base-seq-chain": 16 hex digits, decimal, 16 hex digits, lower case.
struct EpochId {
  static constexpr std::size_t max_text_bytes = 16 + 1 + 20 + 1 + 16;

  Bytes8 base{};          // the first 8 bytes of the content id
  std::uint64_t seq = 0;  // the last batch applied
  Bytes8 chain{};  // 0 at the base, then SHA-256(chain ‖ batch in binary form), 8 bytes of it

  [[nodiscard]] static EpochId of_base(const Bytes32& content_id, std::uint64_t as_of_seq) noexcept;
  [[nodiscard]] EpochId after(std::uint64_t next_seq, std::span<const std::byte> binary_batch,
                              Sha256 sha256) const;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] static Result<EpochId> parse(std::string_view text);  // malformed_request

  friend bool operator==(const EpochId&, const EpochId&) = default;
};

}  // namespace gyre
