// Whether a policy lets a source in. All of them refuse what the policy does not name.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "core/error.hpp"
#include "harness/source/policy.hpp"
#include "harness/source/url.hpp"

namespace gyre::source {

// Errors: source_not_allowed. REQUIRES: policy.check().
[[nodiscard]] Result<void> admit_url(const SourcePolicy& policy, const Url& url);

// The same for an address that the URL's host stands for, as of inet_ntop.
[[nodiscard]] Result<void> admit_ip(const SourcePolicy& policy, std::string_view ip);

}  // namespace gyre::source
