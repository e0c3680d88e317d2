// Records of key and value from CSV or JSON lines. docs/formats.md, "What a snapshot is built
// from".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/metadata.hpp"
#include "harness/snapshot/file.hpp"

namespace gyre::snapshot {

enum class InputFormat : std::uint8_t { csv, json_lines };
// How text stands for the bytes of a `bytes` value.
enum class ValueEncoding : std::uint8_t { text, hex, base64 };
// Whether the first CSV record names the columns. `automatic`: it does if its first field is
// "address" or "key" (whatever the case) and, in a table of bytes, its second is "value" (if
// records have values).
enum class CsvHeader : std::uint8_t { automatic, present, absent };

struct RecordSyntax {
  InputFormat format = InputFormat::csv;
  ValueKind value = ValueKind::bytes;
  ValueEncoding encoding = ValueEncoding::text;
  CsvHeader header = CsvHeader::automatic;
  bool keys_only = false;  // a record is a key and has no value
  std::uint32_t max_value_bytes = Geometry::max_row_bytes - tag_bytes;
};

// A record is at most this long in the input.
inline constexpr std::size_t max_record_bytes = std::size_t{1} << 20U;

struct Record {
  std::uint64_t line = 0;        // where it begins, from 1
  std::vector<std::byte> key;    // as a table's key, see table::parse_key
  std::vector<std::byte> value;  // as in a row, without tag and padding
};

// Reads hostile input in bounded memory. One thread at a time.
class RecordReader {
 public:
  RecordReader(File input, RecordSyntax syntax);

  // The next record, or false at the end. Errors: malformed_input with the number of the line and
  // never its content; io_failed. After an error only destruction is allowed.
  [[nodiscard]] Result<bool> next(Record& record);

  [[nodiscard]] bool skipped_header() const noexcept { return skipped_header_; }
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_before_ + at_; }

 private:
  static constexpr int at_end = -1;

  [[nodiscard]] Result<int> peek();
  [[nodiscard]] Result<int> get();
  [[nodiscard]] tl::unexpected<Error> malformed(std::string_view sentence) const;

  [[nodiscard]] Result<bool> next_csv(Record& record);
  [[nodiscard]] Result<bool> read_fields();
  [[nodiscard]] Result<void> read_quoted_field(std::string& field);
  [[nodiscard]] Result<bool> end_field(int c);
  [[nodiscard]] bool is_header() const;

  [[nodiscard]] Result<bool> next_json(Record& record);
  [[nodiscard]] Result<bool> read_line();

  [[nodiscard]] Result<void> take_key(std::string_view text, Record& record) const;
  [[nodiscard]] Result<void> take_bytes(std::string_view text, Record& record) const;
  // Numbers of an account as text; empty: 0.
  [[nodiscard]] Result<void> take_account(std::string_view balance, std::string_view nonce,
                                          std::string_view code_id, Record& record) const;

  File input_;
  RecordSyntax syntax_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t bytes_before_ = 0;  // of the input, before buffer_
  bool started_ = false;

  std::uint64_t line_ = 1;         // that the next byte belongs to
  std::uint64_t record_line_ = 1;  // where the record being read begins
  std::size_t record_bytes_ = 0;
  std::vector<std::string> fields_;
  std::size_t field_count_ = 0;  // of fields_, the rest are kept for their storage
  std::string text_;
  bool first_record_ = true;
  bool skipped_header_ = false;
};

}  // namespace gyre::snapshot
