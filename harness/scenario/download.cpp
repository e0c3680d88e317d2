#include "harness/scenario/download.hpp"

#include <chrono>
#include <vector>

#include "core/elapsed.hpp"
#include "harness/scenario/child_process.hpp"

namespace gyre::scenario {

Result<double> download_and_digest(const std::string& url, unsigned times,
                                   const std::filesystem::path& log) {
  constexpr std::chrono::minutes limit{30};
  const auto begun = std::chrono::steady_clock::now();
  std::vector<ChildProcess> children;
  for (unsigned i = 0; i < times; ++i) {
    // The address is an argument of the shell, never part of what it interprets. The status of the
    // pipe is sha256sum's, which digests nothing at all if curl failed, so curl says it too.
    auto child = ChildProcess::start(
        "/bin/sh",
        {"-c", "{ curl -sSf \"$0\" || echo failed >> \"$1\"; } | sha256sum; test ! -e \"$1\"", url,
         log.string() + ".failed"},
        log);
    if (!child) return forward_error(child);
    children.push_back(std::move(*child));
  }
  for (ChildProcess& child : children) {
    const auto code = child.wait(limit);
    if (!code) return tl::unexpected<Error>(code.error());
    if (*code != 0) return fail(ErrorCode::io_failed, "curl or sha256sum did not succeed");
  }
  return seconds_since(begun);
}

}  // namespace gyre::scenario
