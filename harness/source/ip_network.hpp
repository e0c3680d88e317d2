// IP addresses and networks, and which of them are on the public internet.
//
// Thread-safety: values and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gyre::source {

// IPv4 addresses lie in ::ffff:0:0/96, so that an address mapped into IPv6 is the address itself.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  // As of inet_pton, without a zone; nothing if it is not that.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] bool is_ipv4() const noexcept;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

struct IpNetwork {
  IpAddress address;
  unsigned bits = 128;  // of the address that are fixed, IPv4 counted from ::/96 too

  // "10.0.0.0/8", "fc00::/7", or an address alone; nothing if it is not that, if bits beyond the
  // prefix are set, or if it is a network of mapped IPv4 addresses, which are written as IPv4.
  [[nodiscard]] static std::optional<IpNetwork> parse(std::string_view text);

  [[nodiscard]] bool contains(const IpAddress& ip) const noexcept;
};

enum class Reach : std::uint8_t {
  everywhere,  // a host on the public internet
  local,       // loopback, link-local, private, shared, translated, reserved, documentation
  nowhere,     // unspecified, multicast, broadcast: nobody's address
};

[[nodiscard]] Reach reach_of(const IpAddress& ip);

}  // namespace gyre::source
