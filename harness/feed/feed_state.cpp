#include "harness/feed/feed_state.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "core/bytes.hpp"
#include "harness/feed/state_import.hpp"
#include "harness/snapshot/load.hpp"

namespace gyre::feed {
namespace {

constexpr std::uint64_t format_version = 1;

// Keys are found by their tag, which is the rowid, and by their row. `acknowledged` holds who has a
// batch that not everybody has.
constexpr const char* schema =
    "CREATE TABLE identity (version INTEGER NOT NULL, header BLOB NOT NULL, content_id BLOB NOT "
    "NULL, last_seq INTEGER NOT NULL);"
    "CREATE TABLE keys (tag INTEGER PRIMARY KEY, row INTEGER NOT NULL, key BLOB NOT NULL, value "
    "BLOB NOT NULL);"
    "CREATE TABLE batches (seq BLOB PRIMARY KEY, body BLOB NOT NULL, delivered INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "CREATE TABLE acknowledged (seq BLOB NOT NULL, receiver TEXT NOT NULL, PRIMARY KEY (seq, "
    "receiver)) WITHOUT ROWID;";

// Numbers of batches in an order that SQLite's signed integers do not give: big-endian.
class SeqKey {
 public:
  explicit SeqKey(std::uint64_t seq) noexcept {
    store_little_endian(bytes_.data(), __builtin_bswap64(seq));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] static std::uint64_t number(std::span<const std::byte> bytes) noexcept {
    return bytes.size() == sizeof(std::uint64_t)
               ? __builtin_bswap64(load_little_endian<std::uint64_t>(bytes.data()))
               : 0;
  }

 private:
  std::array<std::byte, sizeof(std::uint64_t)> bytes_{};
};

std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

StoredKey stored_key(Statement& row) {
  return {row.number(0), copy_of(row.bytes(1)), copy_of(row.bytes(2))};
}

// The one row of a statement's result, read by `read`, or nothing.
template <typename Read>
auto one_row(Statement& statement, Read&& read)
    -> Result<std::optional<decltype(read(statement))>> {
  auto found = statement.step();
  if (!found) {
    statement.reset();
    return forward_error(found);
  }
  std::optional<decltype(read(statement))> value;
  if (*found) value = read(statement);
  statement.reset();
  return value;
}

}  // namespace

struct FeedState::Statements {
  Statement find;
  Statement holder_of;
  Statement insert;
  Statement set_value;
  Statement set_row;
  Statement erase;
  Statement last_seq;
  Statement set_last_seq;
  Statement append_batch;
  Statement first_pending;
  Statement batch;
  Statement is_acknowledged;
  Statement acknowledge;
  Statement set_delivered;
  Statement forget_acknowledged;
  Statement forget_batches;
};

void FeedState::StatementsDelete::operator()(Statements* statements) const noexcept {
  delete statements;
}

FeedState::FeedState(Database database)
    : database_(std::move(database)), statements_(new Statements) {}

Result<FeedPaths> paths_beside(const std::filesystem::path& manifest_path) {
  constexpr std::string_view suffix = ".manifest.json";
  std::string name = manifest_path.filename().string();
  if (name.size() <= suffix.size() || !name.ends_with(suffix)) {
    return fail(ErrorCode::bad_configuration, "the manifest must be called NAME.manifest.json");
  }
  name.resize(name.size() - suffix.size());
  const auto directory = manifest_path.parent_path();
  return FeedPaths{directory / (name + ".builder"), directory / (name + ".feed.db")};
}

Result<FeedState> FeedState::open(const std::filesystem::path& state_path,
                                  const std::filesystem::path& manifest_path,
                                  const snapshot::Watch& watch) {
  auto manifest = snapshot::read_manifest(manifest_path);
  if (!manifest) return forward_error(manifest);
  const auto* const layout = std::get_if<Cuckoo3Layout>(&manifest->metadata.layout);
  if (layout == nullptr) {
    return fail(ErrorCode::bad_configuration,
                "the snapshot must be of a table with keys; this one's rows are found by number");
  }
  auto database = Database::open(state_path);
  if (!database) return forward_error(database);
  FeedState state(std::move(*database));
  state.metadata_ = manifest->metadata;
  state.layout_ = *layout;
  auto fresh = state.is_new();
  if (!fresh) return forward_error(fresh);
  auto ready = *fresh ? state.import(manifest_path, watch) : state.check_identity(*manifest);
  if (!ready) return forward_error(ready);
  ready = state.database_.use_write_ahead_log();
  if (!ready) return forward_error(ready);
  ready = state.prepare();
  if (!ready) return forward_error(ready);
  return state;
}

Result<bool> FeedState::is_new() {
  auto statement = database_.prepare("SELECT count(*) FROM sqlite_master");
  if (!statement) return forward_error(statement);
  auto tables = one_row(*statement, [](Statement& row) { return row.number(0); });
  if (!tables) return forward_error(tables);
  return tables->value_or(0) == 0;
}

Result<void> FeedState::check_identity(const snapshot::Manifest& manifest) {
  struct Identity {
    std::uint64_t version;
    std::vector<std::byte> header;
    std::vector<std::byte> content_id;
  };
  auto statement = database_.prepare("SELECT version, header, content_id FROM identity");
  if (!statement) {
    return fail(ErrorCode::bad_configuration, "the state file must be one of a feed of Gyre's");
  }
  auto identity = one_row(*statement, [](Statement& row) {
    return Identity{row.number(0), copy_of(row.bytes(1)), copy_of(row.bytes(2))};
  });
  if (!identity) return forward_error(identity);
  if (!*identity || (*identity)->version != format_version) {
    return fail(ErrorCode::bad_configuration,
                "the state file must be one of a feed of this version of Gyre's");
  }
  if ((*identity)->header != canonical_header(manifest.metadata) ||
      !std::ranges::equal((*identity)->content_id, manifest.content_id)) {
    return fail(ErrorCode::bad_configuration,
                "the state file belongs to another snapshot than the manifest; name the one that "
                "it was made from, or another state file");
  }
  return {};
}

Result<void> FeedState::import(const std::filesystem::path& manifest_path,
                               const snapshot::Watch& watch) {
  auto paths = paths_beside(manifest_path);
  if (!paths) return forward_error(paths);
  auto transaction = begin();
  if (!transaction) return forward_error(transaction);
  auto done = database_.execute(schema);
  if (!done) return done;
  auto insert = database_.prepare("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)");
  if (!insert) return forward_error(insert);
  auto manifest = read_whole_snapshot(
      manifest_path, paths->builder, watch,
      [&](std::uint64_t tag, std::uint64_t row, std::span<const std::byte> key,
          std::span<const std::byte> value) {
        return insert->bind(1, tag).bind(2, row).bind(3, key).bind(4, value).run();
      });
  if (!manifest) return forward_error(manifest);
  if (manifest->metadata != metadata_) {
    return fail(ErrorCode::digest_mismatch, "the manifest changed while it was read");
  }
  // After the rows, which is faster than with every row.
  done = database_.execute("CREATE UNIQUE INDEX keys_by_row ON keys (row)");
  if (!done) return done;
  auto identify = database_.prepare("INSERT INTO identity VALUES (?1, ?2, ?3, ?4)");
  if (!identify) return forward_error(identify);
  const std::vector<std::byte> header = canonical_header(metadata_);
  done = identify->bind(1, format_version)
             .bind(2, header)
             .bind(3, std::span<const std::byte>(manifest->content_id))
             .bind(4, metadata_.as_of_seq)
             .run();
  if (!done) return done;
  return transaction->commit();
}

Result<void> FeedState::prepare() {
  const std::pair<Statement*, const char*> wanted[] = {
      {&statements_->find, "SELECT row, key, value FROM keys WHERE tag = ?1"},
      {&statements_->holder_of, "SELECT row, key, value FROM keys WHERE row = ?1"},
      {&statements_->insert, "INSERT INTO keys VALUES (?1, ?2, ?3, ?4)"},
      {&statements_->set_value, "UPDATE keys SET value = ?2 WHERE tag = ?1"},
      {&statements_->set_row, "UPDATE keys SET row = ?2 WHERE tag = ?1"},
      {&statements_->erase, "DELETE FROM keys WHERE tag = ?1"},
      {&statements_->last_seq, "SELECT last_seq FROM identity"},
      {&statements_->set_last_seq, "UPDATE identity SET last_seq = ?1"},
      {&statements_->append_batch, "INSERT INTO batches VALUES (?1, ?2, 0)"},
      {&statements_->first_pending, "SELECT min(seq) FROM batches WHERE delivered = 0"},
      {&statements_->batch, "SELECT body FROM batches WHERE seq = ?1"},
      {&statements_->is_acknowledged,
       "SELECT count(*) FROM acknowledged WHERE seq = ?1 AND receiver = ?2"},
      {&statements_->acknowledge, "INSERT OR IGNORE INTO acknowledged VALUES (?1, ?2)"},
      {&statements_->set_delivered, "UPDATE batches SET delivered = 1 WHERE seq = ?1"},
      {&statements_->forget_acknowledged, "DELETE FROM acknowledged WHERE seq = ?1"},
      {&statements_->forget_batches, "DELETE FROM batches WHERE delivered = 1 AND seq <= ?1"},
  };
  for (const auto& [statement, sql] : wanted) {
    auto prepared = database_.prepare(sql);
    if (!prepared) return forward_error(prepared);
    *statement = std::move(*prepared);
  }
  return {};
}

Result<std::optional<StoredKey>> FeedState::find(std::uint64_t tag) {
  return one_row(statements_->find.bind(1, tag), stored_key);
}

Result<std::optional<StoredKey>> FeedState::holder_of(std::uint64_t row) {
  return one_row(statements_->holder_of.bind(1, row), stored_key);
}

Result<void> FeedState::insert(std::uint64_t tag, const StoredKey& key) {
  return statements_->insert.bind(1, tag)
      .bind(2, key.row)
      .bind(3, key.key)
      .bind(4, key.value)
      .run();
}

Result<void> FeedState::set_value(std::uint64_t tag, std::span<const std::byte> value) {
  return statements_->set_value.bind(1, tag).bind(2, value).run();
}

Result<void> FeedState::set_row(std::uint64_t tag, std::uint64_t row) {
  return statements_->set_row.bind(1, tag).bind(2, row).run();
}

Result<void> FeedState::erase(std::uint64_t tag) {
  return statements_->erase.bind(1, tag).run();
}

Result<std::uint64_t> FeedState::last_seq() {
  auto seq = one_row(statements_->last_seq, [](Statement& row) { return row.number(0); });
  if (!seq) return forward_error(seq);
  return seq->value_or(metadata_.as_of_seq);
}

Result<void> FeedState::append_batch(const UpdateBatch& batch) {
  const std::vector<std::byte> body = binary_form(batch);
  const SeqKey seq(batch.seq);
  auto appended = statements_->append_batch.bind(1, seq.bytes()).bind(2, body).run();
  if (!appended) return appended;
  return statements_->set_last_seq.bind(1, batch.seq).run();
}

Result<std::optional<std::uint64_t>> FeedState::first_pending() {
  auto seq =
      one_row(statements_->first_pending, [](Statement& row) { return copy_of(row.bytes(0)); });
  if (!seq) return forward_error(seq);
  // min() of nothing is NULL.
  if (!*seq || (*seq)->empty()) return std::nullopt;
  return SeqKey::number(**seq);
}

Result<std::optional<std::vector<std::byte>>> FeedState::batch(std::uint64_t seq) {
  const SeqKey key(seq);
  return one_row(statements_->batch.bind(1, key.bytes()),
                 [](Statement& row) { return copy_of(row.bytes(0)); });
}

Result<bool> FeedState::is_acknowledged(std::uint64_t seq, std::string_view receiver) {
  const SeqKey key(seq);
  auto count = one_row(statements_->is_acknowledged.bind(1, key.bytes()).bind(2, receiver),
                       [](Statement& row) { return row.number(0); });
  if (!count) return forward_error(count);
  return count->value_or(0) != 0;
}

Result<void> FeedState::acknowledge(std::uint64_t seq, std::string_view receiver) {
  const SeqKey key(seq);
  return statements_->acknowledge.bind(1, key.bytes()).bind(2, receiver).run();
}

Result<void> FeedState::set_delivered(std::uint64_t seq) {
  auto transaction = begin();
  if (!transaction) return forward_error(transaction);
  const SeqKey key(seq);
  auto done = statements_->set_delivered.bind(1, key.bytes()).run();
  if (done) done = statements_->forget_acknowledged.bind(1, key.bytes()).run();
  if (done && seq > kept_batches) {
    const SeqKey oldest(seq - kept_batches);
    done = statements_->forget_batches.bind(1, oldest.bytes()).run();
  }
  if (!done) return done;
  return transaction->commit();
}

}  // namespace gyre::feed
