#include "harness/snapshot/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "core/fault_point.hpp"

namespace gyre::snapshot {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20U;
// Linux transfers at most 2^31 - 4096 bytes a call; smaller pieces also notice signals sooner.
constexpr std::size_t max_transfer_bytes = std::size_t{1} << 26U;

tl::unexpected<Error> system_failure(const std::string& role, std::string_view verb, int code) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  return fail(
      full ? ErrorCode::disk_full : ErrorCode::io_failed,
      role + " could not be " + std::string(verb) + ": " + std::generic_category().message(code));
}

int open_retrying(const char* path, int flags, ::mode_t mode = 0) {
  for (;;) {
    const int descriptor = ::open(path, flags | O_CLOEXEC, mode);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

}  // namespace

File::File(int descriptor, std::string role) noexcept
    : descriptor_(descriptor), role_(std::move(role)) {}

File::~File() {
  close();
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), role_(std::move(other.role_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    role_ = std::move(other.role_);
  }
  return *this;
}

void File::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

tl::unexpected<Error> File::failure(std::string_view verb) const {
  return system_failure(role_, verb, errno);
}

Result<File> File::open(const std::filesystem::path& path, std::string role) {
  GYRE_FAULT_POINT(snapshot_open);
  // Without O_NONBLOCK a named pipe would block here for ever, before it can be refused.
  File file(open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK), std::move(role));
  if (file.descriptor_ < 0) return file.failure("opened");
  struct stat status {};
  if (::fstat(file.descriptor_, &status) != 0) return file.failure("opened");
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::io_failed, file.role_ + " must be a regular file");
  }
  return file;
}

Result<File> File::open_stream(const std::filesystem::path& path, std::string role) {
  GYRE_FAULT_POINT(snapshot_open);
  File file(open_retrying(path.c_str(), O_RDONLY), std::move(role));
  if (file.descriptor_ < 0) return file.failure("opened");
  return file;
}

Result<File> File::standard_input(std::string role) {
  GYRE_FAULT_POINT(snapshot_open);
  File file(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), std::move(role));
  if (file.descriptor_ < 0) return file.failure("opened");
  return file;
}

Result<File> File::unnamed(const std::filesystem::path& directory, std::string role) {
  GYRE_FAULT_POINT(snapshot_create);
  const std::filesystem::path place = directory.empty() ? "." : directory;
  File file(open_retrying(place.c_str(), O_TMPFILE | O_RDWR, 0600), std::move(role));
  if (file.descriptor_ >= 0) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return file.failure("created");
  // Not every file system has O_TMPFILE.
  std::string pattern = (place / ".gyre-spool-XXXXXX").string();
  file.descriptor_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (file.descriptor_ < 0) return file.failure("created");
  ::unlink(pattern.c_str());
  return file;
}

Result<std::size_t> File::read(std::span<std::byte> out) {
  GYRE_FAULT_POINT(snapshot_read);
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::read(descriptor_, out.data() + done, std::min(out.size() - done, max_transfer_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<std::size_t> File::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  GYRE_FAULT_POINT(snapshot_read);
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(descriptor_, out.data() + done, std::min(out.size() - done, max_transfer_bytes),
                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> File::write(std::span<const std::byte> bytes) {
  GYRE_FAULT_POINT(snapshot_write);
  while (!bytes.empty()) {
    const ssize_t put =
        ::write(descriptor_, bytes.data(), std::min(bytes.size(), max_transfer_bytes));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failure("written");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> File::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  GYRE_FAULT_POINT(snapshot_write);
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data(), std::min(bytes.size(), max_transfer_bytes),
                 static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failure("written");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> File::sync() {
  GYRE_FAULT_POINT(snapshot_sync);
  while (::fsync(descriptor_) != 0) {
    if (errno != EINTR) return failure("made durable");
  }
  return {};
}

Result<std::uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return failure("examined");
  return static_cast<std::uint64_t>(status.st_size);
}

BufferedWriter::BufferedWriter(File& file) : file_(file) {
  buffer_.reserve(buffer_bytes);
}

Result<void> BufferedWriter::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > buffer_bytes) {
    auto written = finish();
    if (!written) return written;
    if (bytes.size() >= buffer_bytes) return file_.write(bytes);
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<void> BufferedWriter::finish() {
  auto written = file_.write(buffer_);
  buffer_.clear();
  return written;
}

BufferedReader::BufferedReader(const File& file, std::uint64_t offset)
    : file_(file), offset_(offset), buffer_(buffer_bytes) {}

Result<void> BufferedReader::read(std::span<std::byte> out) {
  while (!out.empty()) {
    if (begin_ == end_) {
      auto got = file_.read_at(offset_, buffer_);
      if (!got) return forward_error(got);
      if (*got == 0) {
        return fail(ErrorCode::io_failed, "a file ended before all of it was read");
      }
      begin_ = 0;
      end_ = *got;
      offset_ += *got;
    }
    const std::size_t count = std::min(out.size(), end_ - begin_);
    std::memcpy(out.data(), buffer_.data() + begin_, count);
    begin_ += count;
    out = out.subspan(count);
  }
  return {};
}

OutputFiles::OutputFiles(std::filesystem::path directory) : directory_(std::move(directory)) {
  if (directory_.empty()) directory_ = ".";
}

OutputFiles::~OutputFiles() {
  if (!committed_) remove_all();
}

void OutputFiles::remove_all() noexcept {
  for (const auto& output : outputs_) {
    ::unlink((output->named ? output->final : output->partial).c_str());
  }
}

Result<File*> OutputFiles::create(const std::string& name, const std::string& role, ::mode_t mode) {
  GYRE_FAULT_POINT(snapshot_create);
  auto output = std::make_unique<Output>();
  output->final = directory_ / name;
  struct stat status {};
  if (::lstat(output->final.c_str(), &status) == 0) {
    return fail(ErrorCode::io_failed, role + " is already there; remove it or choose another name");
  }
  constexpr int max_names = 1000;  // another build of this process or id may have left some
  for (int i = 0; i < max_names; ++i) {
    output->partial = directory_ / ("." + name + ".partial-" + std::to_string(::getpid()) + "-" +
                                    std::to_string(i));
    output->file = File(
        open_retrying(output->partial.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode), role);
    if (output->file.descriptor_ >= 0 || errno != EEXIST) break;
  }
  if (output->file.descriptor_ < 0) return output->file.failure("created");
  File* const file = &output->file;
  outputs_.push_back(std::move(output));
  return file;
}

Result<void> OutputFiles::commit() {
  for (const auto& output : outputs_) {
    auto synced = output->file.sync();
    if (!synced) return synced;
  }
  for (const auto& output : outputs_) {
    GYRE_FAULT_POINT(snapshot_rename);
    if (::renameat2(AT_FDCWD, output->partial.c_str(), AT_FDCWD, output->final.c_str(),
                    RENAME_NOREPLACE) == 0) {
      output->named = true;
      continue;
    }
    if (errno == EINVAL || errno == ENOSYS) {
      // A file system without RENAME_NOREPLACE: create() has looked, and that must do.
      if (::rename(output->partial.c_str(), output->final.c_str()) == 0) {
        output->named = true;
        continue;
      }
    }
    return output->file.failure("named");
  }
  File directory(open_retrying(directory_.c_str(), O_RDONLY | O_DIRECTORY), "the output directory");
  if (directory.descriptor_ < 0) return directory.failure("opened");
  auto synced = directory.sync();
  if (!synced) return synced;
  committed_ = true;
  return {};
}

Result<std::string> read_text(const std::filesystem::path& path, const std::string& role,
                              std::size_t max_bytes) {
  auto file = File::open(path, role);
  if (!file) return forward_error(file);
  auto size = file->size();
  if (!size) return forward_error(size);
  if (*size > max_bytes) {
    return fail(ErrorCode::malformed_input,
                role + " may have at most " + std::to_string(max_bytes) + " bytes");
  }
  std::string text(static_cast<std::size_t>(*size), '\0');
  auto got = file->read(std::as_writable_bytes(std::span(text)));
  if (!got) return forward_error(got);
  text.resize(*got);
  return text;
}

}  // namespace gyre::snapshot
