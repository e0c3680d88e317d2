#include "harness/client/server_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <future>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "core/ascii.hpp"

namespace gyre::client {
namespace {

constexpr std::size_t max_text_bytes = 300;
constexpr std::size_t max_name_bytes = 253;
constexpr std::size_t max_label_bytes = 63;
constexpr std::size_t max_resolved_ips = 16;

tl::unexpected<Error> refuse(const char* sentence) {
  return fail(ErrorCode::unsupported_url, sentence);
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
  return c >= 'a' && c <= 'z';
}

std::optional<std::string> normalise_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  std::array<char, INET_ADDRSTRLEN> out{};
  if (::inet_ntop(AF_INET, &address, out.data(), out.size()) == nullptr) return std::nullopt;
  return std::string(out.data());
}

std::optional<std::string> normalise_ipv6(const std::string& text) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) return std::nullopt;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    in_addr mapped{};
    std::memcpy(&mapped, &address.s6_addr[12], sizeof mapped);
    std::array<char, INET_ADDRSTRLEN> out{};
    if (::inet_ntop(AF_INET, &mapped, out.data(), out.size()) == nullptr) return std::nullopt;
    return std::string(out.data());
  }
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (::inet_ntop(AF_INET6, &address, out.data(), out.size()) == nullptr) return std::nullopt;
  return std::string(out.data());
}

bool is_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > max_name_bytes) return false;
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > max_label_bytes || label.front() == '-' ||
        label.back() == '-') {
      return false;
    }
    for (const char c : label) {
      if (!is_letter(c) && !is_digit(c) && c != '-') return false;
    }
    if (label.size() == name.size()) return true;
    name.remove_prefix(label.size() + 1);
  }
}

// Resolvers read "127.1", "0x7f.0.0.1" or "2130706433" as IPv4 addresses; no name ends in such a
// label.
bool ends_in_number(std::string_view name) noexcept {
  const std::string_view label = name.substr(name.rfind('.') + 1);
  if (label.starts_with("0x")) {
    return std::all_of(label.begin() + 2, label.end(),
                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
  }
  return std::all_of(label.begin(), label.end(), is_digit);
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || text.front() == '0') return std::nullopt;
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port > 65'535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

Result<std::string> parse_host(std::string_view text, bool bracketed) {
  const std::string host = ascii_lower_case(text);
  if (bracketed) {
    if (auto ip = normalise_ipv6(host)) return *ip;
    return refuse("what stands in brackets in a server's address must be an IPv6 address");
  }
  if (auto ip = normalise_ipv4(host)) return *ip;
  if (!is_name(host) || ends_in_number(host)) {
    return refuse("a server's address needs a host name or an IP address after the scheme");
  }
  return host;
}

struct Resolved {
  int error = 0;
  std::vector<std::string> ips;
};

Resolved resolve_now(const std::string& host) {
  Resolved resolved;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  resolved.error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (resolved.error != 0) return resolved;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (resolved.ips.size() == max_resolved_ips) break;
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    auto ip =
        entry->ai_family == AF_INET6 ? normalise_ipv6(text.data()) : normalise_ipv4(text.data());
    if (ip && std::find(resolved.ips.begin(), resolved.ips.end(), *ip) == resolved.ips.end()) {
      resolved.ips.push_back(std::move(*ip));
    }
  }
  ::freeaddrinfo(found);
  return resolved;
}

}  // namespace

Result<ServerAddress> ServerAddress::parse(std::string_view text) {
  if (text.size() > max_text_bytes)
    return refuse("a server's address is at most 300 characters long");
  ServerAddress address;
  const std::size_t scheme_end = text.find("://");
  const std::string scheme =
      ascii_lower_case(text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end));
  if (scheme == "https") {
    address.secure = true;
  } else if (scheme != "http") {
    return refuse("a server's address begins with http:// or https://");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('@') != std::string_view::npos) {
    return refuse("a server's address may not hold credentials");
  }
  if (rest.find_first_of("/?#\\") != std::string_view::npos) {
    return refuse("a server's address is a scheme, a host and a port, without a path or query");
  }

  std::string_view host = rest;
  std::string_view port;
  bool has_port = false;
  const bool bracketed = rest.starts_with('[');
  if (bracketed) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) {
      return refuse("the bracket of an IPv6 address in a server's address must be closed");
    }
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest.front() != ':') {
      return refuse("only a port may follow the IPv6 address in a server's address");
    }
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    has_port = true;
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }

  auto parsed_host = parse_host(host, bracketed);
  if (!parsed_host) return forward_error(parsed_host);
  address.host = std::move(*parsed_host);
  if (!has_port) {
    address.port = address.secure ? 443 : 80;
  } else if (const auto parsed_port = parse_port(port)) {
    address.port = *parsed_port;
  } else {
    return refuse("the port in a server's address must be a number from 1 to 65535");
  }
  return address;
}

std::string ServerAddress::text() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return std::string(secure ? "https://" : "http://") + (ipv6 ? "[" + host + "]" : host) + ":" +
         std::to_string(port);
}

bool ServerAddress::is_ip_address() const noexcept {
  return host.find(':') != std::string::npos || ends_in_number(host);
}

bool is_loopback_ip(std::string_view ip) noexcept {
  return ip == "::1" || (ip.starts_with("127.") && ip.find(':') == std::string_view::npos);
}

bool ResolvedServer::is_loopback() const noexcept {
  if (!address.is_ip_address() && address.host != "localhost") return false;
  return !ips.empty() && std::all_of(ips.begin(), ips.end(),
                                     [](const std::string& ip) { return is_loopback_ip(ip); });
}

Result<ResolvedServer> resolve(const ServerAddress& address, std::chrono::milliseconds timeout,
                               const std::stop_token& stop) {
  if (address.is_ip_address()) return ResolvedServer{address, {address.host}};
  // getaddrinfo has no time-out of its own. The thread owns all it touches, so it may outlive this
  // call.
  std::future<Resolved> pending;
  try {
    std::packaged_task<Resolved()> task([host = address.host] { return resolve_now(host); });
    pending = task.get_future();
    std::thread(std::move(task)).detach();
    const auto until = std::chrono::steady_clock::now() + timeout;
    constexpr std::chrono::milliseconds slice(50);  // to look whether a stop was requested
    while (pending.wait_until(std::min(until, std::chrono::steady_clock::now() + slice)) !=
           std::future_status::ready) {
      if (stop.stop_requested())
        return fail(ErrorCode::cancelled, "resolving a server's name was cancelled");
      if (std::chrono::steady_clock::now() < until) continue;
      return fail(ErrorCode::timed_out, "the name of server " + address.text() +
                                            " was not resolved within " +
                                            std::to_string(timeout.count()) + " ms");
    }
    Resolved resolved = pending.get();
    if (resolved.error != 0 || resolved.ips.empty()) {
      return fail(ErrorCode::unreachable,
                  "the name of server " + address.text() + " does not resolve");
    }
    return ResolvedServer{address, std::move(resolved.ips)};
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "out of memory while resolving a server's name");
  } catch (const std::exception&) {
    return fail(ErrorCode::internal, "no thread could be started to resolve a server's name");
  }
}

Result<void> check_transport(const ResolvedServer& server) {
  if (server.address.secure || server.is_loopback()) return {};
  return fail(
      ErrorCode::insecure_transport,
      "server " + server.address.text() +
          " is not on this machine, so its address must begin with https://; who can read both "
          "connections learns what is asked for");
}

Result<void> check_distinct(const ResolvedServer& a, const ResolvedServer& b) {
  const bool same_port = a.address.port == b.address.port;
  const bool same_ip = std::any_of(a.ips.begin(), a.ips.end(), [&](const std::string& ip) {
    return std::find(b.ips.begin(), b.ips.end(), ip) != b.ips.end();
  });
  if (same_port && (a.address.host == b.address.host || same_ip)) {
    return fail(
        ErrorCode::bad_configuration,
        "the two servers have the same address; one server that is asked twice learns what is "
        "asked for, so name two that different people run");
  }
  return {};
}

}  // namespace gyre::client
