#include "harness/server/rotation_transaction.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/digest.hpp"
#include "core/dpf/key.hpp"
#include "core/fault_point.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/server/epoch_entry.hpp"
#include "harness/snapshot/ingest.hpp"
#include "harness/snapshot/manifest.hpp"

namespace gyre::server {
namespace {

using protocol::RotationPhase;

// What is known of a snapshot before its rows are read.
struct Announced {
  std::string rows_url;
  Metadata metadata;
  Bytes32 sha256{};
  std::vector<Bytes32> chunk_digests;  // empty: the request has none
  std::optional<Bytes32> content_id;
};

// A manifest of a table of so many bytes.
std::size_t longest_manifest(std::uint64_t max_snapshot_bytes) {
  constexpr std::uint64_t text_of_a_digest = 80;
  constexpr std::uint64_t everything_else = 16U << 10U;
  const std::uint64_t chunks = divide_rounding_up(max_snapshot_bytes, digest_chunk_bytes);
  return static_cast<std::size_t>(std::min<std::uint64_t>(
      snapshot::max_manifest_bytes, everything_else + text_of_a_digest * chunks));
}

Result<std::string> read_text(SnapshotOrigin::Stream& stream, std::size_t max_bytes) {
  constexpr std::size_t piece = std::size_t{64} << 10U;
  const auto too_long = [] {
    return fail(ErrorCode::request_too_large,
                "the manifest is longer than one of the largest snapshot that this server takes");
  };
  if (stream.size() && *stream.size() > max_bytes) return too_long();
  std::string text;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + piece);
    auto got = stream.read(std::as_writable_bytes(std::span(text)).subspan(before));
    if (!got) return forward_error(got);
    text.resize(before + *got);
    if (*got == 0) return text;
    if (text.size() > max_bytes) return too_long();
  }
}

Result<Announced> read_manifest(const RotationEnvironment& environment,
                                const RotationLimits& limits, const std::string& url,
                                const std::stop_token& stop) {
  const std::size_t max_bytes = longest_manifest(limits.max_snapshot_bytes);
  auto stream = environment.origin.open(url, max_bytes, stop);
  if (!stream) return forward_error(stream);
  auto text = read_text(**stream, max_bytes);
  if (!text) return forward_error(text);
  auto manifest = snapshot::parse_manifest(*text);
  if (!manifest) {
    // The bytes came from the origin, not with the request.
    if (manifest.error().code == ErrorCode::malformed_input) {
      manifest.error().code = ErrorCode::source_failed;
    }
    return forward_error(manifest);
  }
  auto rows_url = environment.origin.beside(url, manifest->file);
  if (!rows_url) return forward_error(rows_url);
  return Announced{std::move(*rows_url), manifest->metadata, manifest->sha256,
                   std::move(manifest->chunk_digests), manifest->content_id};
}

Result<void> check_metadata(const Metadata& metadata, const RotationLimits& limits) {
  if (auto consistent = check_consistent(metadata); !consistent) return consistent;
  if (metadata.geometry.bytes() > limits.max_snapshot_bytes) {
    return fail(ErrorCode::request_too_large,
                "the rows have more bytes than this server takes: at most " +
                    std::to_string(limits.max_snapshot_bytes));
  }
  if (dpf::levels_for(metadata.geometry.rows) > limits.max_key_levels) {
    return fail(ErrorCode::key_domain_mismatch,
                "the table needs longer keys than this server is configured for: at most " +
                    std::to_string(limits.max_key_levels) + " levels");
  }
  return {};
}

// One rotation that holds the lock.
class Transaction {
 public:
  Transaction(const RotationEnvironment& environment, const RotationLimits& limits,
              const protocol::SnapshotRequest& request, Rotation& rotation)
      : environment_(environment), limits_(limits), request_(request), rotation_(rotation) {}

  Result<RotationOutcome> run() {
    rotation_.enter(RotationPhase::lock);
    auto lock = environment_.writer.lock_rotation(limits_.lock_timeout, rotation_.stop_token());
    if (!lock) return forward_error(lock);

    rotation_.enter(RotationPhase::open);
    if (auto announced = announce(); !announced) return forward_error(announced);
    if (snapshot_.content_id) {
      if (auto same = as_before(*snapshot_.content_id)) return std::move(*same);
    }
    auto images = stage();
    if (!images) return forward_error(images);
    if (auto same = as_before(content_id_)) return std::move(*same);

    rotation_.enter(RotationPhase::validate);
    if (auto valid = validate(*images); !valid) return forward_error(valid);
    auto installed = environment_.writer.install(
        *lock, EpochWriter::Base{content_id_, snapshot_.metadata, std::move(*images)},
        request_.discard_updates, [this] { return commit(); });
    if (!installed) return forward_error(installed);
    RotationOutcome outcome{describe(installed->lease), false, installed->replayed,
                            installed->discarded};
    rotation_.enter(RotationPhase::retire);
    // The epoch is published; whatever is wrong here, a later round lets go of the old ones.
    (void)retire();
    return outcome;
  }

 private:
  Result<void> announce() {
    if (const auto* raw = std::get_if<protocol::RawSnapshot>(&request_.snapshot)) {
      snapshot_ = Announced{raw->url, raw->metadata, raw->sha256, {}, std::nullopt};
    } else {
      const auto& manifest = std::get<protocol::ManifestSnapshot>(request_.snapshot);
      auto read =
          read_manifest(environment_, limits_, manifest.manifest_url, rotation_.stop_token());
      if (!read) return forward_error(read);
      snapshot_ = std::move(*read);
    }
    return check_metadata(snapshot_.metadata, limits_);
  }

  // The current epoch, if the snapshot is its base.
  [[nodiscard]] std::optional<RotationOutcome> as_before(const Bytes32& content_id) const {
    auto current = environment_.epochs.lease(CurrentEpoch{});
    if (!current || current->epoch().content_id != content_id) return std::nullopt;
    return RotationOutcome{describe(*current), true, 0, 0};
  }

  // Whatever fails, the staging area gives everything back.
  Result<Images> stage() {
    const Geometry& geometry = snapshot_.metadata.geometry;
    std::stop_source reading;
    const std::stop_callback on_cancel(rotation_.stop_token(),
                                       [&reading] { reading.request_stop(); });
    auto rows = environment_.origin.open(snapshot_.rows_url, limits_.max_snapshot_bytes,
                                         reading.get_token());
    if (!rows) return forward_error(rows);
    if (const auto size = (*rows)->size()) {
      if (auto fits = snapshot::check_length(*size, geometry); !fits) return forward_error(fits);
    }
    rotation_.expect_bytes(geometry.bytes());
    environment_.make_room();
    if (auto go_on = rotation_.check_not_cancelled(); !go_on) return forward_error(go_on);
    auto staging = environment_.stage(geometry);
    if (!staging) return forward_error(staging);

    rotation_.enter(RotationPhase::stream);
    snapshot::Ingest work;
    work.geometry = geometry;
    work.chunk_digests = snapshot_.chunk_digests;
    work.read = [&](std::span<std::byte> out) { return (*rows)->read(out); };
    work.write = [&](std::uint64_t first_row, std::span<const std::byte> bytes) {
      return (*staging)->write(first_row, bytes);
    };
    work.progress = [this](std::uint64_t bytes) { rotation_.count_bytes(bytes); };
    work.all_written = [this] { rotation_.enter(RotationPhase::digest); };
    auto digests = snapshot::ingest(work, reading, rotation_.stop_token());
    if (!digests) return forward_error(digests);
    rows->reset();
    if (digests->whole != snapshot_.sha256) {
      return fail(ErrorCode::digest_mismatch,
                  "the rows do not have the SHA-256 that was stated; copy or build the snapshot "
                  "again");
    }
    content_id_ = content_id(snapshot_.metadata, digests->chunks, crypto::sha256);

    rotation_.enter(RotationPhase::seal);
    if (auto go_on = rotation_.check_not_cancelled(); !go_on) return forward_error(go_on);
    return (*staging)->seal();
  }

  Result<void> validate(const Images& images) const {
    GYRE_FAULT_POINT(validate);
    if (auto go_on = rotation_.check_not_cancelled(); !go_on) return go_on;
    if (snapshot_.content_id && *snapshot_.content_id != content_id_) {
      return fail(ErrorCode::digest_mismatch,
                  "the rows and metadata do not have the content id that the manifest says");
    }
    const bool fit = !images.empty() && std::all_of(images.begin(), images.end(), [&](auto& image) {
      return image != nullptr && image->geometry() == snapshot_.metadata.geometry;
    });
    if (fit) return {};
    return fail(ErrorCode::internal, "an image does not have the geometry that was staged");
  }

  // The writer calls it when nothing else can fail; the publish follows.
  Result<void> commit() {
    rotation_.enter(RotationPhase::commit);
    if (auto go_on = rotation_.check_not_cancelled(); !go_on) return go_on;
    GYRE_FAULT_POINT(catalog_commit);
    if (auto committed = environment_.commit(); !committed) return committed;
    rotation_.enter(RotationPhase::publish);
    return {};
  }

  Result<void> retire() {
    GYRE_FAULT_POINT(retire);
    environment_.epochs.expire(std::chrono::steady_clock::now());
    return {};
  }

  const RotationEnvironment& environment_;
  const RotationLimits& limits_;
  const protocol::SnapshotRequest& request_;
  Rotation& rotation_;
  Announced snapshot_;
  Bytes32 content_id_{};
};

}  // namespace

Result<RotationOutcome> rotate(const RotationEnvironment& environment, const RotationLimits& limits,
                               const protocol::SnapshotRequest& request, Rotation& rotation) try {
  return Transaction(environment, limits, request, rotation).run();
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory for a rotation");
}

}  // namespace gyre::server
