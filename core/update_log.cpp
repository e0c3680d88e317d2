#include "core/update_log.hpp"

#include <iterator>
#include <new>
#include <string>
#include <utility>

#include "core/fault_point.hpp"

namespace gyre {
namespace {

tl::unexpected<Error> no_memory() {
  return fail(ErrorCode::out_of_memory, "no memory for the log of batches");
}

}  // namespace

std::uint64_t LoggedBatch::memory_bytes() const noexcept {
  std::uint64_t bytes = sizeof(*this);
  for (const TableUpdate& part : batch.tables) {
    bytes += sizeof(part) + part.rows.capacity() * sizeof(std::uint64_t) + part.data.capacity();
  }
  return bytes;
}

Result<UpdateLog> UpdateLog::append(Entry entry, std::uint64_t max_bytes) const {
  GYRE_FAULT_POINT(updates_log);
  try {
    UpdateLog longer = *this;
    longer.memory_bytes_ += entry->memory_bytes();
    longer.tail_.push_back(std::move(entry));
    // The oldest go first: a whole chunk of them where there is one.
    while (longer.memory_bytes_ > max_bytes && longer.size() > 1) {
      if (longer.chunks_.empty()) {
        longer.memory_bytes_ -= longer.tail_.front()->memory_bytes();
        longer.tail_.erase(longer.tail_.begin());
        continue;
      }
      for (const Entry& old : *longer.chunks_.front()) longer.memory_bytes_ -= old->memory_bytes();
      longer.chunks_.erase(longer.chunks_.begin());
    }
    if (longer.tail_.size() == chunk_entries) {
      longer.chunks_.push_back(std::make_shared<const Chunk>(std::move(longer.tail_)));
      longer.tail_.clear();
    }
    return longer;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<UpdateLog> UpdateLog::up_to(std::uint64_t seq) const {
  try {
    UpdateLog shorter;
    for_each([&](const Entry& entry) {
      if (entry->batch.seq > seq) return;
      shorter.memory_bytes_ += entry->memory_bytes();
      shorter.tail_.push_back(entry);
      if (shorter.tail_.size() == chunk_entries) {
        shorter.chunks_.push_back(std::make_shared<const Chunk>(std::exchange(shorter.tail_, {})));
      }
    });
    return shorter;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

UpdateLog::Entry UpdateLog::find(std::uint64_t seq) const noexcept {
  const auto in_chunk = [&](const Chunk& chunk) -> Entry {
    const auto found = std::lower_bound(
        chunk.begin(), chunk.end(), seq,
        [](const Entry& entry, std::uint64_t wanted) { return entry->batch.seq < wanted; });
    return found != chunk.end() && (*found)->batch.seq == seq ? *found : nullptr;
  };
  if (!tail_.empty() && tail_.front()->batch.seq <= seq) return in_chunk(tail_);
  const auto after = std::upper_bound(
      chunks_.begin(), chunks_.end(), seq,
      [](std::uint64_t wanted, const auto& chunk) { return wanted < chunk->front()->batch.seq; });
  return after == chunks_.begin() ? nullptr : in_chunk(**std::prev(after));
}

Result<std::vector<UpdateLog::Entry>> UpdateLog::range(std::uint64_t first_seq,
                                                       std::uint64_t last_seq) const {
  GYRE_FAULT_POINT(updates_replay);
  try {
    std::vector<Entry> found;
    for_each([&](const Entry& entry) {
      if (entry->batch.seq >= first_seq && entry->batch.seq <= last_seq) found.push_back(entry);
    });
    const std::uint64_t wanted = first_seq > last_seq ? 0 : last_seq - first_seq + 1;
    if (found.size() != wanted) {
      return fail(ErrorCode::updates_would_be_lost,
                  "the server no longer has all batches after number " +
                      std::to_string(first_seq - 1) +
                      "; build the snapshot as of a later one, or allow it to discard updates");
    }
    return found;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

std::uint64_t UpdateLog::batches_not_in(const UpdateLog& other) const noexcept {
  std::uint64_t count = 0;
  for_each([&](const Entry& entry) {
    if (other.find(entry->batch.seq) != entry) ++count;
  });
  return count;
}

std::size_t UpdateLog::size() const noexcept {
  return chunks_.size() * chunk_entries + tail_.size();
}

}  // namespace gyre
