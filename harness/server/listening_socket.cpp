#include "harness/server/listening_socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

namespace gyre::server {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24U) == 127;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

ListenAddress describe(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return {text.data(), ntohs(v6.sin6_port)};
}

FileDescriptor bind_one(const addrinfo& candidate) {
  FileDescriptor descriptor(
      ::socket(candidate.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (descriptor.get() < 0) return {};
  const int on = 1;
  // A restart must not wait for old connections' time-out; two servers must never share one port.
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(descriptor.get(), candidate.ai_addr, candidate.ai_addrlen) != 0 ||
      ::listen(descriptor.get(), ListeningSocket::backlog) != 0) {
    return {};
  }
  return descriptor;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  close();
}

void FileDescriptor::close() noexcept {
  if (value_ >= 0) ::close(std::exchange(value_, -1));
}

Result<ListenAddress> ListenAddress::parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  ListenAddress address;
  bool usable = colon != std::string::npos && colon > 0;
  if (usable) {
    address.host = text.substr(0, colon);
    const char* const end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data() + colon + 1, end, address.port);
    usable = problem == std::errc{} && stop == end;
    const bool bracketed = address.host.front() == '[' && address.host.back() == ']';
    if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
    usable = usable && !address.host.empty() &&
             (bracketed || address.host.find(':') == std::string::npos);
  }
  if (!usable) {
    return fail(ErrorCode::bad_configuration,
                "an address to listen on must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080");
  }
  return address;
}

std::string ListenAddress::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ListeningSocket> ListeningSocket::open(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) !=
      0) {
    return fail(ErrorCode::bad_configuration,
                "the host to listen on has no address; use one of this machine's");
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  for (const addrinfo* candidate = list.get(); candidate != nullptr;
       candidate = candidate->ai_next) {
    FileDescriptor descriptor = bind_one(*candidate);
    if (descriptor.get() < 0) continue;
    sockaddr_storage bound{};
    socklen_t length = sizeof(bound);
    if (::getsockname(descriptor.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
      return fail(ErrorCode::internal, "the operating system does not say which address was bound");
    }
    return ListeningSocket{std::move(descriptor), describe(bound), is_loopback(bound)};
  }
  return fail(ErrorCode::bad_configuration,
              "the address to listen on cannot be bound; it may be in use, or not be one of this "
              "machine's");
}

}  // namespace gyre::server
