// SQLite with our errors: a database, and statements that free themselves.
//
// Thread-safety: one thread at a time. Errors of everything here: disk_full, out_of_memory,
// io_failed (another program has the file, or it cannot be read, written or understood). Sentences
// call the database by its role and quote nothing.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace gyre::feed {

// A prepared statement. Values are bound by position from 1, columns read from 0.
class Statement {
 public:
  Statement() = default;

  // Bind and run. bind() takes what must live until the next reset().
  Statement& bind(int position, std::uint64_t value) noexcept;
  Statement& bind(int position, std::span<const std::byte> value) noexcept;
  Statement& bind(int position, std::string_view value) noexcept;

  // The next row of the result: true, or false after the last. An error of a bind() shows here.
  [[nodiscard]] Result<bool> step();
  // For statements without a result. Resets.
  [[nodiscard]] Result<void> run();
  void reset() noexcept;

  // REQUIRES of all: step() just returned true. Spans live until the next step() or reset().
  [[nodiscard]] std::uint64_t number(int column) const noexcept;
  [[nodiscard]] std::span<const std::byte> bytes(int column) const noexcept;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
  };

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = SQLITE_OK;  // the first failure of a bind()
};

class Database {
 public:
  // Opens the file, or creates it with mode 0600, and keeps everybody else out of it until it is
  // closed. What is committed survives a crash of the program and of the machine.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& path);

  // Makes commits cost one wait for the disk instead of several. It changes the file, so it is for
  // one that is known to be ours; what was committed may be in FILE-wal until the file is closed.
  [[nodiscard]] Result<void> use_write_ahead_log();

  [[nodiscard]] Result<void> execute(const char* sql);
  // `sql` is text of ours, so that it cannot be prepared is a defect: internal.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept { ::sqlite3_close_v2(database); }
  };

  std::unique_ptr<sqlite3, Close> database_;
};

// Begins a transaction, and rolls it back unless it was committed. The database must stay where it
// is as long.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  [[nodiscard]] Result<void> commit();
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

 private:
  explicit Transaction(Database& database) noexcept : database_(&database) {}
  Database* database_;
};

}  // namespace gyre::feed
