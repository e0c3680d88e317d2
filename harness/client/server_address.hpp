// Where a server listens: what a client accepts as an address, and which of them may be used
// together.
//
// Thread-safety: values and free functions that keep no state.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace gyre::client {

// "http://HOST[:PORT]" or "https://HOST[:PORT]", normalised: host in lower case without brackets,
// IP addresses in the one spelling of inet_ntop, an IPv4 address mapped into IPv6 as IPv4, the port
// always there (80 and 443 where none was given). So one server under two spellings is one value.
//
// Everything in it is of a small alphabet: text() may be shown on a terminal.
struct ServerAddress {
  bool secure = false;  // https
  std::string host;
  std::uint16_t port = 0;

  // Strict: no credentials, path, query or fragment (one trailing "/" is let through), no IPv6
  // zone, no abbreviated or octal IPv4 address. Errors: unsupported_url.
  [[nodiscard]] static Result<ServerAddress> parse(std::string_view text);

  // "https://host:port", an IPv6 host in brackets.
  [[nodiscard]] std::string text() const;

  // Whether `host` is an IP address rather than a name.
  [[nodiscard]] bool is_ip_address() const noexcept;

  friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

// Whether an IP address in the normalised spelling is in 127.0.0.0/8 or is ::1.
[[nodiscard]] bool is_loopback_ip(std::string_view ip) noexcept;

// A server's address with the IP addresses its name stood for at one moment; connections go to
// these and to no other, so what was checked is what is used.
struct ResolvedServer {
  ServerAddress address;
  std::vector<std::string> ips;  // normalised, at least one, in the order to try them

  // Literal loopback addresses, and "localhost" if it stands for nothing but loopback addresses.
  // Other names are never loopback: who answers for them is not for this machine to say.
  [[nodiscard]] bool is_loopback() const noexcept;
};

// Asks the system's resolver, for at most `timeout` or until a stop is requested. Errors:
// unreachable, timed_out, cancelled, out_of_memory, internal.
[[nodiscard]] Result<ResolvedServer> resolve(const ServerAddress& address,
                                             std::chrono::milliseconds timeout,
                                             const std::stop_token& stop = {});

// Off loopback only https will do: whoever reads both connections learns what is asked for. Errors:
// insecure_transport.
[[nodiscard]] Result<void> check_transport(const ResolvedServer& server);

// That two servers are not obviously one: neither the same host and port nor a common IP address
// and port. (That their parties differ is checked once they have answered.) Errors:
// bad_configuration.
[[nodiscard]] Result<void> check_distinct(const ResolvedServer& a, const ResolvedServer& b);

}  // namespace gyre::client
