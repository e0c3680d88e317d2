#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "core/fault_point.hpp"
#include "harness/source/admission.hpp"
#include "harness/source/connection.hpp"
#include "harness/source/http_source.hpp"
#include "harness/source/local_source.hpp"
#include "harness/source/source.hpp"
#include "harness/source/url.hpp"

namespace gyre::source {

Result<std::unique_ptr<Source>> open(std::string_view url, const SourcePolicy& policy,
                                     std::uint64_t max_bytes, std::stop_token stop) try {
  const Clock::time_point begin = Clock::now();
  if (auto checked = policy.check(); !checked) return forward_error(checked);
  auto parsed = Url::parse(url);
  if (!parsed) return forward_error(parsed);
  if (auto admitted = admit_url(policy, *parsed); !admitted) return forward_error(admitted);
  if (stop.stop_requested()) return fail(ErrorCode::cancelled, "opening the source was cancelled");
  GYRE_FAULT_POINT(source_open);

  max_bytes = std::min(max_bytes, policy.max_bytes);
  if (parsed->scheme == Scheme::file) {
    return open_local(policy.local_root, parsed->path, max_bytes, std::move(stop));
  }
  const Clock::time_point until = begin + policy.total_time;
  auto connection = connect(*parsed, policy, until, stop);
  if (!connection) return forward_error(connection);
  return get(*parsed, policy, std::move(*connection), max_bytes, until);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "out of memory while opening a source");
} catch (const std::exception&) {
  return fail(ErrorCode::internal, "a source could not be opened");
}

}  // namespace gyre::source
