#include "harness/feed/state_import.hpp"

#include <utility>
#include <vector>

#include "harness/snapshot/builder_file.hpp"
#include "harness/snapshot/file.hpp"
#include "harness/snapshot/load.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::feed {
namespace {

constexpr std::uint64_t keys_per_progress = std::uint64_t{1} << 12U;

}  // namespace

Result<snapshot::Manifest> read_whole_snapshot(const std::filesystem::path& manifest_path,
                                               const std::filesystem::path& builder_path,
                                               const snapshot::Watch& watch,
                                               const SnapshotVisitor& visit) {
  auto builder = snapshot::File::open(builder_path, "the builder file");
  if (!builder) return forward_error(builder);
  auto verification = snapshot::verify_snapshot(manifest_path, watch);
  if (!verification) return forward_error(verification);
  if (!verification->problems.empty()) {
    return fail(ErrorCode::digest_mismatch,
                "the snapshot is not whole: " + verification->problems.front());
  }
  snapshot::Manifest& manifest = verification->manifest;
  auto rows = snapshot::File::open(manifest_path.parent_path() / manifest.file, "the rows file");
  if (!rows) return forward_error(rows);

  const auto& layout = std::get<Cuckoo3Layout>(manifest.metadata.layout);
  const std::uint64_t total = manifest.keys.value_or(0);
  std::uint64_t done = 0;
  std::vector<std::byte> row(manifest.metadata.geometry.row_bytes);
  auto summary = snapshot::read_builder_file(
      *builder, manifest.metadata,
      [&](std::span<const std::byte> key, std::uint64_t number) -> Result<void> {
        if (++done % keys_per_progress == 0) {
          if (watch.stop.stop_requested()) {
            return fail(ErrorCode::cancelled, "the update was stopped before it changed anything");
          }
          watch.progress({"reading keys", done, total});
        }
        auto got = rows->read_at(number * row.size(), row);
        if (!got) return forward_error(got);
        const std::uint64_t tag = table::tag(layout, key);
        if (*got != row.size() || table::row_tag(row) != tag) {
          return fail(ErrorCode::digest_mismatch,
                      "the builder file names a row that is not its key's");
        }
        return visit(tag, number, key, table::row_value(layout, row));
      });
  if (!summary) return forward_error(summary);
  if (summary->content_id != manifest.content_id) {
    return fail(ErrorCode::digest_mismatch, "the builder file belongs to another snapshot");
  }
  watch.progress({"reading keys", done, done});
  return std::move(manifest);
}

}  // namespace gyre::feed
