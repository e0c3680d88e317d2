#include "harness/snapshot/load.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "backends/reference/reference_backend.hpp"
#include "core/bytes.hpp"
#include "harness/snapshot/build.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/test_directory.hpp"

namespace gyre::snapshot {
namespace {

using nlohmann::json;

// A keyed table of four chunks, the last short, with rows across every border.
class Snapshot {
 public:
  Snapshot() {
    std::string csv;
    for (int i = 0; i < 80'000; ++i) {
      csv += "key " + std::to_string(i) + ",value of " + std::to_string(i * 7) + "\n";
    }
    KeyedBuild build;
    build.input = directory_.write("input.csv", csv);
    build.output = {directory_.path(), "table"};
    build.value_bytes = 24;
    build.load = 0.8;
    SeededRandom random(1);
    auto built = build_keyed(build, random, {});
    if (!built) throw std::runtime_error(built.error().message);
    manifest_ = std::move(built->manifest);
    rows_ = directory_.read("table.rows");
    manifest_text_ = directory_.read("table.manifest.json");
    builder_ = directory_.read("table.builder");
  }

  [[nodiscard]] std::filesystem::path path() const {
    return directory_.path() / "table.manifest.json";
  }
  [[nodiscard]] const Manifest& manifest() const noexcept { return manifest_; }
  [[nodiscard]] const std::string& rows() const noexcept { return rows_; }

  [[nodiscard]] std::optional<ErrorCode> load() const {
    ReferenceBackend backend;
    return code_of(load_snapshot(path(), backend, {}));
  }
  [[nodiscard]] Result<Verification> verify() const { return verify_snapshot(path(), {}); }

  void flip(std::uint64_t byte, unsigned bit) const {
    std::fstream file(directory_.path() / "table.rows",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(byte));
    file.put(static_cast<char>(static_cast<unsigned char>(rows_[static_cast<std::size_t>(byte)]) ^
                               (1U << bit)));
  }
  void put_back() const {
    directory_.write("table.rows", rows_);
    directory_.write("table.manifest.json", manifest_text_);
    directory_.write("table.builder", builder_);
  }
  void write(const std::string& name, std::string_view content) const {
    directory_.write(name, content);
  }
  [[nodiscard]] json manifest_json() const { return json::parse(manifest_text_); }
  [[nodiscard]] const std::string& builder() const noexcept { return builder_; }
  void remove(const std::string& name) const { std::filesystem::remove(directory_.path() / name); }

 private:
  TestDirectory directory_;
  Manifest manifest_;
  std::string rows_;
  std::string manifest_text_;
  std::string builder_;
};

class LoadTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { snapshot_ = std::make_unique<Snapshot>(); }
  static void TearDownTestSuite() { snapshot_.reset(); }
  void TearDown() override { snapshot_->put_back(); }

  static std::unique_ptr<Snapshot> snapshot_;
};
std::unique_ptr<Snapshot> LoadTest::snapshot_;

TEST_F(LoadTest, TheImageHoldsTheRowsOfTheFile) {
  ASSERT_EQ(snapshot_->manifest().chunk_digests.size(), 4U);
  ReferenceBackend backend;
  std::uint64_t done = 0;
  const auto loaded = load_snapshot(snapshot_->path(), backend,
                                    {[&](const Progress& progress) { done = progress.done; }, {}});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(done, snapshot_->rows().size());
  EXPECT_EQ(loaded->metadata, snapshot_->manifest().metadata);
  EXPECT_EQ(loaded->content_id, snapshot_->manifest().content_id);
  std::string rows(snapshot_->rows().size(), '?');
  ASSERT_TRUE(loaded->images.front()->read_rows(0, std::as_writable_bytes(std::span(rows))));
  EXPECT_TRUE(rows == snapshot_->rows());
}

TEST_F(LoadTest, AWholeSnapshotVerifies) {
  const auto verified = snapshot_->verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_TRUE(verified->problems.empty());
  EXPECT_TRUE(verified->wrong_chunks.empty());
  EXPECT_TRUE(verified->checked_builder_file);
}

TEST_F(LoadTest, TheBuilderFileIsNotNeeded) {
  snapshot_->remove("table.builder");
  const auto verified = snapshot_->verify();
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_TRUE(verified->problems.empty());
  EXPECT_FALSE(verified->checked_builder_file);
  EXPECT_EQ(snapshot_->load(), std::nullopt);
}

TEST_F(LoadTest, AFlippedBitIsFoundInItsChunk) {
  constexpr std::uint64_t chunk = digest_chunk_bytes;
  const std::uint64_t last = snapshot_->rows().size() - 1;
  SeededRandom random(5);
  std::vector<std::uint64_t> places = {0, chunk - 1, chunk, 2 * chunk - 1, 3 * chunk, last};
  for (int i = 0; i < 10; ++i) places.push_back(random.word() % (last + 1));
  for (const std::uint64_t place : places) {
    snapshot_->flip(place, static_cast<unsigned>(random.word() % 8));
    EXPECT_EQ(snapshot_->load(), ErrorCode::digest_mismatch) << place;
    const auto verified = snapshot_->verify();
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->wrong_chunks, std::vector<std::uint64_t>{place / chunk}) << place;
    EXPECT_FALSE(verified->problems.empty());
    snapshot_->put_back();
  }
}

TEST_F(LoadTest, EveryWrongChunkIsNamed) {
  for (const std::uint64_t place : {std::uint64_t{5}, digest_chunk_bytes * 3 + 7}) {
    snapshot_->flip(place, 0);
  }
  const auto verified = snapshot_->verify();
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->wrong_chunks, (std::vector<std::uint64_t>{0, 3}));
}

TEST_F(LoadTest, AFileOfAnotherLengthIsRefused) {
  for (const std::string& rows :
       {std::string(), snapshot_->rows().substr(0, snapshot_->rows().size() - 1),
        snapshot_->rows() + '\0'}) {
    snapshot_->write("table.rows", rows);
    EXPECT_EQ(snapshot_->load(), ErrorCode::geometry_mismatch) << rows.size();
    EXPECT_EQ(code_of(snapshot_->verify()), ErrorCode::geometry_mismatch) << rows.size();
  }
}

TEST_F(LoadTest, MissingFilesAreErrors) {
  snapshot_->remove("table.rows");
  EXPECT_EQ(snapshot_->load(), ErrorCode::io_failed);
  EXPECT_EQ(code_of(snapshot_->verify()), ErrorCode::io_failed);
  snapshot_->remove("table.manifest.json");
  EXPECT_EQ(snapshot_->load(), ErrorCode::io_failed);
  EXPECT_EQ(code_of(read_manifest(snapshot_->path())), ErrorCode::io_failed);
}

// With what ParseManifest's tests refuse, no single value of a manifest can be changed unnoticed.
TEST_F(LoadTest, WhatTheContentIdDoesNotCoverIsVerified) {
  const std::vector<std::pair<const char*, json>> changes = {
      {"keys", 79'999U}, {"keys", 80'001U}, {"sha256", std::string(64, '0')}};
  for (const auto& [member, value] : changes) {
    json changed = snapshot_->manifest_json();
    changed[member] = value;
    snapshot_->write("table.manifest.json", changed.dump());
    const auto verified = snapshot_->verify();
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_FALSE(verified->problems.empty()) << member;
  }
  json changed = snapshot_->manifest_json();
  changed["file"] = "table.builder";
  snapshot_->write("table.manifest.json", changed.dump());
  EXPECT_EQ(code_of(snapshot_->verify()), ErrorCode::geometry_mismatch);
}

TEST_F(LoadTest, ABuilderFileThatDoesNotFitIsFound) {
  std::string changed = snapshot_->builder();
  changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
  for (const std::string& builder : {changed, std::string("GYB1"), std::string()}) {
    snapshot_->write("table.builder", builder);
    const auto verified = snapshot_->verify();
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->problems.size(), 1U);
    EXPECT_TRUE(verified->checked_builder_file);
  }
}

TEST_F(LoadTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const Watch watch{[](const Progress&) {}, stop.get_token()};
  ReferenceBackend backend;
  EXPECT_EQ(code_of(load_snapshot(snapshot_->path(), backend, watch)), ErrorCode::cancelled);
  EXPECT_EQ(code_of(verify_snapshot(snapshot_->path(), watch)), ErrorCode::cancelled);
}

TEST(LoadSnapshot, RowsOfEverySizeCrossChunksUnharmed) {
  // Rows shorter and longer than what is left of a chunk, up to the longest there are.
  for (const std::uint32_t row_bytes : {4U, 36U, 1000U, 65'532U, 65'536U}) {
    const TestDirectory directory;
    SeededRandom random(row_bytes);
    std::string rows(row_bytes * ((std::size_t{5} << 19U) / row_bytes), '\0');
    ASSERT_TRUE(random.fill(std::as_writable_bytes(std::span(rows))));
    IndexedBuild build;
    build.input = directory.write("input", rows);
    build.row_bytes = row_bytes;
    build.output = {directory.path(), "table"};
    build.origin.rows_per_page = 1;
    ASSERT_TRUE(build_indexed(build, random, {}));
    ReferenceBackend backend;
    const auto loaded = load_snapshot(build.output.manifest(), backend, {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    std::string read(rows.size(), '?');
    ASSERT_TRUE(loaded->images.front()->read_rows(0, std::as_writable_bytes(std::span(read))));
    EXPECT_TRUE(read == rows) << row_bytes;
    const auto verified = verify_snapshot(build.output.manifest(), {});
    ASSERT_TRUE(verified);
    EXPECT_TRUE(verified->problems.empty());
    EXPECT_FALSE(verified->checked_builder_file);
  }
}

}  // namespace
}  // namespace gyre::snapshot
