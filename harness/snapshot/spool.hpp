// Records kept in a file without a name while a table is being built, so that memory need not hold
// them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "harness/snapshot/file.hpp"
#include "harness/snapshot/record_reader.hpp"

namespace gyre::snapshot {

// Write all, then read all, as often as needed. One thread at a time.
class Spool {
 public:
  [[nodiscard]] static Result<Spool> create(const std::filesystem::path& directory);

  [[nodiscard]] Result<void> add(const Record& record);
  // After the last add().
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
  [[nodiscard]] std::uint32_t longest_value_bytes() const noexcept { return longest_value_bytes_; }

  // Records in the order of their adding, from the first.
  class Reader {
   public:
    explicit Reader(const Spool& spool);
    // REQUIRES: called at most records() times.
    [[nodiscard]] Result<void> next(Record& record);

   private:
    BufferedReader reader_;
  };

 private:
  explicit Spool(File file);

  // On the heap, for the writer refers to it.
  std::unique_ptr<File> file_;
  BufferedWriter writer_;
  std::uint64_t records_ = 0;
  std::uint32_t longest_value_bytes_ = 0;
};

}  // namespace gyre::snapshot
