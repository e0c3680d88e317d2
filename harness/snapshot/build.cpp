#include "harness/snapshot/build.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "harness/snapshot/builder_file.hpp"
#include "harness/snapshot/chunk_digester.hpp"
#include "harness/snapshot/file.hpp"
#include "harness/snapshot/row_assembler.hpp"
#include "harness/snapshot/spool.hpp"
#include "harness/table/cuckoo.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::snapshot {
namespace {

constexpr std::uint64_t max_keyed_rows = std::numeric_limits<std::uint32_t>::max();
constexpr unsigned max_placements = 64;
constexpr unsigned max_tag_keys = 8;
constexpr std::uint64_t records_per_progress = std::uint64_t{1} << 14U;
constexpr ::mode_t public_mode = 0666;  // minus the umask
constexpr ::mode_t private_mode = 0600;

tl::unexpected<Error> cancelled() {
  return fail(ErrorCode::cancelled, "the build was stopped; it has left no files");
}

tl::unexpected<Error> out_of_memory() {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to build this table");
}

Result<void> report(const Watch& watch, std::string_view phase, std::uint64_t done,
                    std::uint64_t total) {
  if (watch.stop.stop_requested()) return cancelled();
  watch.progress({phase, done, total});
  return {};
}

// Every so many records.
Result<void> report_record(const Watch& watch, std::string_view phase, std::uint64_t done,
                           std::uint64_t total) {
  if (done % records_per_progress != 0 && done != total) return {};
  return report(watch, phase, done, total);
}

template <typename Number>
Result<Number> random_number(RandomSource& random) {
  std::array<std::byte, sizeof(Number)> bytes{};
  auto filled = random.fill(bytes);
  if (!filled) return forward_error(filled);
  return load_little_endian<Number>(bytes.data());
}

// Length of the input, 0 if it has none.
Result<std::pair<File, std::uint64_t>> open_input(const std::filesystem::path& path) {
  constexpr const char* role = "the input file";
  auto file = path == "-" ? File::standard_input(role) : File::open_stream(path, role);
  if (!file) return forward_error(file);
  auto size = file->size();
  if (!size) return forward_error(size);
  return std::pair(std::move(*file), *size);
}

Result<void> check_output(const Output& output) {
  if (!is_plain_file_name(output.rows().filename().string())) {
    return fail(
        ErrorCode::bad_configuration,
        "the output's name must be letters, digits, '_', '.' and '-', not begin with '.' or "
        "'-', and be at most 195 long");
  }
  struct stat status {};
  for (const auto& path : {output.rows(), output.manifest(), output.builder()}) {
    if (::lstat(path.c_str(), &status) == 0) {
      return fail(ErrorCode::io_failed,
                  "a snapshot of that name is already there; remove it or choose another name");
    }
  }
  return {};
}

// Rows for a geometry, padded to whole pages.
Result<Geometry> padded_geometry(std::uint64_t rows, std::uint32_t row_bytes,
                                 const Origin& origin) {
  // What cannot be divided by here, Geometry::create refuses below with a sentence.
  const std::uint32_t rows_per_page = origin.rows_per_page.value_or(
      row_bytes == 0 ? 1 : Geometry::default_rows_per_page(row_bytes));
  const std::uint64_t pages = rows_per_page == 0 ? 0 : divide_rounding_up(rows, rows_per_page);
  const auto padded = checked_multiply(pages, rows_per_page);
  auto geometry = Geometry::create(padded.value_or(rows), row_bytes, rows_per_page);
  if (geometry && chunk_count(*geometry) > max_chunks) {
    return fail(ErrorCode::geometry_mismatch,
                "a snapshot may have at most " + std::to_string(max_chunks) + " MiB of rows");
  }
  return geometry;
}

Result<Metadata> start_metadata(const Origin& origin, RandomSource& random) {
  Metadata metadata;
  metadata.as_of_seq = origin.as_of_seq;
  metadata.block_number = origin.block_number;
  metadata.state_root = origin.state_root;
  if (origin.table) {
    metadata.table = *origin.table;
  } else {
    auto filled = random.fill(metadata.table);
    if (!filled) return forward_error(filled);
  }
  return metadata;
}

// Writes rows and digests them on the way.
class RowsWriter {
 public:
  RowsWriter(File& file, std::uint64_t total_bytes, const Watch& watch)
      : file_(file), total_bytes_(total_bytes), watch_(watch) {}

  Result<void> write(std::span<const std::byte> rows) {
    while (!rows.empty()) {
      const auto piece = rows.first(std::min<std::size_t>(rows.size(), digest_chunk_bytes));
      digester_.update(piece);
      auto written = file_.write(piece);
      if (!written) return written;
      written_bytes_ += piece.size();
      auto reported = report(watch_, "writing rows", written_bytes_, total_bytes_);
      if (!reported) return reported;
      rows = rows.subspan(piece.size());
    }
    return {};
  }

  std::uint64_t written_bytes() const noexcept { return written_bytes_; }
  ChunkDigester::Digests finish() { return digester_.finish(); }

 private:
  File& file_;
  std::uint64_t total_bytes_;
  const Watch& watch_;
  ChunkDigester digester_;
  std::uint64_t written_bytes_ = 0;
};

Manifest make_manifest(const Metadata& metadata, const Output& output,
                       ChunkDigester::Digests digests, std::optional<std::uint64_t> keys) {
  Manifest manifest;
  manifest.metadata = metadata;
  manifest.file = output.rows().filename().string();
  manifest.chunk_digests = std::move(digests.chunks);
  manifest.sha256 = digests.whole;
  manifest.content_id = content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256);
  manifest.keys = keys;
  return manifest;
}

Result<void> write_manifest(const Manifest& manifest, const Output& output, OutputFiles& files) {
  auto file = files.create(output.manifest().filename().string(), "the manifest", public_mode);
  if (!file) return forward_error(file);
  return (*file)->write(as_bytes(manifest_to_text(manifest)));
}

struct TaggedKey {
  std::uint64_t tag;
  std::uint32_t number;  // in the order of the input

  friend bool operator<(const TaggedKey& a, const TaggedKey& b) noexcept {
    return a.tag != b.tag ? a.tag < b.tag : a.number < b.number;
  }
};

class KeyedBuilder {
 public:
  KeyedBuilder(const KeyedBuild& build, RandomSource& random, const Watch& watch, Spool spool)
      : build_(build), random_(random), watch_(watch), spool_(std::move(spool)) {}

  Result<Built> run() {
    for (const auto step :
         {&KeyedBuilder::read_input, &KeyedBuilder::choose_geometry, &KeyedBuilder::choose_tag_key,
          &KeyedBuilder::place, &KeyedBuilder::write_files}) {
      auto done = (this->*step)();
      if (!done) return forward_error(done);
    }
    return std::move(built_);
  }

 private:
  // visit(number, record) for every record of the spool.
  template <typename Visit>
  Result<void> for_each_record(std::string_view phase, Visit&& visit) {
    Spool::Reader reader(spool_);
    Record record;
    for (std::uint64_t i = 0; i < spool_.records(); ++i) {
      auto read = reader.next(record);
      if (!read) return read;
      auto visited = visit(static_cast<std::uint32_t>(i), record);
      if (!visited) return visited;
      auto reported = report_record(watch_, phase, i + 1, spool_.records());
      if (!reported) return reported;
    }
    return {};
  }

  Result<void> read_input() {
    auto input = open_input(build_.input);
    if (!input) return forward_error(input);
    const std::uint64_t total_bytes = input->second;
    RecordSyntax syntax = build_.syntax;
    if (build_.value_bytes) {
      syntax.max_value_bytes = std::min(syntax.max_value_bytes, *build_.value_bytes);
    }
    RecordReader reader(std::move(input->first), syntax);
    Record record;
    for (;;) {
      auto more = reader.next(record);
      if (!more) return forward_error(more);
      if (!*more) break;
      if (spool_.records() == max_keyed_rows) {
        return fail(ErrorCode::table_full,
                    "a keyed table may have at most 2^32 - 1 rows; split the input");
      }
      auto added = spool_.add(record);
      if (!added) return added;
      if (spool_.records() % records_per_progress == 0) {
        auto reported = report(watch_, "reading", reader.bytes_read(), total_bytes);
        if (!reported) return reported;
      }
    }
    if (spool_.records() == 0) {
      return fail(ErrorCode::empty_snapshot, "the input must have at least one record");
    }
    built_.skipped_header = reader.skipped_header();
    auto finished = spool_.finish();
    if (!finished) return finished;
    return report(watch_, "reading", reader.bytes_read(), reader.bytes_read());
  }

  Result<void> choose_geometry() {
    auto metadata = start_metadata(build_.origin, random_);
    if (!metadata) return forward_error(metadata);
    metadata_ = *metadata;
    layout_.value = build_.syntax.value;
    layout_.value_bytes = layout_.value == ValueKind::ethereum_account
                              ? ethereum_account_value_bytes
                              : build_.value_bytes.value_or(spool_.longest_value_bytes());
    const std::uint32_t row_bytes = (tag_bytes + layout_.value_bytes + 3U) / 4U * 4U;

    // In millionths, so that the number of rows does not depend on how 0.85 is rounded.
    constexpr double millionths = 1e6;
    const auto load = static_cast<std::uint64_t>(std::llround(build_.load * millionths));
    const std::uint64_t rows =
        divide_rounding_up(spool_.records() * static_cast<std::uint64_t>(millionths), load);
    auto geometry = padded_geometry(rows, row_bytes, build_.origin);
    if (!geometry) return forward_error(geometry);
    if (geometry->rows > max_keyed_rows) {
      return fail(ErrorCode::table_full,
                  "a keyed table may have at most 2^32 - 1 rows; split the input");
    }
    metadata_.geometry = *geometry;
    return {};
  }

  // Finds keys that occur twice by their equal tags, and a tag key under which all others differ:
  // two keys of the table must not be able to answer for each other.
  Result<void> choose_tag_key() {
    for (unsigned i = 0; i < max_tag_keys; ++i) {
      auto filled = random_.fill(layout_.tag_key);
      if (!filled) return filled;
      std::vector<TaggedKey> tagged(static_cast<std::size_t>(spool_.records()));
      auto read = for_each_record("checking keys", [&](std::uint32_t number, const Record& record) {
        tagged[number] = {table::tag(layout_, record.key), number};
        return Result<void>{};
      });
      if (!read) return read;
      std::sort(tagged.begin(), tagged.end());
      // Of all pairs of equal tags the one whose later record comes first, as a person would find
      // it.
      std::optional<std::pair<std::uint32_t, std::uint32_t>> pair;
      for (std::size_t j = 1; j < tagged.size(); ++j) {
        if (tagged[j - 1].tag == tagged[j].tag && (!pair || tagged[j].number < pair->second)) {
          pair = {tagged[j - 1].number, tagged[j].number};
        }
      }
      if (!pair) return {};
      auto different = check_different(pair->first, pair->second);
      if (!different) return different;
    }
    return fail(ErrorCode::internal, "no tag key was found that tells all keys apart");
  }

  Result<void> check_different(std::uint32_t first, std::uint32_t second) {
    Record earlier;
    Record later;
    auto read = for_each_record("checking keys", [&](std::uint32_t number, const Record& record) {
      if (number == first) earlier = record;
      if (number == second) later = record;
      return Result<void>{};
    });
    if (!read) return read;
    if (earlier.key != later.key) return {};
    return fail(ErrorCode::duplicate_key,
                "lines " + std::to_string(earlier.line) + " and " + std::to_string(later.line) +
                    " of the input have the same key; every key may occur once");
  }

  Result<void> place() {
    const auto row_count = static_cast<std::uint32_t>(metadata_.geometry.rows);
    std::vector<table::CandidateRows> candidates(static_cast<std::size_t>(spool_.records()));
    while (built_.placements < max_placements) {
      ++built_.placements;
      for (Bytes16& seed : layout_.seeds) {
        auto filled = random_.fill(seed);
        if (!filled) return filled;
      }
      auto walk_seed = random_number<std::uint64_t>(random_);
      if (!walk_seed) return forward_error(walk_seed);
      auto read = for_each_record("hashing keys", [&](std::uint32_t number, const Record& record) {
        const table::Candidates found = table::candidates(layout_, row_count, record.key);
        std::transform(found.begin(), found.end(), candidates[number].begin(),
                       [](std::uint64_t row) { return static_cast<std::uint32_t>(row); });
        return Result<void>{};
      });
      if (!read) return read;
      auto placed = table::place_keys(candidates, row_count, *walk_seed, [&](std::uint64_t done) {
        return report(watch_, "placing keys", done, spool_.records()).has_value();
      });
      if (placed) {
        rows_of_keys_ = std::move(*placed);
        metadata_.layout = layout_;
        return report(watch_, "placing keys", spool_.records(), spool_.records());
      }
      if (watch_.stop.stop_requested()) return cancelled();
    }
    return fail(ErrorCode::table_full, "the keys did not fit with " +
                                           std::to_string(max_placements) +
                                           " choices of seeds; choose a lower load");
  }

  Result<void> write_files() {
    const Geometry& geometry = metadata_.geometry;
    OutputFiles files(build_.output.directory);
    auto rows_file =
        files.create(build_.output.rows().filename().string(), "the rows file", public_mode);
    if (!rows_file) return forward_error(rows_file);
    auto key_file =
        files.create(build_.output.builder().filename().string(), "the builder file", private_mode);
    if (!key_file) return forward_error(key_file);
    auto assembler = RowAssembler::create(geometry, rows_of_keys_, build_.output.directory);
    if (!assembler) return forward_error(assembler);

    BuilderFileWriter keys(**key_file);
    auto written = keys.begin(metadata_, spool_.records());
    if (!written) return written;
    std::vector<std::byte> row(geometry.row_bytes);
    written = for_each_record("sorting rows", [&](std::uint32_t number, const Record& record) {
      table::encode_row(table::tag(layout_, record.key), record.value, row);
      auto added = assembler->add(rows_of_keys_[number], row);
      if (!added) return added;
      return keys.add(record.key, rows_of_keys_[number]);
    });
    if (!written) return written;

    RowsWriter rows(**rows_file, geometry.bytes(), watch_);
    written =
        assembler->finish([&](std::span<const std::byte> piece) { return rows.write(piece); });
    if (!written) return written;
    built_.manifest = make_manifest(metadata_, build_.output, rows.finish(), spool_.records());
    written = keys.finish(built_.manifest.content_id);
    if (!written) return written;
    // Last, for with it the snapshot is there.
    written = write_manifest(built_.manifest, build_.output, files);
    if (!written) return written;
    if (watch_.stop.stop_requested()) return cancelled();
    return files.commit();
  }

  const KeyedBuild& build_;
  RandomSource& random_;
  const Watch& watch_;
  Spool spool_;
  Metadata metadata_;
  Cuckoo3Layout layout_;
  std::vector<std::uint32_t> rows_of_keys_;
  Built built_;
};

Result<Built> write_indexed(const IndexedBuild& build, File input, std::uint64_t input_bytes,
                            RandomSource& random, const Watch& watch) {
  auto metadata = start_metadata(build.origin, random);
  if (!metadata) return forward_error(metadata);
  OutputFiles files(build.output.directory);
  auto rows_file =
      files.create(build.output.rows().filename().string(), "the rows file", public_mode);
  if (!rows_file) return forward_error(rows_file);

  RowsWriter rows(**rows_file, input_bytes, watch);
  std::vector<std::byte> piece(digest_chunk_bytes);
  for (;;) {
    auto got = input.read(piece);
    if (!got) return forward_error(got);
    auto written = rows.write(std::span(piece).first(*got));
    if (!written) return forward_error(written);
    if (*got < piece.size()) break;
  }
  if (rows.written_bytes() == 0) {
    return fail(ErrorCode::empty_snapshot, "the input must have at least one row");
  }
  if (rows.written_bytes() % build.row_bytes != 0) {
    return fail(ErrorCode::misaligned_size, "the input's size must be a multiple of --row-bytes (" +
                                                std::to_string(build.row_bytes) + ")");
  }
  auto geometry =
      padded_geometry(rows.written_bytes() / build.row_bytes, build.row_bytes, build.origin);
  if (!geometry) return forward_error(geometry);
  metadata->geometry = *geometry;
  const std::vector<std::byte> padding(
      static_cast<std::size_t>(geometry->bytes() - rows.written_bytes()));
  auto written = rows.write(padding);
  if (!written) return forward_error(written);

  Built built;
  built.manifest = make_manifest(*metadata, build.output, rows.finish(), std::nullopt);
  written = write_manifest(built.manifest, build.output, files);
  if (!written) return forward_error(written);
  if (watch.stop.stop_requested()) return cancelled();
  written = files.commit();
  if (!written) return forward_error(written);
  return built;
}

}  // namespace

Result<Built> build_keyed(const KeyedBuild& build, RandomSource& random, const Watch& watch) try {
  constexpr double min_load = 0.001;
  if (!(build.load >= min_load && build.load <= max_load)) {
    return fail(ErrorCode::bad_configuration, "the load must be from 0.001 to 0.85");
  }
  if (build.value_bytes && build.syntax.value == ValueKind::ethereum_account &&
      *build.value_bytes != ethereum_account_value_bytes) {
    return fail(ErrorCode::bad_configuration, "the value of an ethereum-account has 28 bytes");
  }
  if (build.value_bytes && *build.value_bytes > Geometry::max_row_bytes - tag_bytes) {
    return fail(ErrorCode::bad_configuration,
                "a value may have at most " + std::to_string(Geometry::max_row_bytes - tag_bytes) +
                    " bytes");
  }
  auto checked = check_output(build.output);
  if (!checked) return forward_error(checked);
  auto spool = Spool::create(build.output.directory);
  if (!spool) return forward_error(spool);
  return KeyedBuilder(build, random, watch, std::move(*spool)).run();
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<Built> build_indexed(const IndexedBuild& build, RandomSource& random,
                            const Watch& watch) try {
  // The rows' number is not known yet; everything else is checked before anything is written.
  auto shape = padded_geometry(1, build.row_bytes, build.origin);
  if (!shape) return forward_error(shape);
  auto checked = check_output(build.output);
  if (!checked) return forward_error(checked);
  auto input = open_input(build.input);
  if (!input) return forward_error(input);
  return write_indexed(build, std::move(input->first), input->second, random, watch);
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace gyre::snapshot
