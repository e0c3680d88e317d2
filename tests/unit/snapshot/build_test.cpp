#include "harness/snapshot/build.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <cmath>
#include <csignal>

#include "harness/crypto/sha256.hpp"
#include "harness/snapshot/builder_file.hpp"
#include "harness/table/account.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/example_metadata.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/snapshot/built_table.hpp"

namespace gyre::snapshot {
namespace {

KeyedBuild text_build(const TestDirectory& directory, std::string_view csv) {
  KeyedBuild build;
  build.input = directory.write("input.csv", csv);
  build.syntax.header = CsvHeader::absent;
  build.output = {directory.path(), "table"};
  return build;
}

const std::set<std::string> all_files = {"input.csv", "table.builder", "table.manifest.json",
                                         "table.rows"};

std::string padded(std::string value, std::size_t size) {
  value.resize(size, '\0');
  return value;
}

// Any keys and values, any shape of pages: every key is found with its value at one of its
// candidates, once; keys that are not there are not found; nothing else is in the table.
RC_GTEST_PROP(BuildKeyed, EveryKeyIsFoundAndNoOther, ()) {
  const TestDirectory directory;
  const auto entries = *rc::gen::nonEmpty(rc::gen::container<Entries>(
      rc::gen::nonEmpty<std::string>(), rc::gen::arbitrary<std::string>()));
  const auto absent =
      *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty<std::string>());
  SeededRandom random(*rc::gen::arbitrary<std::uint64_t>());
  KeyedBuild build = text_build(directory, csv_of(entries));
  build.origin.rows_per_page = *anywhere_in<std::uint32_t>(1, 20);

  const auto built = build_keyed(build, random, {});
  if (!built) RC_FAIL(built.error().message);
  RC_ASSERT(directory.files() == all_files);
  const Manifest& manifest = built->manifest;
  RC_ASSERT(manifest.keys == entries.size());
  RC_ASSERT(manifest.metadata.geometry.rows_per_page == build.origin.rows_per_page);
  RC_ASSERT(static_cast<double>(entries.size()) <=
            max_load * static_cast<double>(manifest.metadata.geometry.rows));
  const BuiltTable table(directory, manifest);
  const std::size_t value_size = manifest.metadata.geometry.row_bytes - tag_bytes;
  for (const auto& [key, value] : entries) {
    RC_ASSERT(table.matches(as_bytes(key)) == std::vector{padded(value, value_size)});
  }
  for (const std::string& key : absent) {
    if (!entries.contains(key)) RC_ASSERT(table.matches(as_bytes(key)).empty());
  }
  RC_ASSERT(table.used_rows() == entries.size());
}

class BuildKeyedTest : public TemporaryDirectoryTest {
 protected:
  // The error of a build that must fail and leave nothing behind.
  Error error_of(const KeyedBuild& build, const Watch& watch = {}) {
    SeededRandom random(1);
    const auto files_before = directory_.files();
    const auto built = build_keyed(build, random, watch);
    EXPECT_FALSE(built);
    EXPECT_EQ(directory_.files(), files_before);
    return built ? Error{ErrorCode::internal, ""} : built.error();
  }
};

TEST_F(BuildKeyedTest, TwoHundredThousandAccountsFitTheLoad) {
  constexpr std::uint32_t accounts = 200'000;
  SeededRandom random(7);
  std::string csv = "address,balance,nonce,code\n";
  std::vector<Bytes16> samples;
  for (std::uint32_t i = 0; i < accounts; ++i) {
    Bytes16 bytes{};
    ASSERT_TRUE(random.fill(bytes));
    if (i % 1000 == 0) samples.push_back(bytes);
    csv += "0x" + to_hex(bytes) + "00000000," + std::to_string(i) + "000000000000000000," +
           std::to_string(i) + ",1\n";
  }
  KeyedBuild build = text_build(directory_, csv);
  build.syntax.value = ValueKind::ethereum_account;
  build.syntax.header = CsvHeader::automatic;
  const auto built = build_keyed(build, random, {});
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_TRUE(built->skipped_header);
  EXPECT_EQ(built->placements, 1U);
  const Geometry& geometry = built->manifest.metadata.geometry;
  EXPECT_EQ(geometry.row_bytes, 36U);
  EXPECT_EQ(geometry.rows_per_page, 113U);
  // 200,000 / 0.85 is 235,294.1 rows, 2,082.3 pages.
  EXPECT_EQ(geometry.rows, 2083U * 113U);
  EXPECT_EQ(built->manifest.chunk_digests.size(), 9U);

  const BuiltTable table(directory_, built->manifest);
  EXPECT_EQ(table.used_rows(), accounts);
  for (std::uint32_t i = 0; i < samples.size(); ++i) {
    const auto key =
        table::parse_key(ValueKind::ethereum_account, "0x" + to_hex(samples[i]) + "00000000");
    ASSERT_TRUE(key);
    const auto matches = table.matches(*key);
    ASSERT_EQ(matches.size(), 1U);
    const auto account =
        table::decode_account(table::ConstEthereumAccountValue(as_bytes(matches[0])));
    EXPECT_TRUE(account ==
                (table::EthereumAccount{table::Uint128{i * 1000} * 1'000'000'000'000'000'000U,
                                        i * 1000, 1}));
  }
}

TEST_F(BuildKeyedTest, DescribesWhatItWrote) {
  KeyedBuild build = text_build(directory_, "a,1\nb,22\nc,333\n");
  build.origin = {.as_of_seq = 5,
                  .block_number = 6,
                  .state_root = counting_bytes<Bytes32>(),
                  .table = counting_bytes<Bytes16>(),
                  .rows_per_page = 10};
  SeededRandom random(1);
  const auto built = build_keyed(build, random, {});
  ASSERT_TRUE(built) << built.error().message;
  const Manifest& manifest = built->manifest;
  EXPECT_EQ(parse_manifest(directory_.read("table.manifest.json")), manifest);
  EXPECT_EQ(manifest.metadata.as_of_seq, 5U);
  EXPECT_EQ(manifest.metadata.block_number, 6U);
  EXPECT_EQ(manifest.metadata.state_root, counting_bytes<Bytes32>());
  EXPECT_EQ(manifest.metadata.table, counting_bytes<Bytes16>());
  EXPECT_EQ(manifest.metadata.geometry, (Geometry{10, 12, 10}));
  EXPECT_EQ(std::get<Cuckoo3Layout>(manifest.metadata.layout).value_bytes, 3U);
  const std::string rows = directory_.read("table.rows");
  EXPECT_EQ(rows.size(), 120U);
  EXPECT_EQ(manifest.sha256, crypto::sha256(as_bytes(rows)));
  EXPECT_EQ(manifest.chunk_digests, std::vector{crypto::sha256(as_bytes(rows))});
}

TEST_F(BuildKeyedTest, TheBuilderFileNamesEveryKeyAndIsPrivate) {
  const Entries entries = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  const KeyedBuild build = text_build(directory_, csv_of(entries));
  SeededRandom random(1);
  const auto built = build_keyed(build, random, {});
  ASSERT_TRUE(built) << built.error().message;
  struct stat status {};
  ASSERT_EQ(::stat(build.output.builder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);

  const Metadata& metadata = built->manifest.metadata;
  const std::string rows = directory_.read("table.rows");
  auto file = File::open(build.output.builder(), "it");
  ASSERT_TRUE(file);
  Entries found;
  const auto summary = read_builder_file(
      *file, metadata, [&](std::span<const std::byte> key, std::uint64_t row) -> Result<void> {
        const std::string key_text(reinterpret_cast<const char*>(key.data()), key.size());
        found[key_text] =
            rows.substr(static_cast<std::size_t>(row * metadata.geometry.row_bytes + 8), 1);
        return {};
      });
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(found, entries);
  EXPECT_EQ(summary->keys, 3U);
  EXPECT_EQ(summary->content_id, built->manifest.content_id);
}

TEST_F(BuildKeyedTest, EveryByteOfTheBuilderFileIsCovered) {
  const KeyedBuild build = text_build(directory_, "a,1\nb,2\n");
  SeededRandom random(1);
  const auto built = build_keyed(build, random, {});
  ASSERT_TRUE(built);
  const std::string right = directory_.read("table.builder");
  const auto read = [&](const std::string& content) {
    auto file = File::open(directory_.write("changed", content), "it");
    return code_of(read_builder_file(*file, built->manifest.metadata,
                                     [](auto, auto) { return Result<void>{}; }));
  };
  EXPECT_EQ(read(right), std::nullopt);
  for (std::size_t i = 0; i < right.size(); ++i) {
    std::string changed = right;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    EXPECT_NE(read(changed), std::nullopt) << i;
    EXPECT_NE(read(right.substr(0, i)), std::nullopt) << i;
  }
  EXPECT_NE(read(right + "x"), std::nullopt);
}

TEST_F(BuildKeyedTest, IsDeterminedByItsInputAndRandomBytes) {
  const TestDirectory other;
  for (const TestDirectory* const directory :
       std::initializer_list<const TestDirectory*>{&directory_, &other}) {
    SeededRandom random(3);
    ASSERT_TRUE(build_keyed(text_build(*directory, "a,1\nb,2\nc,3\n"), random, {}));
  }
  for (const std::string& name : all_files)
    EXPECT_EQ(directory_.read(name), other.read(name)) << name;
}

TEST_F(BuildKeyedTest, OtherRandomBytesMakeOtherSeedsAndIds) {
  const TestDirectory other;
  SeededRandom random(3);
  const auto first = build_keyed(text_build(directory_, "a,1\n"), random, {});
  const auto second = build_keyed(text_build(other, "a,1\n"), random, {});
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->manifest.metadata.table, second->manifest.metadata.table);
  EXPECT_NE(first->manifest.metadata.layout, second->manifest.metadata.layout);
  EXPECT_NE(first->manifest.content_id, second->manifest.content_id);
}

TEST_F(BuildKeyedTest, ADuplicateIsNamedByBothItsLines) {
  const Error error =
      error_of(text_build(directory_, "a,1\nb,1\n\nc,1\nb,2\nSECRET,1\na,3\nSECRET,1\n"));
  EXPECT_EQ(error.code, ErrorCode::duplicate_key);
  EXPECT_NE(error.message.find("lines 2 and 5 "), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find("SECRET"), std::string::npos);
}

TEST_F(BuildKeyedTest, OneAddressInTwoSpellingsIsADuplicate) {
  KeyedBuild build = text_build(directory_,
                                "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed,1\n"
                                "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED,2\n");
  build.syntax.value = ValueKind::ethereum_account;
  EXPECT_EQ(error_of(build).code, ErrorCode::duplicate_key);
}

TEST_F(BuildKeyedTest, AValueLongerThanAskedForIsRefused) {
  KeyedBuild build = text_build(directory_, "a,1\nb,22\n");
  build.value_bytes = 1;
  const Error error = error_of(build);
  EXPECT_EQ(error.code, ErrorCode::malformed_input);
  EXPECT_NE(error.message.find("line 2 "), std::string::npos) << error.message;
}

TEST_F(BuildKeyedTest, NothingToBuildIsRefused) {
  EXPECT_EQ(error_of(text_build(directory_, "")).code, ErrorCode::empty_snapshot);
  KeyedBuild build = text_build(directory_, "key,value\n");
  build.syntax.header = CsvHeader::automatic;
  EXPECT_EQ(error_of(build).code, ErrorCode::empty_snapshot);
}

TEST_F(BuildKeyedTest, UnusableSettingsAreRefused) {
  for (const double load : {0.0, -1.0, 0.86, std::nan("")}) {
    KeyedBuild build = text_build(directory_, "a,1\n");
    build.load = load;
    EXPECT_EQ(error_of(build).code, ErrorCode::bad_configuration) << load;
  }
  KeyedBuild build = text_build(directory_, "a,1\n");
  build.value_bytes = 65'529;
  EXPECT_EQ(error_of(build).code, ErrorCode::bad_configuration);
  build = text_build(directory_, "a,1\n");
  build.origin.rows_per_page = 0;
  EXPECT_EQ(error_of(build).code, ErrorCode::geometry_mismatch);
  build.origin.rows_per_page = 0xFFFF'FFFF;
  EXPECT_EQ(error_of(build).code, ErrorCode::geometry_mismatch);
  for (const std::string& name : {std::string(), std::string("."), std::string("-x"),
                                  std::string("a b"), std::string(196, 'a')}) {
    build = text_build(directory_, "a,1\n");
    build.output.name = name;
    EXPECT_EQ(error_of(build).code, ErrorCode::bad_configuration) << name;
  }
}

TEST_F(BuildKeyedTest, MissingInputAndOutputPlacesAreRefused) {
  KeyedBuild build = text_build(directory_, "a,1\n");
  build.input = directory_.path() / "missing";
  EXPECT_EQ(error_of(build).code, ErrorCode::io_failed);
  build = text_build(directory_, "a,1\n");
  build.input = directory_.path();
  EXPECT_EQ(error_of(build).code, ErrorCode::io_failed);
  build = text_build(directory_, "a,1\n");
  build.output.directory = directory_.path() / "missing";
  EXPECT_EQ(error_of(build).code, ErrorCode::io_failed);
  build.output.directory = directory_.path() / "input.csv";
  EXPECT_EQ(error_of(build).code, ErrorCode::io_failed);
}

TEST_F(BuildKeyedTest, NothingThatIsThereIsReplaced) {
  for (const std::string name : {"table.rows", "table.manifest.json", "table.builder"}) {
    const KeyedBuild build = text_build(directory_, "a,1\n");
    directory_.write(name, "old");
    EXPECT_EQ(error_of(build).code, ErrorCode::io_failed) << name;
    EXPECT_EQ(directory_.read(name), "old");
    std::filesystem::remove(directory_.path() / name);
  }
}

TEST_F(BuildKeyedTest, AStopAtAnyPhaseLeavesNothing) {
  std::string csv;
  for (int i = 0; i < 70'000; ++i) csv += std::to_string(i) + ",x\n";
  const KeyedBuild build = text_build(directory_, csv);
  std::vector<std::string> phases;
  Watch watch;
  watch.progress = [&](const Progress& progress) {
    if (phases.empty() || phases.back() != progress.phase) phases.emplace_back(progress.phase);
    EXPECT_LE(progress.done, progress.total);
  };
  SeededRandom random(1);
  ASSERT_TRUE(build_keyed(build, random, watch));
  for (const auto& path : {build.output.rows(), build.output.manifest(), build.output.builder()}) {
    std::filesystem::remove(path);
  }
  ASSERT_GE(phases.size(), 5U);
  for (const std::string& phase : phases) {
    std::stop_source stop;
    Watch stopping;
    stopping.stop = stop.get_token();
    stopping.progress = [&](const Progress& progress) {
      if (progress.phase == phase) stop.request_stop();
    };
    EXPECT_EQ(error_of(build, stopping).code, ErrorCode::cancelled) << phase;
  }
}

// Stands for a full disk: the process may not make files larger than so much.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(BuildKeyedTest, AFullDiskAtAnyPointLeavesNothing) {
  std::string csv;
  for (int i = 0; i < 2'000; ++i) csv += std::to_string(i) + "," + std::string(1000, 'x') + "\n";
  KeyedBuild build = text_build(directory_, csv);
  build.value_bytes = 2000;
  // Too little for the spool (2.0 MB), for the sorted rows (4.0 MB), and for the rows file (4.7
  // MB).
  for (const rlim_t bytes : {rlim_t{100'000}, rlim_t{3'000'000}, rlim_t{4'500'000}}) {
    const FileSizeLimit limit(bytes);
    EXPECT_EQ(error_of(build).code, ErrorCode::disk_full) << bytes;
  }
  SeededRandom random(1);
  EXPECT_TRUE(build_keyed(build, random, {}));
}

class FailingRandom final : public RandomSource {
 public:
  explicit FailingRandom(unsigned good_calls) : good_calls_(good_calls) {}
  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override {
    if (good_calls_ == 0) return fail(ErrorCode::internal, "no random bytes today");
    --good_calls_;
    return source_.fill(out);
  }

 private:
  unsigned good_calls_;
  SeededRandom source_{1};
};

TEST_F(BuildKeyedTest, AFailingRandomSourceIsAnError) {
  const KeyedBuild build = text_build(directory_, "a,1\n");
  // Table id, tag key, three seeds, the walk's seed.
  for (unsigned calls = 0; calls < 6; ++calls) {
    FailingRandom random(calls);
    EXPECT_EQ(code_of(build_keyed(build, random, {})), ErrorCode::internal) << calls;
    EXPECT_EQ(directory_.files(), std::set<std::string>{"input.csv"});
  }
  FailingRandom random(6);
  EXPECT_TRUE(build_keyed(build, random, {}));
}

// Gives equal seeds, so that every key has one candidate only.
class ConstantRandom final : public RandomSource {
 public:
  [[nodiscard]] Result<void> fill(std::span<std::byte> out) override {
    std::fill(out.begin(), out.end(), std::byte{1});
    return {};
  }
};

TEST_F(BuildKeyedTest, KeysThatNeverFitAreAnErrorAfterBoundedTries) {
  std::string csv;
  for (int i = 0; i < 100; ++i) csv += std::to_string(i) + ",x\n";
  ConstantRandom random;
  const auto built = build_keyed(text_build(directory_, csv), random, {});
  ASSERT_EQ(code_of(built), ErrorCode::table_full);
  EXPECT_NE(built.error().message.find("lower load"), std::string::npos);
  EXPECT_EQ(directory_.files(), std::set<std::string>{"input.csv"});
}

class BuildIndexedTest : public TemporaryDirectoryTest {
 protected:
  IndexedBuild build_of(std::string_view rows, std::uint32_t row_bytes) {
    IndexedBuild build;
    build.input = directory_.write("input", rows);
    build.row_bytes = row_bytes;
    build.output = {directory_.path(), "table"};
    return build;
  }
  std::optional<ErrorCode> code_of_failure(const IndexedBuild& build) {
    SeededRandom random(1);
    const auto code = code_of(build_indexed(build, random, {}));
    EXPECT_EQ(directory_.files(), std::set<std::string>{"input"});
    return code;
  }
};

TEST_F(BuildIndexedTest, RowsAreTakenAsTheyAreAndTheLastPageFilledWithZeros) {
  std::string rows(2'500'000, '\0');
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<char>(i * 7 + i / 256);
  IndexedBuild build = build_of(rows, 20);
  build.origin.rows_per_page = 204;
  SeededRandom random(1);
  const auto built = build_indexed(build, random, {});
  ASSERT_TRUE(built) << built.error().message;
  const Manifest& manifest = built->manifest;
  // 125,000 rows are 612.7 pages.
  EXPECT_EQ(manifest.metadata.geometry, (Geometry{613 * 204, 20, 204}));
  EXPECT_EQ(manifest.metadata.layout, Layout(IndexLayout{}));
  EXPECT_EQ(manifest.keys, std::nullopt);
  EXPECT_EQ(manifest.chunk_digests.size(), 3U);
  const std::string written = directory_.read("table.rows");
  EXPECT_TRUE(written == rows + std::string(613 * 204 * 20 - rows.size(), '\0'));
  EXPECT_EQ(manifest.sha256, crypto::sha256(as_bytes(written)));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(manifest.chunk_digests[i],
              crypto::sha256(as_bytes(written.substr(i << 20U, 1U << 20U))));
  }
  EXPECT_EQ(parse_manifest(directory_.read("table.manifest.json")), manifest);
  EXPECT_EQ(directory_.files(),
            (std::set<std::string>{"input", "table.manifest.json", "table.rows"}));
}

TEST_F(BuildIndexedTest, UnusableInputIsRefused) {
  EXPECT_EQ(code_of_failure(build_of("", 4)), ErrorCode::empty_snapshot);
  EXPECT_EQ(code_of_failure(build_of("12345", 4)), ErrorCode::misaligned_size);
  EXPECT_EQ(code_of_failure(build_of("12345", 5)), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of_failure(build_of("1234", 0)), ErrorCode::geometry_mismatch);
  EXPECT_EQ(code_of_failure(build_of("1234", 65'540)), ErrorCode::geometry_mismatch);
}

TEST_F(BuildIndexedTest, AFullDiskLeavesNothing) {
  const IndexedBuild build = build_of(std::string(100'000, 'x'), 20);
  const FileSizeLimit limit(50'000);
  EXPECT_EQ(code_of_failure(build), ErrorCode::disk_full);
}

}  // namespace
}  // namespace gyre::snapshot
