#include "harness/feed/sqlite.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <utility>

namespace gyre::feed {
namespace {

tl::unexpected<Error> failure(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(ErrorCode::io_failed,
                  "the feed's state file is in use by another program; one update runs at a time");
    case SQLITE_FULL:
      return fail(ErrorCode::disk_full, "there is no space for the feed's state file");
    case SQLITE_NOMEM:
      return fail(ErrorCode::out_of_memory,
                  "there is not enough memory to work with the feed's state file");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return fail(ErrorCode::io_failed, "the feed's state file is damaged, or no state file");
    default:
      return fail(ErrorCode::io_failed, "the feed's state file cannot be read or written");
  }
}

}  // namespace

Statement& Statement::bind(int position, std::uint64_t value) noexcept {
  const int code =
      ::sqlite3_bind_int64(statement_.get(), position, std::bit_cast<sqlite3_int64>(value));
  if (bound_ == SQLITE_OK) bound_ = code;
  return *this;
}

Statement& Statement::bind(int position, std::span<const std::byte> value) noexcept {
  // No pointer would mean NULL.
  const int code = value.empty() ? ::sqlite3_bind_zeroblob(statement_.get(), position, 0)
                                 : ::sqlite3_bind_blob64(statement_.get(), position, value.data(),
                                                         value.size(), SQLITE_STATIC);
  if (bound_ == SQLITE_OK) bound_ = code;
  return *this;
}

Statement& Statement::bind(int position, std::string_view value) noexcept {
  const int code = ::sqlite3_bind_text64(statement_.get(), position, value.data(), value.size(),
                                         SQLITE_STATIC, SQLITE_UTF8);
  if (bound_ == SQLITE_OK) bound_ = code;
  return *this;
}

Result<bool> Statement::step() {
  if (bound_ != SQLITE_OK) return failure(bound_);
  const int code = ::sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(code);
}

Result<void> Statement::run() {
  auto stepped = step();
  reset();
  if (!stepped) return forward_error(stepped);
  return {};
}

void Statement::reset() noexcept {
  ::sqlite3_reset(statement_.get());
  ::sqlite3_clear_bindings(statement_.get());
  bound_ = SQLITE_OK;
}

std::uint64_t Statement::number(int column) const noexcept {
  return std::bit_cast<std::uint64_t>(::sqlite3_column_int64(statement_.get(), column));
}

std::span<const std::byte> Statement::bytes(int column) const noexcept {
  const auto* const data =
      static_cast<const std::byte*>(::sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<std::size_t>(::sqlite3_column_bytes(statement_.get(), column))};
}

Result<Database> Database::open(const std::filesystem::path& path) {
  // SQLite would give a new file the mode of any other file; this one names every key.
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return fail(errno == ENOSPC ? ErrorCode::disk_full : ErrorCode::io_failed,
                "the feed's state file cannot be opened");
  }
  ::close(descriptor);
  Database database;
  sqlite3* opened = nullptr;
  const int code = ::sqlite3_open_v2(path.c_str(), &opened,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, nullptr);
  database.database_.reset(opened);
  if (code != SQLITE_OK) return failure(code);
  // One process at a time, for as long as it is open: two that planned at once would use the same
  // numbers for different batches.
  for (const char* const setting : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = FULL",
                                    "PRAGMA cache_size = -65536", "BEGIN EXCLUSIVE", "COMMIT"}) {
    auto set = database.execute(setting);
    if (!set) return forward_error(set);
  }
  return database;
}

Result<void> Database::execute(const char* sql) {
  const int code = ::sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

Result<void> Database::use_write_ahead_log() {
  return execute("PRAGMA journal_mode = WAL");
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* prepared = nullptr;
  const int code = ::sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if ((code & 0xff) == SQLITE_ERROR) {
    return fail(ErrorCode::internal, "a statement for the feed's state file is wrong");
  }
  if (code != SQLITE_OK) return failure(code);
  Statement statement;
  statement.statement_.reset(prepared);
  return statement;
}

Result<Transaction> Transaction::begin(Database& database) {
  auto begun = database.execute("BEGIN IMMEDIATE");
  if (!begun) return forward_error(begun);
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Result<void> Transaction::commit() {
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;
  return committed;
}

Transaction::~Transaction() {
  // That it fails means that SQLite has rolled back already.
  if (database_ != nullptr) static_cast<void>(database_->execute("ROLLBACK"));
}

}  // namespace gyre::feed
