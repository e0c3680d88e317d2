#include "core/random_source.hpp"

#include <sys/random.h>

#include <cerrno>

namespace gyre {

Result<void> SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail(ErrorCode::internal, "the operating system gave no random bytes");
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

}  // namespace gyre
