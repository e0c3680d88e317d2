#include "harness/feed/batch_planner.hpp"

#include <algorithm>
#include <limits>

namespace gyre::feed {
namespace {

tl::unexpected<Error> same_tag() {
  return fail(ErrorCode::table_full,
              "two keys have the same tag in this table, so it cannot hold both; build a new "
              "snapshot, which chooses another tag key");
}

}  // namespace

BatchPlanner::BatchPlanner(FeedState& state, std::uint32_t batch_rows)
    : state_(state),
      // A path fits always, even if its rows are the longest ones: 64 of 64 KiB are 4 MiB.
      max_rows_(std::clamp<std::size_t>(max_batch_bytes / state.metadata().geometry.row_bytes,
                                        min_batch_rows, batch_rows)) {}

Result<void> BatchPlanner::put(std::span<const std::byte> key, std::span<const std::byte> value) {
  value_.assign(value.begin(), value.end());
  value_.resize(state_.layout().value_bytes);
  const std::uint64_t tag = table::tag(state_.layout(), key);
  auto found = state_.find(tag);
  if (!found) return forward_error(found);
  if (!*found) return insert(tag, key);
  const StoredKey& stored = **found;
  if (!std::ranges::equal(stored.key, key)) return same_tag();
  if (stored.value == value_) {
    ++summary_.unchanged;
    return {};
  }
  auto set = state_.set_value(tag, value_);
  if (!set) return set;
  ++summary_.changed;
  return take_rows({stored.row});
}

Result<void> BatchPlanner::insert(std::uint64_t tag, std::span<const std::byte> key) {
  const std::uint64_t rows = state_.metadata().geometry.rows;
  const auto candidates_of_holder =
      [&](std::uint64_t row) -> Result<std::optional<table::Candidates>> {
    auto holder = state_.holder_of(row);
    if (!holder) return forward_error(holder);
    if (!*holder) return std::nullopt;
    return table::candidates(state_.layout(), rows, (*holder)->key);
  };
  auto path = find_path(table::candidates(state_.layout(), rows, key), candidates_of_holder);
  if (!path) return forward_error(path);
  if (!*path) {
    return fail(
        ErrorCode::table_full,
        "a key has no room in the table; nothing was changed, build a new snapshot with more "
        "rows");
  }
  const std::vector<std::uint64_t>& way = **path;
  // From the end, so that every key moves to a row that is empty by then.
  for (std::size_t i = way.size() - 1; i > 0; --i) {
    auto holder = state_.holder_of(way[i - 1]);
    if (!holder) return forward_error(holder);
    auto moved = state_.set_row(table::tag(state_.layout(), (*holder)->key), way[i]);
    if (!moved) return moved;
    ++summary_.moved;
  }
  auto inserted = state_.insert(tag, {way.front(), {key.begin(), key.end()}, value_});
  if (!inserted) return inserted;
  ++summary_.inserted;
  return take_rows(way);
}

Result<void> BatchPlanner::erase(std::span<const std::byte> key) {
  const std::uint64_t tag = table::tag(state_.layout(), key);
  auto found = state_.find(tag);
  if (!found) return forward_error(found);
  if (!*found || !std::ranges::equal((*found)->key, key)) {
    ++summary_.unchanged;
    return {};
  }
  auto erased = state_.erase(tag);
  if (!erased) return erased;
  ++summary_.deleted;
  return take_rows({(*found)->row});
}

// What the row holds now: its key's tag and value, or zeros.
Result<std::vector<std::byte>> BatchPlanner::row_bytes_of(std::uint64_t row) {
  std::vector<std::byte> bytes(state_.metadata().geometry.row_bytes);
  auto holder = state_.holder_of(row);
  if (!holder) return forward_error(holder);
  if (*holder) {
    table::encode_row(table::tag(state_.layout(), (*holder)->key), (*holder)->value, bytes);
  }
  return bytes;
}

// The rows that a change has touched join the batch, or begin the next one if they do not fit: the
// batch that ends then is as it was before the change.
Result<void> BatchPlanner::take_rows(const std::vector<std::uint64_t>& rows) {
  const auto more = static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](std::uint64_t row) { return !pending_.contains(row); }));
  if (pending_.size() + more > max_rows_) {
    auto ended = cut();
    if (!ended) return ended;
  }
  for (const std::uint64_t row : rows) {
    auto bytes = row_bytes_of(row);
    if (!bytes) return forward_error(bytes);
    pending_[row] = std::move(*bytes);
  }
  return {};
}

Result<void> BatchPlanner::cut() {
  if (pending_.empty()) return {};
  auto last = state_.last_seq();
  if (!last) return forward_error(last);
  if (*last == std::numeric_limits<std::uint64_t>::max()) {
    return fail(ErrorCode::internal, "the feed has no numbers left");
  }
  UpdateBatch batch;
  batch.seq = *last + 1;
  TableUpdate part{state_.metadata().table, {}, {}};
  part.rows.reserve(pending_.size());
  part.data.reserve(pending_.size() * state_.metadata().geometry.row_bytes);
  for (const auto& [row, bytes] : pending_) {
    part.rows.push_back(row);
    part.data.insert(part.data.end(), bytes.begin(), bytes.end());
  }
  summary_.rows += part.rows.size();
  ++summary_.batches;
  batch.tables.push_back(std::move(part));
  pending_.clear();
  return state_.append_batch(batch);
}

Result<PlanSummary> BatchPlanner::finish() {
  auto ended = cut();
  if (!ended) return forward_error(ended);
  return summary_;
}

}  // namespace gyre::feed
