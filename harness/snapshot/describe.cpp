#include "harness/snapshot/describe.hpp"

#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/epoch_id.hpp"
#include "harness/report/text.hpp"

namespace gyre::snapshot {

using report::bytes_text;
using report::count_text;

std::string describe(const Manifest& manifest) {
  const Metadata& metadata = manifest.metadata;
  const Geometry& geometry = metadata.geometry;
  const auto* const cuckoo = std::get_if<Cuckoo3Layout>(&metadata.layout);
  std::vector<std::pair<std::string, std::string>> rows;
  if (cuckoo == nullptr) {
    rows.emplace_back("layout", "index: a row is found by its number");
  } else {
    const std::uint64_t keys = manifest.keys.value_or(0);
    const double load = static_cast<double>(keys) / static_cast<double>(geometry.rows);
    rows.emplace_back("layout", "cuckoo3: a row is found by its key, at one of three places");
    rows.emplace_back("values", std::string(name(cuckoo->value)) + ", " +
                                    count_text(cuckoo->value_bytes) + " bytes");
    rows.emplace_back("keys",
                      count_text(keys) + " (load " + report::decimal_text(100 * load, 1) + " %)");
  }
  rows.emplace_back("rows",
                    count_text(geometry.rows) + " of " + count_text(geometry.row_bytes) + " bytes");
  rows.emplace_back("pages", count_text(geometry.pages()) + " of " +
                                 count_text(geometry.rows_per_page) + " rows (" +
                                 count_text(geometry.page_bytes()) + " bytes)");
  rows.emplace_back("rows file", manifest.file + ", " + bytes_text(geometry.bytes()) + " in " +
                                     count_text(manifest.chunk_digests.size()) +
                                     " chunks of at most 1 MiB");
  rows.emplace_back("block number",
                    metadata.block_number ? count_text(*metadata.block_number) : "has none");
  rows.emplace_back("state root", metadata.state_root ? to_hex(*metadata.state_root) : "has none");
  rows.emplace_back("as of seq", count_text(metadata.as_of_seq));
  rows.emplace_back("table id", to_hex(metadata.table));
  rows.emplace_back("content id", to_hex(manifest.content_id));
  rows.emplace_back("epoch id", EpochId::of_base(manifest.content_id, metadata.as_of_seq).text());
  rows.emplace_back("sha256", to_hex(manifest.sha256));
  if (cuckoo != nullptr) {
    rows.emplace_back("false match",
                      "at most 3 in 2^64 (1.6e-19) for each lookup of a key that is not there");
  }
  return report::two_column_table(rows);
}

}  // namespace gyre::snapshot
