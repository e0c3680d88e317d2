// A server's epochs with rotations, over an origin and a backend that wait and fail when told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "core/epoch_table.hpp"
#include "core/epoch_writer.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/protocol/snapshot_request.hpp"
#include "harness/server/metrics.hpp"
#include "harness/server/rotation_service.hpp"
#include "harness/snapshot/chunk_digester.hpp"
#include "harness/snapshot/manifest.hpp"
#include "tests/support/code_of.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {

// A place where somebody waits until a test lets him go on, or until he is asked to stop.
class Gate {
 public:
  // Whether to go on; false: asked to stop.
  bool pass(const std::stop_token& stop = {}) {
    std::unique_lock lock(mutex_);
    if (!closed_) return true;
    waits_ = true;
    changed_.notify_all();
    return changed_.wait(lock, stop, [this] { return !closed_; });
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waits_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }
  // Returns once somebody waits.
  void wait_for_arrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waits_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool closed_ = false;
  bool waits_ = false;
};

// Files by address; "…/name" lies beside any other "…/other".
class FakeOrigin final : public SnapshotOrigin {
 public:
  struct File {
    std::string bytes;
    std::optional<std::uint64_t> stated_size;
    std::optional<Error> error_at_end;
  };

  void serve(const std::string& url, std::string bytes) {
    const std::uint64_t size = bytes.size();
    files[url] = File{std::move(bytes), size, std::nullopt};
  }

  [[nodiscard]] Result<std::unique_ptr<Stream>> open(const std::string& url, std::uint64_t,
                                                     std::stop_token stop) override {
    ++opened;
    if (!at_open.pass(stop)) return fail(ErrorCode::cancelled, "stopped while opening");
    const auto file = files.find(url);
    if (file == files.end()) return fail(ErrorCode::not_found, "the origin has no such file");
    return std::make_unique<Reader>(*this, file->second, std::move(stop));
  }
  [[nodiscard]] Result<std::string> beside(const std::string& url,
                                           const std::string& file) const override {
    return url.substr(0, url.rfind('/') + 1) + file;
  }

  std::map<std::string, File> files;
  Gate at_open;
  Gate at_second_read;
  std::atomic<int> opened{0};

 private:
  class Reader final : public Stream {
   public:
    Reader(FakeOrigin& origin, const File& file, std::stop_token stop)
        : origin_(origin), file_(file), stop_(std::move(stop)) {}
    [[nodiscard]] std::optional<std::uint64_t> size() const override { return file_.stated_size; }
    [[nodiscard]] Result<std::size_t> read(std::span<std::byte> out) override {
      if (++reads_ > 1 && !origin_.at_second_read.pass(stop_)) {
        return fail(ErrorCode::cancelled, "stopped while reading");
      }
      const std::size_t count = std::min(out.size(), file_.bytes.size() - at_);
      if (count == 0 && file_.error_at_end) return tl::unexpected<Error>(*file_.error_at_end);
      std::memcpy(out.data(), file_.bytes.data() + at_, count);
      at_ += count;
      return count;
    }

   private:
    FakeOrigin& origin_;
    const File file_;
    const std::stop_token stop_;
    std::size_t at_ = 0;
    int reads_ = 0;
  };
};

// Three chunks, the last one short, with rows and pages across both borders.
inline constexpr Geometry rotation_geometry{2'400, 1'000, 4};

inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A snapshot of test rows.
struct TestSnapshot {
  explicit TestSnapshot(unsigned number, unsigned table_number = 0, std::uint64_t as_of_seq = 0,
                        Geometry geometry = rotation_geometry) {
    const auto bytes = test_rows(number, geometry, 0, geometry.rows);
    rows = as_text(bytes);
    manifest.metadata.geometry = geometry;
    manifest.metadata.table.fill(static_cast<std::byte>(table_number + 1));
    manifest.metadata.as_of_seq = as_of_seq;
    manifest.file = "table-" + std::to_string(number) + ".rows";
    snapshot::ChunkDigester digester;
    digester.update(bytes);
    auto digests = digester.finish();
    manifest.chunk_digests = std::move(digests.chunks);
    manifest.sha256 = digests.whole;
    name();
  }
  // After a change of the metadata.
  void name() {
    manifest.content_id = content_id(manifest.metadata, manifest.chunk_digests, crypto::sha256);
  }

  [[nodiscard]] std::string rows_url() const { return "https://origin/" + manifest.file; }
  [[nodiscard]] std::string manifest_url() const { return rows_url() + ".manifest.json"; }
  void publish_at(FakeOrigin& origin) const {
    origin.serve(rows_url(), rows);
    origin.serve(manifest_url(), snapshot::manifest_to_text(manifest));
  }
  [[nodiscard]] protocol::SnapshotRequest by_manifest() const {
    return {protocol::ManifestSnapshot{manifest_url()}, false};
  }
  [[nodiscard]] protocol::SnapshotRequest raw() const {
    return {protocol::RawSnapshot{rows_url(), manifest.sha256, manifest.metadata}, false};
  }
  [[nodiscard]] EpochId id() const {
    return EpochId::of_base(manifest.content_id, manifest.metadata.as_of_seq);
  }

  std::string rows;
  snapshot::Manifest manifest;
};

// Staging that waits before it seals.
class GatedStaging final : public ImagesStaging {
 public:
  GatedStaging(std::unique_ptr<ImagesStaging> inside, Gate& at_seal)
      : inside_(std::move(inside)), at_seal_(at_seal) {}
  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override {
    return inside_->write(first_row, rows);
  }
  [[nodiscard]] Result<Images> seal() override {
    at_seal_.pass();
    return inside_->seal();
  }

 private:
  std::unique_ptr<ImagesStaging> inside_;
  Gate& at_seal_;
};

// What a failed rotation must leave as it was.
struct Observed {
  std::vector<std::string> epochs;  // ids with their generations, current first
  std::uint64_t memory_bytes = 0;

  friend bool operator==(const Observed&, const Observed&) = default;
};

class RotationTest : public testing::Test {
 protected:
  explicit RotationTest(std::uint64_t memory_limit_bytes = 0,
                        RotationLimits limits = quick_limits(), WriterLimits writer_limits = {})
      : backend_(CpuBackend::create({.kernel = "portable",
                                     .executor = "pool",
                                     .threads = 1,
                                     .memory_limit_bytes = memory_limit_bytes})
                     .value()),
        epochs_("0123456789abcdef", RetentionPolicy{}, retirer_),
        writer_(epochs_, crypto::sha256, writer_limits),
        service_(environment(), limits, epochs_.boot()) {}
  ~RotationTest() override {
    for (Gate* gate : {&origin_.at_open, &origin_.at_second_read, &at_seal_, &at_commit_}) {
      gate->open();
    }
  }

  // A test on a loaded machine waits for what it holds itself, never for time to pass.
  static RotationLimits quick_limits() {
    RotationLimits limits;
    limits.lock_timeout = std::chrono::hours(1);
    return limits;
  }

  RotationEnvironment environment() {
    const StageImages stage = stage_in({backend_.get()});
    return RotationEnvironment{
        epochs_,
        writer_,
        origin_,
        [this, stage](const Geometry& geometry) -> Result<std::unique_ptr<ImagesStaging>> {
          at_stage_();
          auto inside = stage(geometry);
          if (!inside) return forward_error(inside);
          return std::make_unique<GatedStaging>(std::move(*inside), at_seal_);
        },
        [this] {
          epochs_.drop_other_bases();
          retirer_.drain();
        },
        [this]() -> Result<void> {
          at_commit_.pass();
          if (commit_error_) return tl::unexpected<Error>(*commit_error_);
          return {};
        },
        [this](const protocol::RotationDocument& ended) { metrics_.count_rotation(ended); }};
  }

  // The rotation, once it has ended.
  std::shared_ptr<Rotation> run(const protocol::SnapshotRequest& request) {
    auto started = service_.start(request);
    if (!started) throw std::runtime_error(started.error().message);
    (*started)->wait();
    return *started;
  }
  std::optional<std::string> code_of_run(const protocol::SnapshotRequest& request) {
    const auto document = run(request)->document();
    if (!document.error) return std::nullopt;
    return document.error->code;
  }
  // Makes it current.
  void install(const TestSnapshot& snapshot) {
    snapshot.publish_at(origin_);
    const auto document = run(snapshot.by_manifest())->document();
    if (document.error) {
      throw std::runtime_error(document.error->detail);
    }
  }

  // Retained epochs on other bases may give way to any rotation, so they are not looked at.
  Observed observe() {
    epochs_.drop_other_bases();
    retirer_.drain();
    Observed observed;
    for (const Lease& lease : epochs_.snapshot()) {
      observed.epochs.push_back(lease.epoch().id.text() + " " + lease.generation().text());
    }
    observed.memory_bytes = backend_->memory_used_bytes();
    return observed;
  }
  [[nodiscard]] EpochId current() const { return epochs_.lease(CurrentEpoch{}).value().epoch().id; }
  // A row of the current epoch, updates included.
  [[nodiscard]] std::vector<std::byte> current_row(std::uint64_t row) const {
    const Lease lease = epochs_.lease(CurrentEpoch{}).value();
    std::vector<std::byte> bytes(lease.epoch().metadata.geometry.row_bytes);
    if (!lease.epoch().images.front()->read_rows(row, bytes)) {
      throw std::runtime_error("a test image cannot be read");
    }
    lease.epoch().overlay.apply_to_row(row, bytes);
    return bytes;
  }

  std::unique_ptr<CpuBackend> backend_;
  Retirer retirer_;
  EpochTable epochs_;
  EpochWriter writer_;
  FakeOrigin origin_;
  Gate at_seal_;
  Gate at_commit_;
  std::optional<Error> commit_error_;
  std::function<void()> at_stage_ = [] {};  // before memory is reserved; may throw
  Metrics metrics_;
  RotationService service_;  // last: its threads use the others
};

// A batch that sets one row of each table to a repeated byte.
inline UpdateBatch test_batch(std::uint64_t seq, const std::vector<unsigned>& tables,
                              std::uint64_t row = 5, std::uint32_t row_bytes = 1'000) {
  UpdateBatch batch;
  batch.seq = seq;
  for (const unsigned table : tables) {
    TableUpdate update;
    update.table.fill(static_cast<std::byte>(table + 1));
    update.rows = {row};
    update.data.assign(row_bytes, static_cast<std::byte>(seq));
    batch.tables.push_back(std::move(update));
  }
  return batch;
}

}  // namespace gyre::server
