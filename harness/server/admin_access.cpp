#include "harness/server/admin_access.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "core/ascii.hpp"
#include "core/bytes.hpp"
#include "harness/crypto/sha256.hpp"

namespace gyre::server {
namespace {

constexpr std::string_view scheme = "bearer ";

tl::unexpected<Error> unauthorized() {
  return fail(
      ErrorCode::unauthorized,
      "this needs the header \"Authorization: Bearer TOKEN\" with the server's admin token");
}

}  // namespace

AdminAccess::AdminAccess(std::string_view token, std::vector<std::string> subjects)
    : configured_(!token.empty()),
      token_digest_(crypto::sha256(as_bytes(token))),
      subjects_(std::move(subjects)) {}

bool AdminAccess::is_token(std::string_view given) const {
  const Bytes32 digest = crypto::sha256(as_bytes(given));
  return CRYPTO_memcmp(digest.data(), token_digest_.data(), digest.size()) == 0;
}

Result<void> AdminAccess::check(const std::string& address, std::string_view certificate_subject,
                                const std::string* authorization, Clock::time_point now) {
  if (!configured_) {
    return fail(ErrorCode::admin_not_configured,
                "this server has no admin token, so nobody may administer it; start it with "
                "--admin-token-file or GYRE_ADMIN_TOKEN");
  }
  const std::lock_guard lock(mutex_);
  const auto known = by_address_.find(address);
  if (known != by_address_.end() && now < known->second->wait_until) {
    return fail(ErrorCode::too_many_requests,
                "too many wrong tokens came from this address; wait as long as Retry-After says");
  }
  if (authorization == nullptr) return unauthorized();
  const std::string_view given = *authorization;
  if (ascii_lower_case(given.substr(0, scheme.size())) != scheme ||
      !is_token(given.substr(scheme.size()))) {
    note_failure(address, now);
    return unauthorized();
  }
  if (!subjects_.empty() &&
      std::find(subjects_.begin(), subjects_.end(), certificate_subject) == subjects_.end()) {
    return fail(ErrorCode::unauthorized,
                "the token is right, but the client certificate's subject is not one that may "
                "administer this server");
  }
  if (known != by_address_.end()) {
    failures_.erase(known->second);
    by_address_.erase(known);
  }
  return {};
}

void AdminAccess::note_failure(const std::string& address, Clock::time_point now) {
  auto known = by_address_.find(address);
  if (known == by_address_.end()) {
    if (failures_.size() >= max_addresses) {
      by_address_.erase(failures_.back().address);
      failures_.pop_back();
    }
    failures_.push_front({address, 0, {}});
    known = by_address_.emplace(address, failures_.begin()).first;
  } else {
    failures_.splice(failures_.begin(), failures_, known->second);
  }
  Failures& failures = *known->second;
  ++failures.count;
  if (failures.count <= free_failures) return;
  constexpr unsigned most_doublings = 7;
  const unsigned doublings = std::min(failures.count - free_failures - 1, most_doublings);
  failures.wait_until = now + std::min(first_wait * (1U << doublings), longest_wait);
}

}  // namespace gyre::server
