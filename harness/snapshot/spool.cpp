#include "harness/snapshot/spool.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "core/bytes.hpp"

namespace gyre::snapshot {
namespace {

// line 8, key length 4, value length 4, then key and value
constexpr std::size_t prefix_bytes = 16;

}  // namespace

Spool::Spool(File file) : file_(std::make_unique<File>(std::move(file))), writer_(*file_) {}

Result<Spool> Spool::create(const std::filesystem::path& directory) {
  auto file = File::unnamed(directory, "a temporary file in the output directory");
  if (!file) return forward_error(file);
  return Spool(std::move(*file));
}

Result<void> Spool::add(const Record& record) {
  std::array<std::byte, prefix_bytes> prefix{};
  store_little_endian(prefix.data(), record.line);
  store_little_endian(prefix.data() + 8, static_cast<std::uint32_t>(record.key.size()));
  store_little_endian(prefix.data() + 12, static_cast<std::uint32_t>(record.value.size()));
  for (const std::span<const std::byte> part :
       {std::span<const std::byte>(prefix), std::span<const std::byte>(record.key),
        std::span<const std::byte>(record.value)}) {
    auto written = writer_.write(part);
    if (!written) return written;
  }
  ++records_;
  longest_value_bytes_ =
      std::max(longest_value_bytes_, static_cast<std::uint32_t>(record.value.size()));
  return {};
}

Result<void> Spool::finish() {
  return writer_.finish();
}

Spool::Reader::Reader(const Spool& spool) : reader_(*spool.file_) {}

Result<void> Spool::Reader::next(Record& record) {
  std::array<std::byte, prefix_bytes> prefix{};
  auto read = reader_.read(prefix);
  if (!read) return read;
  record.line = load_little_endian<std::uint64_t>(prefix.data());
  record.key.resize(load_little_endian<std::uint32_t>(prefix.data() + 8));
  record.value.resize(load_little_endian<std::uint32_t>(prefix.data() + 12));
  read = reader_.read(record.key);
  if (!read) return read;
  return reader_.read(record.value);
}

}  // namespace gyre::snapshot
