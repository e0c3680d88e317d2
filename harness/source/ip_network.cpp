#include "harness/source/ip_network.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

namespace gyre::source {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

struct KnownNetwork {
  const char* text;
  Reach reach;
};

// The IANA registries of special-purpose addresses, IPv4 and IPv6. The first match counts.
constexpr std::array special_networks{
    KnownNetwork{"0.0.0.0/8", Reach::nowhere},        // "this network", unspecified
    KnownNetwork{"224.0.0.0/4", Reach::nowhere},      // multicast
    KnownNetwork{"255.255.255.255", Reach::nowhere},  // broadcast
    KnownNetwork{"10.0.0.0/8", Reach::local},         // private
    KnownNetwork{"100.64.0.0/10", Reach::local},      // shared by carriers
    KnownNetwork{"127.0.0.0/8", Reach::local},        // loopback
    KnownNetwork{"169.254.0.0/16", Reach::local},     // link-local; metadata of clouds
    KnownNetwork{"172.16.0.0/12", Reach::local},      // private
    KnownNetwork{"192.0.0.0/24", Reach::local},       // protocol assignments
    KnownNetwork{"192.0.2.0/24", Reach::local},       // documentation
    KnownNetwork{"192.88.99.0/24", Reach::local},     // relays from IPv6
    KnownNetwork{"192.168.0.0/16", Reach::local},     // private
    KnownNetwork{"198.18.0.0/15", Reach::local},      // benchmarks
    KnownNetwork{"198.51.100.0/24", Reach::local},    // documentation
    KnownNetwork{"203.0.113.0/24", Reach::local},     // documentation
    KnownNetwork{"240.0.0.0/4", Reach::local},        // reserved
    KnownNetwork{"::", Reach::nowhere},               // unspecified
    KnownNetwork{"ff00::/8", Reach::nowhere},         // multicast
    KnownNetwork{"2001::/23", Reach::local},          // protocol assignments, Teredo
    KnownNetwork{"2001:db8::/32", Reach::local},      // documentation
    KnownNetwork{"2002::/16", Reach::local},          // an IPv4 address inside (6to4)
    KnownNetwork{"3fff::/20", Reach::local},          // documentation
    // All other global unicast addresses are in 2000::/3. What is outside is not for everybody:
    // ::1, NAT64 (64:ff9b::/96), unique local (fc00::/7), link-local (fe80::/10) and more.
    KnownNetwork{"2000::/3", Reach::everywhere},
};

struct ParsedNetwork {
  IpNetwork network;
  Reach reach;
};

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos || text.size() >= INET6_ADDRSTRLEN)
    return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  in_addr ipv4{};
  if (::inet_pton(AF_INET, terminated.c_str(), &ipv4) == 1) {
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), address.bytes.begin());
    std::memcpy(&address.bytes[mapped_prefix.size()], &ipv4, sizeof ipv4);
    return address;
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

bool IpAddress::is_ipv4() const noexcept {
  return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const bool is_ipv4 = address->is_ipv4();
  if (is_ipv4 && text.find(':') != std::string_view::npos) return std::nullopt;
  IpNetwork network{*address, 128};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const unsigned longest = is_ipv4 ? 32 : 128;
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > longest ||
        (digits.size() > 1 && digits.front() == '0')) {
      return std::nullopt;
    }
    network.bits = is_ipv4 ? mapped_bits + bits : bits;
  }
  // "10.1.2.3/8" was meant to be something else.
  for (unsigned bit = network.bits; bit < 128; ++bit) {
    if ((address->bytes[bit / 8] & (0x80U >> (bit % 8))) != 0) return std::nullopt;
  }
  return network;
}

bool IpNetwork::contains(const IpAddress& ip) const noexcept {
  // "::/0" is all of IPv6; IPv4 is listed as IPv4 only.
  if (ip.is_ipv4() != address.is_ipv4()) return false;
  const unsigned whole = bits / 8;
  if (!std::equal(ip.bytes.begin(), ip.bytes.begin() + whole, address.bytes.begin())) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest);
  return ((static_cast<unsigned>(ip.bytes[whole]) ^ address.bytes[whole]) & mask & 0xffU) == 0;
}

Reach reach_of(const IpAddress& ip) {
  static const std::vector<ParsedNetwork> networks = [] {
    std::vector<ParsedNetwork> parsed;
    parsed.reserve(special_networks.size());
    for (const KnownNetwork& known : special_networks)
      parsed.push_back({IpNetwork::parse(known.text).value(), known.reach});
    return parsed;
  }();
  for (const ParsedNetwork& known : networks) {
    if (known.network.contains(ip)) return known.reach;
  }
  return ip.is_ipv4() ? Reach::everywhere : Reach::local;
}

}  // namespace gyre::source
