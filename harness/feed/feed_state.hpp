// What a feed remembers between runs: which key has which row with which value, and the batches it
// has made, in one SQLite file. docs/formats.md, "State of a feed".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"
#include "core/update_batch.hpp"
#include "harness/feed/sqlite.hpp"
#include "harness/snapshot/manifest.hpp"
#include "harness/snapshot/progress.hpp"

namespace gyre::feed {

struct StoredKey {
  std::uint64_t row = 0;
  std::vector<std::byte> key;
  std::vector<std::byte> value;  // value_bytes of the layout
};

// Batches that every server has are kept so far back, as a server knows them when they are resent.
inline constexpr std::uint64_t kept_batches = 1024;

// The state of one table's feed. It is private, like the builder file: it names every key.
//
// One thread at a time, and one process: the file stays locked. Errors of all: those of sqlite.hpp.
class FeedState {
 public:
  // Opens the state, or makes it from the snapshot: from then on it, not the snapshot, is the
  // truth. The manifest's directory holds the rows file and NAME.builder; both are verified whole
  // first. Errors also: bad_configuration (an index layout; the state of another snapshot), what
  // verify_snapshot and read_builder_file return, digest_mismatch, cancelled (nothing was made).
  [[nodiscard]] static Result<FeedState> open(const std::filesystem::path& state_path,
                                              const std::filesystem::path& manifest_path,
                                              const snapshot::Watch& watch);

  [[nodiscard]] const Metadata& metadata() const noexcept { return metadata_; }
  [[nodiscard]] const Cuckoo3Layout& layout() const noexcept { return layout_; }

  // All changes until commit() are made together or, if it is not called, not at all.
  [[nodiscard]] Result<Transaction> begin() { return Transaction::begin(database_); }

  // Keys. Tags are unique in a table, so they stand for keys; who looks one up compares the key.
  [[nodiscard]] Result<std::optional<StoredKey>> find(std::uint64_t tag);
  [[nodiscard]] Result<std::optional<StoredKey>> holder_of(std::uint64_t row);
  // REQUIRES: no key has that tag or row.
  [[nodiscard]] Result<void> insert(std::uint64_t tag, const StoredKey& key);
  // REQUIRES of these: a key has that tag.
  [[nodiscard]] Result<void> set_value(std::uint64_t tag, std::span<const std::byte> value);
  [[nodiscard]] Result<void> set_row(std::uint64_t tag, std::uint64_t row);
  [[nodiscard]] Result<void> erase(std::uint64_t tag);

  // Batches. The number of the last one made; at first as_of_seq.
  [[nodiscard]] Result<std::uint64_t> last_seq();
  // REQUIRES: its seq is the next one.
  [[nodiscard]] Result<void> append_batch(const UpdateBatch& batch);
  // The number of the first batch that is not yet with everybody, or nothing.
  [[nodiscard]] Result<std::optional<std::uint64_t>> first_pending();
  // Its binary form; nothing if it was never made or is kept no longer.
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> batch(std::uint64_t seq);
  // Receivers are named by their address.
  [[nodiscard]] Result<bool> is_acknowledged(std::uint64_t seq, std::string_view receiver);
  [[nodiscard]] Result<void> acknowledge(std::uint64_t seq, std::string_view receiver);
  // Everybody has it; batches far back are forgotten.
  [[nodiscard]] Result<void> set_delivered(std::uint64_t seq);

 private:
  // Prepared once.
  struct Statements;

  explicit FeedState(Database database);
  [[nodiscard]] Result<bool> is_new();
  [[nodiscard]] Result<void> check_identity(const snapshot::Manifest& manifest);
  [[nodiscard]] Result<void> import(const std::filesystem::path& manifest_path,
                                    const snapshot::Watch& watch);
  [[nodiscard]] Result<void> prepare();

  struct StatementsDelete {
    void operator()(Statements* statements) const noexcept;
  };

  Database database_;  // outlives the statements
  std::unique_ptr<Statements, StatementsDelete> statements_;
  Metadata metadata_;
  Cuckoo3Layout layout_;
};

// NAME.builder and NAME.feed.db beside NAME.manifest.json. Errors: bad_configuration (another
// name).
struct FeedPaths {
  std::filesystem::path builder;
  std::filesystem::path state;
};
[[nodiscard]] Result<FeedPaths> paths_beside(const std::filesystem::path& manifest_path);

}  // namespace gyre::feed
