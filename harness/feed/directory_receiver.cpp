#include "harness/feed/directory_receiver.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/bytes.hpp"
#include "harness/snapshot/file.hpp"

namespace gyre::feed {
namespace {

constexpr std::size_t digits = 20;      // of 2^64 - 1
constexpr ::mode_t public_mode = 0666;  // minus the umask: a batch names no key

}  // namespace

DirectoryReceiver::DirectoryReceiver(std::filesystem::path directory)
    : directory_(std::move(directory)), name_("directory") {}

Result<void> DirectoryReceiver::take(std::uint64_t seq, std::span<const std::byte> body) {
  std::string file = std::to_string(seq);
  file.insert(0, digits - file.size(), '0');
  file += ".batch";
  std::error_code ignored;
  if (std::filesystem::exists(directory_ / file, ignored)) {
    // A run that was stopped after it had written the file.
    auto there = snapshot::read_text(directory_ / file, "a batch's file", body.size());
    if (there && std::ranges::equal(as_bytes(*there), body)) return {};
    return fail(ErrorCode::io_failed, "another batch's file of that number is already there");
  }
  snapshot::OutputFiles files(directory_);
  auto created = files.create(file, "a batch's file", public_mode);
  if (!created) return forward_error(created);
  auto written = (*created)->write(body);
  if (!written) return written;
  return files.commit();
}

}  // namespace gyre::feed
