#include "harness/source/policy.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <system_error>

#include "harness/source/admission.hpp"
#include "harness/source/ip_network.hpp"

namespace gyre::source {
namespace {

constexpr std::size_t max_entries = 1000;

tl::unexpected<Error> unusable(const char* sentence) {
  return fail(ErrorCode::bad_configuration, sentence);
}

std::optional<Url> host_entry(const std::string& entry, Scheme scheme) {
  if (entry.find_first_of("/?") != std::string::npos) return std::nullopt;
  auto url = Url::parse((scheme == Scheme::http ? "http://" : "https://") + entry);
  if (!url) return std::nullopt;
  return std::move(*url);
}

bool holds_certificates(const std::string& file) {
  const std::unique_ptr<X509_STORE, decltype(&::X509_STORE_free)> store(::X509_STORE_new(),
                                                                        &::X509_STORE_free);
  const bool loaded = store != nullptr && ::X509_STORE_load_file(store.get(), file.c_str()) == 1;
  ::ERR_clear_error();
  return loaded;
}

}  // namespace

Result<void> SourcePolicy::check() const {
  using std::chrono::milliseconds;
  if (allowed_hosts.size() > max_entries || allowed_networks.size() > max_entries) {
    return unusable("at most 1000 hosts and 1000 networks of sources can be allowed");
  }
  for (const std::string& entry : allowed_hosts) {
    if (!host_entry(entry, Scheme::https)) {
      return unusable(
          "an allowed source host must be a host name or IP address (IPv6 in brackets), with a "
          "port or without, and nothing else");
    }
  }
  for (const std::string& entry : allowed_networks) {
    if (!IpNetwork::parse(entry)) {
      return unusable(
          "an allowed source network must be an IP address, or one and a prefix length such as "
          "10.1.0.0/16, without bits beyond the prefix");
    }
  }
  std::error_code error;
  if (!local_root.empty() &&
      (!local_root.is_absolute() || !std::filesystem::is_directory(local_root, error))) {
    return unusable("the root of local sources must be the absolute path of a directory");
  }
  if (!ca_file.empty() && !holds_certificates(ca_file)) {
    return unusable(
        "the CA file of sources must hold at least one certificate in PEM form, and be readable");
  }
  constexpr milliseconds longest = std::chrono::hours(24);
  for (const milliseconds time : {connect_time, first_byte_time, stall_time, total_time}) {
    if (time <= milliseconds(0) || time > longest) {
      return unusable("a time-out of sources must be above 0 and at most a day");
    }
  }
  return {};
}

Result<void> admit_url(const SourcePolicy& policy, const Url& url) {
  if (url.scheme == Scheme::file) {
    if (!policy.local_root.empty()) return {};
    return fail(ErrorCode::source_not_allowed,
                "local sources are off, because no root directory is configured for them");
  }
  const bool listed = std::any_of(
      policy.allowed_hosts.begin(), policy.allowed_hosts.end(), [&](const std::string& entry) {
        const auto allowed = host_entry(entry, url.scheme);
        return allowed && allowed->host == url.host && allowed->port == url.port;
      });
  if (!listed) {
    return fail(ErrorCode::source_not_allowed,
                "the host and port of this URL are not among the allowed source hosts");
  }
  if (url.scheme == Scheme::http && !policy.allow_plain_http) {
    return fail(ErrorCode::source_not_allowed,
                "sources over http are not allowed here, only over https");
  }
  return {};
}

Result<void> admit_ip(const SourcePolicy& policy, std::string_view ip) {
  const auto address = IpAddress::parse(ip);
  const Reach reach = address ? reach_of(*address) : Reach::nowhere;
  if (reach == Reach::everywhere) return {};
  const bool listed = reach == Reach::local &&
                      std::any_of(policy.allowed_networks.begin(), policy.allowed_networks.end(),
                                  [&](const std::string& entry) {
                                    const auto network = IpNetwork::parse(entry);
                                    return network && network->contains(*address);
                                  });
  if (listed) return {};
  return fail(ErrorCode::source_not_allowed,
              "the source's host has an address that is not on the public internet and not in an "
              "allowed source network");
}

}  // namespace gyre::source
