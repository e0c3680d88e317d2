// What a rotation scenario puts into its servers, planned ahead: keys, bases, batches, and so what
// every key is worth in every epoch that there can be.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/epoch_id.hpp"
#include "core/error.hpp"
#include "core/update_batch.hpp"
#include "harness/scenario/lookup_run.hpp"
#include "harness/scenario/seeded_random.hpp"
#include "harness/snapshot/manifest.hpp"

namespace gyre::scenario {

struct HistoryPlan {
  std::uint64_t table_bytes = 0;  // of every base, about
  unsigned rotations = 0;         // base 0 is there from the start; every other one is a new table
  unsigned batches = 0;
  unsigned batch_rows = 0;  // keys changed by each
};

// A value says who wrote it: the base it came with or the batch that changed it, and for which key.
// An answer mixed of two epochs so says which two, and an answer for another key does not pass.
struct WrittenValue {
  std::uint64_t base = 0;   // number of the base; `by_batch` if a batch wrote it
  std::uint64_t batch = 0;  // its seq; 0 if a base wrote it
  std::uint64_t key = 0;

  static constexpr std::uint64_t by_batch = ~std::uint64_t{0};
  static constexpr std::size_t bytes = 24;

  [[nodiscard]] std::vector<std::byte> encode() const;
  friend bool operator==(const WrittenValue&, const WrittenValue&) = default;
};

// Immutable once made; const use from any number of threads.
class RotatingHistory {
 public:
  // Writes every base as a snapshot into the directory. The seed determines everything. Errors:
  // those of snapshot::build_keyed.
  [[nodiscard]] static Result<RotatingHistory> create(const HistoryPlan& plan, SeededRandom& random,
                                                      const std::filesystem::path& directory,
                                                      const ProgressReport& progress);

  [[nodiscard]] std::uint64_t keys() const noexcept { return keys_; }
  [[nodiscard]] static std::vector<std::byte> key(std::uint64_t number);

  // Base 0 … rotations.
  [[nodiscard]] const std::string& manifest_name(std::size_t base) const {
    return bases_[base].manifest_name;
  }
  [[nodiscard]] const snapshot::Manifest& manifest(std::size_t base) const {
    return bases_[base].manifest;
  }
  // The feed, from seq 1. Each batch has parts for the tables of the base it falls upon and of the
  // one before, for a server that has not rotated yet.
  [[nodiscard]] const std::vector<UpdateBatch>& batches() const noexcept { return batches_; }

  // What the epoch has for the key. Nothing if the history never leads to an epoch of this name.
  [[nodiscard]] std::optional<WrittenValue> expected(const EpochId& epoch, std::uint64_t key) const;

 private:
  struct Base {
    std::string manifest_name;
    snapshot::Manifest manifest;
    std::vector<std::uint32_t> row_of_key;
    std::vector<EpochId> ids;  // of the base, and after each batch that follows it
  };

  [[nodiscard]] Result<void> add_new_table(std::size_t number, std::uint64_t as_of_seq,
                                           SeededRandom& random,
                                           const std::filesystem::path& directory);
  [[nodiscard]] Result<void> add_same_table(std::size_t number, std::uint64_t as_of_seq,
                                            const std::filesystem::path& directory);
  void choose_changes(const HistoryPlan& plan, SeededRandom& random);
  void make_batches(const HistoryPlan& plan);
  void name_epochs();
  [[nodiscard]] std::uint64_t last_change(std::uint64_t key, std::uint64_t up_to) const;

  std::uint64_t keys_ = 0;
  std::vector<Base> bases_;
  std::vector<std::vector<std::uint64_t>> changed_keys_;  // by batch, sorted
  std::vector<UpdateBatch> batches_;
};

}  // namespace gyre::scenario
