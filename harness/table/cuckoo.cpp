#include "harness/table/cuckoo.hpp"

#include <limits>
#include <random>
#include <utility>

namespace gyre::table {
namespace {

constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();
// At a load of 85 % a walk takes a few dozen steps; the threshold of three candidates is 91.8 %. A
// walk that long means that the keys do not fit.
constexpr unsigned max_steps = 20'000;
constexpr std::uint64_t keys_per_progress = std::uint64_t{1} << 16U;

class Table {
 public:
  Table(std::span<const CandidateRows> keys, std::uint32_t row_count, std::uint64_t random_seed)
      : keys_(keys), holder_(row_count, nobody), random_(random_seed) {}

  bool insert(std::uint32_t key) {
    std::uint32_t left = nobody;  // the row that `key` was just thrown out of
    for (unsigned step = 0; step < max_steps; ++step) {
      for (const std::uint32_t row : keys_[key]) {
        if (holder_[row] == nobody) {
          holder_[row] = key;
          return true;
        }
      }
      left = other_candidate(key, left);
      std::swap(holder_[left], key);
    }
    return false;
  }

  std::vector<std::uint32_t> rows_of_keys() const {
    std::vector<std::uint32_t> rows(keys_.size(), nobody);
    for (std::uint32_t row = 0; row < holder_.size(); ++row) {
      if (holder_[row] != nobody) rows[holder_[row]] = row;
    }
    return rows;
  }

 private:
  std::uint32_t other_candidate(std::uint32_t key, std::uint32_t left) {
    const CandidateRows& candidates = keys_[key];
    const auto first = static_cast<std::size_t>(random_() % candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::uint32_t row = candidates[(first + i) % candidates.size()];
      if (row != left) return row;
    }
    return left;  // all three coincide
  }

  std::span<const CandidateRows> keys_;
  std::vector<std::uint32_t> holder_;  // key in each row
  std::mt19937_64 random_;
};

}  // namespace

std::optional<std::vector<std::uint32_t>> place_keys(std::span<const CandidateRows> keys,
                                                     std::uint32_t row_count,
                                                     std::uint64_t random_seed,
                                                     const PlacementProgress& progress) {
  if (keys.size() > row_count) return std::nullopt;
  Table table(keys, row_count, random_seed);
  for (std::uint32_t key = 0; key < keys.size(); ++key) {
    if (!table.insert(key)) return std::nullopt;
    if ((key + 1) % keys_per_progress == 0 && !progress(key + 1)) return std::nullopt;
  }
  return table.rows_of_keys();
}

}  // namespace gyre::table
