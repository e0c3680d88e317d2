#include "harness/snapshot/load.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

#include "core/staging_set.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/snapshot/builder_file.hpp"
#include "harness/snapshot/chunk_digester.hpp"
#include "harness/snapshot/file.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::snapshot {
namespace {

struct OpenSnapshot {
  Manifest manifest;
  File rows;
};

Result<OpenSnapshot> open_snapshot(const std::filesystem::path& manifest_path) {
  auto manifest = read_manifest(manifest_path);
  if (!manifest) return forward_error(manifest);
  auto rows = File::open(manifest_path.parent_path() / manifest->file, "the rows file");
  if (!rows) return forward_error(rows);
  auto size = rows->size();
  if (!size) return forward_error(size);
  const std::uint64_t declared = manifest->metadata.geometry.bytes();
  if (*size != declared) {
    return fail(ErrorCode::geometry_mismatch,
                "the rows file must have " + std::to_string(declared) +
                    " bytes as the manifest says, not " + std::to_string(*size));
  }
  return OpenSnapshot{std::move(*manifest), std::move(*rows)};
}

Result<void> report(const Watch& watch, std::string_view phase, std::uint64_t done,
                    std::uint64_t total) {
  if (watch.stop.stop_requested()) return fail(ErrorCode::cancelled, "reading was stopped");
  watch.progress({phase, done, total});
  return {};
}

// The next bytes of the rows file, all of them.
Result<void> read_fully(File& file, std::span<std::byte> out) {
  auto got = file.read(out);
  if (!got) return forward_error(got);
  if (*got == out.size()) return {};
  return fail(ErrorCode::geometry_mismatch, "the rows file became shorter while it was read");
}

Result<void> stage_rows(OpenSnapshot& snapshot, StagingSet& staging, const Watch& watch) {
  const Geometry& geometry = snapshot.manifest.metadata.geometry;
  const std::uint64_t total = geometry.bytes();
  // A chunk, after what the chunk before left of a row.
  std::vector<std::byte> buffer(geometry.row_bytes + digest_chunk_bytes);
  std::size_t left = 0;
  std::uint64_t next_row = 0;
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < snapshot.manifest.chunk_digests.size(); ++i) {
    const auto chunk = std::span(buffer).subspan(
        left, static_cast<std::size_t>(std::min(digest_chunk_bytes, total - done)));
    auto read = read_fully(snapshot.rows, chunk);
    if (!read) return read;
    if (crypto::sha256(chunk) != snapshot.manifest.chunk_digests[i]) {
      return fail(ErrorCode::digest_mismatch,
                  "chunk " + std::to_string(i) +
                      " of the rows file does not have the digest that the "
                      "manifest says; copy or build the snapshot again");
    }
    done += chunk.size();
    const std::size_t filled = left + chunk.size();
    const std::size_t rows = filled / geometry.row_bytes;
    if (rows > 0) {
      auto written = staging.write(next_row, std::span(buffer).first(rows * geometry.row_bytes));
      if (!written) return written;
    }
    next_row += rows;
    left = filled - rows * geometry.row_bytes;
    std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(filled - left), left, buffer.begin());
    auto reported = report(watch, "loading rows", done, total);
    if (!reported) return reported;
  }
  return {};
}

// Digests all rows and counts those in use.
Result<std::uint64_t> digest_rows(OpenSnapshot& snapshot, ChunkDigester& digester,
                                  const Watch& watch) {
  const Geometry& geometry = snapshot.manifest.metadata.geometry;
  const bool keyed = std::holds_alternative<Cuckoo3Layout>(snapshot.manifest.metadata.layout);
  const std::uint64_t rows_per_piece =
      std::max<std::uint64_t>(1, digest_chunk_bytes / geometry.row_bytes);
  std::vector<std::byte> buffer(static_cast<std::size_t>(rows_per_piece * geometry.row_bytes));
  std::uint64_t in_use = 0;
  for (std::uint64_t row = 0; row < geometry.rows; row += rows_per_piece) {
    const std::uint64_t count = std::min(rows_per_piece, geometry.rows - row);
    const auto piece =
        std::span(buffer).first(static_cast<std::size_t>(count * geometry.row_bytes));
    auto read = read_fully(snapshot.rows, piece);
    if (!read) return forward_error(read);
    digester.update(piece);
    for (std::size_t i = 0; keyed && i < count; ++i) {
      if (table::row_tag(piece.subspan(i * geometry.row_bytes, tag_bytes)) != 0) ++in_use;
    }
    auto reported =
        report(watch, "checking rows", (row + count) * geometry.row_bytes, geometry.bytes());
    if (!reported) return forward_error(reported);
  }
  return in_use;
}

// The sentence of what is wrong, if anything is.
Result<std::optional<std::string>> check_builder_file(const OpenSnapshot& snapshot,
                                                      const File& file, const Watch& watch) {
  const Metadata& metadata = snapshot.manifest.metadata;
  const auto& layout = std::get<Cuckoo3Layout>(metadata.layout);
  std::uint64_t missing = 0;
  std::uint64_t done = 0;
  constexpr std::uint64_t keys_per_progress = 1U << 14U;
  const auto summary = read_builder_file(
      file, metadata, [&](std::span<const std::byte> key, std::uint64_t row) -> Result<void> {
        std::array<std::byte, tag_bytes> found{};
        auto read = snapshot.rows.read_at(row * metadata.geometry.row_bytes, found);
        if (!read) return forward_error(read);
        const auto candidates = table::candidates(layout, metadata.geometry.rows, key);
        const bool there =
            std::find(candidates.begin(), candidates.end(), row) != candidates.end() &&
            *read == found.size() && table::row_tag(found) == table::tag(layout, key);
        if (!there) ++missing;
        if (++done % keys_per_progress != 0) return {};
        return report(watch, "looking keys up", done, *snapshot.manifest.keys);
      });
  if (!summary) {
    if (summary.error().code == ErrorCode::cancelled) return tl::unexpected<Error>(summary.error());
    return summary.error().message;
  }
  if (missing > 0) {
    return std::to_string(missing) + " keys of the builder file are not in the rows that it says";
  }
  if (summary->keys != snapshot.manifest.keys ||
      summary->content_id != snapshot.manifest.content_id) {
    return "the builder file belongs to another snapshot";
  }
  return std::nullopt;
}

Result<Verification> verify(OpenSnapshot snapshot, const std::filesystem::path& directory,
                            const Watch& watch) {
  ChunkDigester digester;
  auto in_use = digest_rows(snapshot, digester, watch);
  if (!in_use) return forward_error(in_use);
  const ChunkDigester::Digests digests = digester.finish();

  Verification result;
  const Manifest& manifest = snapshot.manifest;
  for (std::size_t i = 0; i < manifest.chunk_digests.size(); ++i) {
    if (digests.chunks[i] != manifest.chunk_digests[i]) result.wrong_chunks.push_back(i);
  }
  if (!result.wrong_chunks.empty()) {
    result.problems.push_back(
        std::to_string(result.wrong_chunks.size()) +
        " chunks of the rows file do not have the digest that the manifest says");
  } else if (digests.whole != manifest.sha256) {
    result.problems.emplace_back(
        "\"sha256\" of the manifest is not the digest of the rows file, though every chunk is "
        "right");
  }
  if (manifest.keys && *manifest.keys != *in_use) {
    result.problems.push_back("the rows in use are " + std::to_string(*in_use) +
                              ", the manifest says " + std::to_string(*manifest.keys) + " keys");
  }
  constexpr std::string_view rows_suffix = ".rows";
  if (manifest.keys && manifest.file.ends_with(rows_suffix)) {
    const std::string name = manifest.file.substr(0, manifest.file.size() - rows_suffix.size());
    const auto path = directory / (name + ".builder");
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
      auto file = File::open(path, "the builder file");
      if (!file) return forward_error(file);
      auto problem = check_builder_file(snapshot, *file, watch);
      if (!problem) return forward_error(problem);
      if (*problem) result.problems.push_back(std::move(**problem));
      result.checked_builder_file = true;
    }
  }
  result.manifest = std::move(snapshot.manifest);
  return result;
}

}  // namespace

Result<Manifest> read_manifest(const std::filesystem::path& path) try {
  auto text = read_text(path, "the manifest", max_manifest_bytes);
  if (!text) return forward_error(text);
  return parse_manifest(*text);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a manifest");
}

Result<LoadedSnapshot> load_snapshot(const std::filesystem::path& manifest_path,
                                     std::span<Backend* const> backends, const Watch& watch) try {
  auto snapshot = open_snapshot(manifest_path);
  if (!snapshot) return forward_error(snapshot);
  const Metadata& metadata = snapshot->manifest.metadata;
  auto staging = StagingSet::create(backends, metadata.geometry);
  if (!staging) return forward_error(staging);
  auto staged = stage_rows(*snapshot, *staging, watch);
  if (!staged) return forward_error(staged);
  auto images = staging->seal();
  if (!images) return forward_error(images);
  return LoadedSnapshot{std::move(*images), staging->needs_promotion(), metadata,
                        snapshot->manifest.content_id};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to load this snapshot");
}

Result<LoadedSnapshot> load_snapshot(const std::filesystem::path& manifest_path, Backend& backend,
                                     const Watch& watch) {
  Backend* const only = &backend;
  return load_snapshot(manifest_path, std::span(&only, 1), watch);
}

Result<Verification> verify_snapshot(const std::filesystem::path& manifest_path,
                                     const Watch& watch) try {
  auto snapshot = open_snapshot(manifest_path);
  if (!snapshot) return forward_error(snapshot);
  return verify(std::move(*snapshot), manifest_path.parent_path(), watch);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to verify this snapshot");
}

}  // namespace gyre::snapshot
