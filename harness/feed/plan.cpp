#include "harness/feed/plan.hpp"

#include <string>
#include <utility>

#include "harness/snapshot/file.hpp"

namespace gyre::feed {
namespace {

using snapshot::Record;
using snapshot::RecordReader;
using snapshot::RecordSyntax;

constexpr std::uint64_t records_per_progress = std::uint64_t{1} << 10U;

// apply(record) for every record of a file.
template <typename Apply>
Result<void> for_each_record(const std::filesystem::path& path, const RecordSyntax& syntax,
                             std::string_view phase, const snapshot::Watch& watch, Apply&& apply) {
  constexpr const char* role = "the file of changes";
  auto file =
      path == "-" ? snapshot::File::standard_input(role) : snapshot::File::open_stream(path, role);
  if (!file) return forward_error(file);
  auto bytes = file->size();
  if (!bytes) return forward_error(bytes);
  RecordReader reader(std::move(*file), syntax);
  Record record;
  for (std::uint64_t records = 0;; ++records) {
    if (records % records_per_progress == 0) {
      if (watch.stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the update was stopped before it changed anything");
      }
      watch.progress({phase, reader.bytes_read(), *bytes});
    }
    auto more = reader.next(record);
    if (!more) return forward_error(more);
    if (!*more) return {};
    auto applied = apply(record);
    if (!applied) {
      return fail(applied.error().code, "line " + std::to_string(record.line) +
                                            " of the input: " + applied.error().message);
    }
  }
}

}  // namespace

Result<PlanSummary> plan_changes(FeedState& state, const ChangeFiles& files,
                                 std::uint32_t batch_rows, const snapshot::Watch& watch) {
  auto transaction = state.begin();
  if (!transaction) return forward_error(transaction);
  BatchPlanner planner(state, batch_rows);
  RecordSyntax syntax;
  syntax.value = state.layout().value;
  syntax.encoding = files.encoding;
  syntax.header = files.header;
  syntax.max_value_bytes = state.layout().value_bytes;
  if (files.deletions) {
    syntax.format = files.deletions_format;
    syntax.keys_only = true;
    auto applied = for_each_record(*files.deletions, syntax, "deleting keys", watch,
                                   [&](const Record& record) { return planner.erase(record.key); });
    if (!applied) return forward_error(applied);
  }
  if (files.puts) {
    syntax.format = files.puts_format;
    syntax.keys_only = false;
    auto applied = for_each_record(
        *files.puts, syntax, "changing keys", watch,
        [&](const Record& record) { return planner.put(record.key, record.value); });
    if (!applied) return forward_error(applied);
  }
  auto summary = planner.finish();
  if (!summary) return summary;
  auto committed = transaction->commit();
  if (!committed) return forward_error(committed);
  return summary;
}

}  // namespace gyre::feed
