#include "harness/source/local_source.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "core/fault_point.hpp"

namespace gyre::source {
namespace {

// Between two looks at the stop token.
constexpr std::size_t max_read_bytes = std::size_t{1} << 20U;

class LocalSource final : public Source {
 public:
  // Takes over the descriptor of a regular file of that size.
  LocalSource(int fd, std::uint64_t size, std::stop_token stop) noexcept
      : fd_(fd), size_(size), left_(size), stop_(std::move(stop)) {}
  LocalSource(const LocalSource&) = delete;
  LocalSource& operator=(const LocalSource&) = delete;
  ~LocalSource() override { ::close(fd_); }

  std::optional<std::uint64_t> size() const noexcept override { return size_; }

  Result<std::size_t> read(std::span<std::byte> into) override {
    if (stop_.stop_requested())
      return fail(ErrorCode::cancelled, "reading the source was cancelled");
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>({into.size(), left_, max_read_bytes}));
    if (wanted == 0) return wanted;
    ssize_t got = 0;
    do {
      got = ::read(fd_, into.data(), wanted);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail(ErrorCode::io_failed, "a local source could not be read");
    if (got == 0) {
      return fail(ErrorCode::source_failed, "a local source became shorter while it was read");
    }
    left_ -= static_cast<std::uint64_t>(got);
    into = into.first(static_cast<std::size_t>(got));
    GYRE_FAULT_POINT_OF_BYTES(source_read, into);
    return into.size();
  }

 private:
  const int fd_;
  const std::uint64_t size_;
  std::uint64_t left_;
  std::stop_token stop_;
};

int open_beneath(int root, const std::string& path) noexcept {
  open_how how{};
  // O_NONBLOCK: a FIFO without a writer must not hold the thread.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  constexpr int tries = 16;  // the kernel asks for another one if a directory moved meanwhile
  for (int i = 0;; ++i) {
    const auto fd = static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || i == tries) return fd;
  }
}

tl::unexpected<Error> explain(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return fail(ErrorCode::not_found, "there is no such file beneath the root of local sources");
    case EXDEV:
      return fail(ErrorCode::source_not_allowed,
                  "the path leaves the root of local sources, which no link may either");
    case ELOOP:
    case ENXIO:
    case ENODEV:
      return fail(ErrorCode::source_not_allowed, "a local source must be a regular file");
    case EACCES:
    case EPERM:
      return fail(ErrorCode::source_not_allowed,
                  "the system does not let the server read this file");
    case ENOSYS:
      return fail(ErrorCode::io_failed, "local sources need openat2, that is Linux 5.6 or later");
    default:
      return fail(ErrorCode::io_failed, "a local source could not be opened");
  }
}

}  // namespace

Result<std::unique_ptr<Source>> open_local(const std::filesystem::path& root, std::string_view path,
                                           std::uint64_t max_bytes, std::stop_token stop) {
  const int root_fd = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_fd < 0) {
    return fail(ErrorCode::io_failed, "the root of local sources could not be opened");
  }
  const int fd = open_beneath(root_fd, std::string(path.substr(1)));
  const int error = errno;
  ::close(root_fd);
  if (fd < 0) return explain(error);

  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return fail(ErrorCode::source_not_allowed, "a local source must be a regular file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    ::close(fd);
    return fail(ErrorCode::request_too_large, "the source is longer than the " +
                                                  std::to_string(max_bytes) +
                                                  " bytes that are allowed here");
  }
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  try {
    return std::make_unique<LocalSource>(fd, size, std::move(stop));
  } catch (...) {
    ::close(fd);
    throw;
  }
}

}  // namespace gyre::source
