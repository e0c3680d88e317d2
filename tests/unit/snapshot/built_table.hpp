// Reads a built keyed table as a client would, without the code that built it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.hpp"
#include "harness/snapshot/build.hpp"
#include "harness/table/keyed_row.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::snapshot {

using Entries = std::map<std::string, std::string>;

// CSV whose every field is quoted.
inline std::string csv_of(const Entries& entries) {
  const auto quoted = [](const std::string& text) {
    std::string field = "\"";
    for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
    return field + "\"";
  };
  std::string csv;
  for (const auto& [key, value] : entries) csv += quoted(key) + "," + quoted(value) + "\n";
  return csv;
}

class BuiltTable {
 public:
  BuiltTable(const TestDirectory& directory, const Manifest& manifest)
      : metadata_(manifest.metadata),
        layout_(std::get<Cuckoo3Layout>(metadata_.layout)),
        rows_(directory.read(manifest.file)) {}

  // Rows among the key's candidates that carry its tag. Coinciding candidates count once.
  [[nodiscard]] std::vector<std::string> matches(std::span<const std::byte> key) const {
    std::map<std::uint64_t, std::string> found;
    for (const std::uint64_t row : table::candidates(layout_, metadata_.geometry.rows, key)) {
      const std::string bytes = this->row(row);
      if (table::row_tag(as_bytes(bytes)) == table::tag(layout_, key)) found[row] = bytes.substr(8);
    }
    std::vector<std::string> values;
    for (auto& [row, value] : found) values.push_back(std::move(value));
    return values;
  }

  // Rows that are not all zero.
  [[nodiscard]] std::uint64_t used_rows() const {
    std::uint64_t used = 0;
    for (std::uint64_t i = 0; i < metadata_.geometry.rows; ++i) {
      if (row(i).find_first_not_of('\0') != std::string::npos) ++used;
    }
    return used;
  }

  [[nodiscard]] const std::string& bytes() const noexcept { return rows_; }

 private:
  [[nodiscard]] std::string row(std::uint64_t number) const {
    return rows_.substr(static_cast<std::size_t>(number * metadata_.geometry.row_bytes),
                        metadata_.geometry.row_bytes);
  }

  Metadata metadata_;
  Cuckoo3Layout layout_;
  std::string rows_;
};

}  // namespace gyre::snapshot
