#include "harness/scenario/rotating_history.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

#include "core/bytes.hpp"
#include "core/digest.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/snapshot/build.hpp"
#include "harness/snapshot/builder_file.hpp"
#include "harness/snapshot/chunk_digester.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::scenario {
namespace {

constexpr std::uint32_t row_bytes = tag_bytes + WrittenValue::bytes;
constexpr std::string_view key_prefix = "key-";
// Below the builder's largest load, so that every table is built at the first try.
constexpr double load = 0.8;

std::uint64_t number_of(std::span<const std::byte> key) {
  const std::string_view text(reinterpret_cast<const char*>(key.data()), key.size());
  std::uint64_t number = 0;
  std::from_chars(text.data() + key_prefix.size(), text.data() + text.size(), number);
  return number;
}

tl::unexpected<Error> cannot_write() {
  return fail(ErrorCode::io_failed, "a file of the scenario cannot be written");
}

}  // namespace

std::vector<std::byte> WrittenValue::encode() const {
  std::vector<std::byte> out;
  append_little_endian(out, base);
  append_little_endian(out, batch);
  append_little_endian(out, key);
  return out;
}

std::vector<std::byte> RotatingHistory::key(std::uint64_t number) {
  const std::string text = std::string(key_prefix) + std::to_string(number);
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Result<RotatingHistory> RotatingHistory::create(const HistoryPlan& plan, SeededRandom& random,
                                                const std::filesystem::path& directory,
                                                const ProgressReport& progress) {
  RotatingHistory history;
  const std::uint64_t rows = plan.table_bytes / row_bytes;
  history.keys_ = static_cast<std::uint64_t>(static_cast<double>(rows) * load);
  if (history.keys_ < plan.batch_rows) {
    return fail(ErrorCode::malformed_input,
                "the table of a rotation scenario must have more keys than a batch has rows");
  }
  history.choose_changes(plan, random);
  for (std::size_t number = 0; number <= plan.rotations; ++number) {
    progress("building snapshots", number, plan.rotations + 1);
    // A base falls in the middle between two rotations, so that there are batches to replay.
    const std::uint64_t as_of_seq =
        number == 0 ? 0 : plan.batches * (2 * number - 1) / (2 * plan.rotations);
    auto added = number % 2 == 0 ? history.add_new_table(number, as_of_seq, random, directory)
                                 : history.add_same_table(number, as_of_seq, directory);
    if (!added) return forward_error(added);
  }
  history.make_batches(plan);
  history.name_epochs();
  return history;
}

void RotatingHistory::choose_changes(const HistoryPlan& plan, SeededRandom& random) {
  for (unsigned i = 0; i < plan.batches; ++i) {
    std::set<std::uint64_t> chosen;
    while (chosen.size() < plan.batch_rows) chosen.insert(random.below(keys_));
    changed_keys_.emplace_back(chosen.begin(), chosen.end());
  }
}

std::uint64_t RotatingHistory::last_change(std::uint64_t key, std::uint64_t up_to) const {
  for (std::uint64_t seq = up_to; seq > 0; --seq) {
    const auto& changed = changed_keys_[seq - 1];
    if (std::binary_search(changed.begin(), changed.end(), key)) return seq;
  }
  return 0;
}

Result<void> RotatingHistory::add_new_table(std::size_t number, std::uint64_t as_of_seq,
                                            SeededRandom& random,
                                            const std::filesystem::path& directory) {
  const std::string name = "base-" + std::to_string(number);
  const auto input = directory / (name + ".csv");
  {
    std::ofstream csv(input, std::ios::binary);
    for (std::uint64_t i = 0; i < keys_; ++i) {
      csv << key_prefix << i << ',' << to_hex(WrittenValue{number, 0, i}.encode()) << '\n';
    }
    if (!csv.flush()) return cannot_write();
  }
  snapshot::KeyedBuild build;
  build.input = input;
  build.syntax.encoding = snapshot::ValueEncoding::hex;
  build.syntax.header = snapshot::CsvHeader::absent;
  build.output = {directory, name};
  build.origin.as_of_seq = as_of_seq;
  build.value_bytes = WrittenValue::bytes;
  build.load = load;
  const auto built = snapshot::build_keyed(build, random, snapshot::Watch{[](const auto&) {}, {}});
  std::error_code ignored;
  std::filesystem::remove(input, ignored);
  if (!built) return tl::unexpected<Error>(built.error());

  Base base{build.output.manifest().filename().string(), built->manifest, {}, {}};
  base.row_of_key.resize(keys_);
  auto file = snapshot::File::open(build.output.builder(), "the builder file");
  if (!file) return forward_error(file);
  const auto read = snapshot::read_builder_file(
      *file, base.manifest.metadata, [&](std::span<const std::byte> key, std::uint64_t row) {
        base.row_of_key[number_of(key)] = static_cast<std::uint32_t>(row);
        return Result<void>();
      });
  if (!read) return tl::unexpected<Error>(read.error());
  bases_.push_back(std::move(base));
  return {};
}

Result<void> RotatingHistory::add_same_table(std::size_t number, std::uint64_t as_of_seq,
                                             const std::filesystem::path& directory) {
  const std::string name = "base-" + std::to_string(number);
  Base base = bases_.back();
  snapshot::Manifest& manifest = base.manifest;
  manifest.metadata.as_of_seq = as_of_seq;
  manifest.metadata.block_number = number;
  manifest.file = name + ".rows";
  base.manifest_name = name + ".manifest.json";

  const auto& layout = std::get<Cuckoo3Layout>(manifest.metadata.layout);
  std::vector<std::byte> rows(manifest.metadata.geometry.bytes());
  for (std::uint64_t i = 0; i < keys_; ++i) {
    const auto row =
        std::span(rows).subspan(std::size_t{base.row_of_key[i]} * row_bytes, row_bytes);
    table::encode_row(table::tag(layout, key(i)), WrittenValue{number, 0, i}.encode(), row);
  }
  snapshot::ChunkDigester digester;
  digester.update(rows);
  auto digests = digester.finish();
  manifest.chunk_digests = std::move(digests.chunks);
  manifest.sha256 = digests.whole;
  manifest.content_id = content_id(
      manifest.metadata, manifest.chunk_digests,
      static_cast<Bytes32 (*)(std::span<const std::span<const std::byte>>)>(crypto::sha256));

  std::ofstream rows_file(directory / manifest.file, std::ios::binary);
  rows_file.write(reinterpret_cast<const char*>(rows.data()),
                  static_cast<std::streamsize>(rows.size()));
  std::ofstream manifest_file(directory / base.manifest_name, std::ios::binary);
  manifest_file << snapshot::manifest_to_text(manifest);
  if (!rows_file.flush() || !manifest_file.flush()) return cannot_write();
  bases_.push_back(std::move(base));
  return {};
}

void RotatingHistory::make_batches(const HistoryPlan& plan) {
  for (std::uint64_t seq = 1; seq <= plan.batches; ++seq) {
    // The newest base that this batch comes after.
    std::size_t at = 0;
    while (at + 1 < bases_.size() && bases_[at + 1].manifest.metadata.as_of_seq < seq) ++at;
    UpdateBatch batch{seq, {}};
    for (const std::size_t number : {at, at == 0 ? at : at - 1}) {
      const Base& base = bases_[number];
      const auto& metadata = base.manifest.metadata;
      if (!batch.tables.empty() && batch.tables.front().table == metadata.table) continue;
      const auto& layout = std::get<Cuckoo3Layout>(metadata.layout);
      std::vector<std::pair<std::uint64_t, std::uint64_t>> rows;  // row, key
      for (const std::uint64_t changed : changed_keys_[seq - 1]) {
        rows.emplace_back(base.row_of_key[changed], changed);
      }
      std::sort(rows.begin(), rows.end());
      TableUpdate part{metadata.table, {}, std::vector<std::byte>(rows.size() * row_bytes)};
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto [row, changed] = rows[i];
        part.rows.push_back(row);
        table::encode_row(table::tag(layout, key(changed)),
                          WrittenValue{WrittenValue::by_batch, seq, changed}.encode(),
                          std::span(part.data).subspan(i * row_bytes, row_bytes));
      }
      batch.tables.push_back(std::move(part));
    }
    std::sort(batch.tables.begin(), batch.tables.end(),
              [](const TableUpdate& a, const TableUpdate& b) { return a.table < b.table; });
    batches_.push_back(std::move(batch));
  }
}

void RotatingHistory::name_epochs() {
  for (Base& base : bases_) {
    const std::uint64_t as_of_seq = base.manifest.metadata.as_of_seq;
    base.ids.push_back(EpochId::of_base(base.manifest.content_id, as_of_seq));
    for (std::uint64_t seq = as_of_seq + 1; seq <= batches_.size(); ++seq) {
      base.ids.push_back(
          base.ids.back().after(seq, binary_form(batches_[seq - 1]), crypto::sha256));
    }
  }
}

std::optional<WrittenValue> RotatingHistory::expected(const EpochId& epoch,
                                                      std::uint64_t key) const {
  for (std::size_t number = 0; number < bases_.size(); ++number) {
    const Base& base = bases_[number];
    const std::uint64_t as_of_seq = base.manifest.metadata.as_of_seq;
    if (epoch.base != base.ids.front().base || epoch.seq < as_of_seq ||
        epoch.seq - as_of_seq >= base.ids.size() || base.ids[epoch.seq - as_of_seq] != epoch) {
      continue;
    }
    const std::uint64_t changed = last_change(key, epoch.seq);
    if (changed > as_of_seq) return WrittenValue{WrittenValue::by_batch, changed, key};
    return WrittenValue{number, 0, key};
  }
  return std::nullopt;
}

}  // namespace gyre::scenario
