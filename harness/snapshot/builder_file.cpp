#include "harness/snapshot/builder_file.hpp"

#include <algorithm>
#include <array>

#include "core/bytes.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::snapshot {
namespace {

constexpr std::string_view magic = "GYB1";

tl::unexpected<Error> malformed(std::string_view sentence) {
  return fail(ErrorCode::malformed_input, "the builder file " + std::string(sentence));
}

}  // namespace

BuilderFileWriter::BuilderFileWriter(File& file) : writer_(file) {}

Result<void> BuilderFileWriter::write(std::span<const std::byte> bytes) {
  digest_.update(bytes);
  return writer_.write(bytes);
}

Result<void> BuilderFileWriter::begin(const Metadata& metadata, std::uint64_t keys) {
  const std::vector<std::byte> header = canonical_header(metadata);
  const auto magic_bytes = as_bytes(magic);
  piece_.assign(magic_bytes.begin(), magic_bytes.end());
  append_little_endian(piece_, static_cast<std::uint32_t>(header.size()));
  piece_.insert(piece_.end(), header.begin(), header.end());
  append_little_endian(piece_, keys);
  return write(piece_);
}

Result<void> BuilderFileWriter::add(std::span<const std::byte> key, std::uint64_t row) {
  piece_.clear();
  append_little_endian(piece_, row);
  append_little_endian(piece_, static_cast<std::uint32_t>(key.size()));
  piece_.insert(piece_.end(), key.begin(), key.end());
  return write(piece_);
}

Result<void> BuilderFileWriter::finish(const Bytes32& content_id) {
  auto written = write(content_id);
  if (!written) return written;
  written = writer_.write(digest_.finish());
  if (!written) return written;
  return writer_.finish();
}

Result<BuilderFileSummary> read_builder_file(const File& file, const Metadata& metadata,
                                             const KeyVisitor& visit) {
  BufferedReader reader(file);
  crypto::Sha256Stream digest;
  const auto read = [&](std::span<std::byte> out) -> Result<void> {
    auto got = reader.read(out);
    if (!got) return malformed("ends too early");
    digest.update(out);
    return {};
  };
  const std::vector<std::byte> header = canonical_header(metadata);
  std::vector<std::byte> start(magic.size() + sizeof(std::uint32_t) + header.size() +
                               sizeof(std::uint64_t));
  auto got = read(start);
  if (!got) return forward_error(got);
  const std::span<const std::byte> fields = start;
  if (!std::ranges::equal(fields.first(magic.size()), as_bytes(magic)) ||
      load_little_endian<std::uint32_t>(&fields[magic.size()]) != header.size() ||
      !std::ranges::equal(fields.subspan(magic.size() + sizeof(std::uint32_t), header.size()),
                          header)) {
    return malformed("must begin with GYB1 and the header of this snapshot");
  }
  BuilderFileSummary summary;
  summary.keys = load_little_endian<std::uint64_t>(&fields[fields.size() - sizeof(std::uint64_t)]);
  if (summary.keys > metadata.geometry.rows) return malformed("must not have more keys than rows");

  std::vector<std::byte> key;
  for (std::uint64_t i = 0; i < summary.keys; ++i) {
    std::array<std::byte, sizeof(std::uint64_t) + sizeof(std::uint32_t)> entry{};
    got = read(entry);
    if (!got) return forward_error(got);
    const auto row = load_little_endian<std::uint64_t>(entry.data());
    const auto key_bytes = load_little_endian<std::uint32_t>(entry.data() + sizeof(std::uint64_t));
    if (row >= metadata.geometry.rows || key_bytes == 0 || key_bytes > table::max_key_bytes) {
      return malformed("must name rows of the table and keys of a permitted length");
    }
    key.resize(key_bytes);
    got = read(key);
    if (!got) return forward_error(got);
    auto visited = visit(key, row);
    if (!visited) return forward_error(visited);
  }
  got = read(summary.content_id);
  if (!got) return forward_error(got);
  const Bytes32 computed = digest.finish();
  Bytes32 stated{};
  std::byte surplus{};
  if (!reader.read(stated) || stated != computed || reader.read({&surplus, 1})) {
    return fail(ErrorCode::digest_mismatch, "the builder file must end with its own digest");
  }
  return summary;
}

}  // namespace gyre::snapshot
