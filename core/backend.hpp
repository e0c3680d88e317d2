// The seam between epochs and the places where images live.
//
// A backend makes staging areas, a staging area becomes an image, an image answers passes.
// Everything that can fail (memory, device) fails here, before publish.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dpf/key.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "core/overlay.hpp"

namespace gyre {

// One query of a pass. Pointers are borrowed for the duration of the call.
// REQUIRES: a key that dpf::check() accepted for the kind's number of records, or no key and
// selection_bytes() of the kind's number of records.
struct Query {
  QueryKind kind = QueryKind::row;
  const dpf::Key* key = nullptr;
  const Overlay* overlay = nullptr;  // batches of the epoch the query is pinned to; never null
  // Where there is no key: its expansion. Bit i of byte j selects record 8 j + i; bits past the
  // last record are passed over.
  std::span<const std::byte> selection{};
};

// Bytes of the selection bits over that many records: whole leaves, as a key expands to them.
[[nodiscard]] constexpr std::uint64_t selection_bytes(std::uint64_t records) noexcept {
  return (records / dpf::bits_per_leaf + (records % dpf::bits_per_leaf != 0 ? 1 : 0)) *
         sizeof(dpf::Block);
}

// Queries answered by one scan of one image, row and page queries and different overlays mixed as
// they come.
struct Pass {
  static constexpr std::size_t whole_table = ~std::size_t{0};

  std::span<const Query> queries;
  // Which of the image's parts is read, or all of them.
  std::size_t part = whole_table;

  // Bytes of all answers, one after another in the order of the queries, each of its kind's
  // answer_bytes.
  [[nodiscard]] std::uint64_t answer_bytes(const Geometry& geometry) const noexcept {
    std::uint64_t total = 0;
    for (const Query& query : queries) total += geometry.answer_bytes(query.kind);
    return total;
  }
};

// Rows made resident by one backend. Immutable; all functions may be called by any number of
// threads at once. Destroyed on the retire thread, not by a query.
class Image {
 public:
  Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  virtual ~Image() = default;

  [[nodiscard]] virtual const Geometry& geometry() const noexcept = 0;
  // Where it is resident: "cpu", "reference", a device's name.
  [[nodiscard]] virtual std::string_view residency() const noexcept = 0;
  // The code that scans it, for results and logs: instruction set and variant.
  [[nodiscard]] virtual std::string_view kernel() const noexcept = 0;
  // Memory this image owns, bytes.
  [[nodiscard]] virtual std::uint64_t memory_bytes() const noexcept = 0;

  // False once it failed in a way that asking again will not mend, a lost device for one: others
  // should answer in its place. It may become false at any time and never becomes true again.
  [[nodiscard]] virtual bool healthy() const noexcept { return true; }

  // Parts that a pass may be cut into, at least one, each worth a pass of its own; always the same
  // of one image. The XOR of a query's answers from all parts, in any order, is its answer from the
  // whole.
  [[nodiscard]] virtual std::size_t parts() const noexcept { return 1; }

  // For each query: the XOR of every record its key selects in this image, or in the pass's part of
  // it, with the query's overlay on top. The work does not depend on any key's bits. REQUIRES:
  // answers.size() == pass.answer_bytes(geometry()); a part below parts(), or the whole. Errors:
  // out_of_memory, or the device's; then `answers` holds nothing of meaning.
  [[nodiscard]] virtual Result<void> answer(const Pass& pass,
                                            std::span<std::byte> answers) const = 0;

  // Rows first_row …, row-major as they were staged. REQUIRES: out.size() a multiple of row_bytes
  // and the rows inside the geometry. Not for queries: the addresses show which rows.
  [[nodiscard]] virtual Result<void> read_rows(std::uint64_t first_row,
                                               std::span<std::byte> out) const = 0;

  // A new image with the overlay folded in; this one stays as it is. Errors: out_of_memory, the
  // device's.
  [[nodiscard]] virtual Result<std::shared_ptr<const Image>> with_updates(
      const Overlay& overlay) const = 0;
};

// Memory reserved for an image that is being filled. One thread at a time. Dropped without seal(),
// it gives everything back.
class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  virtual ~Staging() = default;

  // The next rows, row-major. They come in order, each exactly once, in pieces of any whole number
  // of rows. Errors: misaligned_size (not whole rows), geometry_mismatch (not the next row, or past
  // the last), the device's. After an error only destruction is allowed.
  [[nodiscard]] virtual Result<void> write(std::uint64_t first_row,
                                           std::span<const std::byte> rows) = 0;

  // The image, once every row was written; this staging area is empty afterwards. Errors:
  // geometry_mismatch (rows are missing), the device's.
  [[nodiscard]] virtual Result<std::shared_ptr<const Image>> seal() = 0;
};

// Whose memory it is: this process's, or that of a device with another capacity and other failures.
enum class Place : std::uint8_t { host, device };

// Passes and reads of a backend's images that failed for one reason.
struct BackendFailure {
  ErrorCode code;
  std::string reason;  // from a few fixed texts
  std::uint64_t count;
};

// A place where images can live. Thread-safe. Outlives its staging areas and images.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  // What its images say as their residency.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual Place place() const noexcept { return Place::host; }
  // Held right now by its images, staging areas and scans; 0 where no account is kept.
  [[nodiscard]] virtual std::uint64_t memory_used_bytes() const noexcept { return 0; }

  // Why its images failed to answer, since it was made; none where images do not fail. May throw
  // bad_alloc.
  [[nodiscard]] virtual std::vector<BackendFailure> failures() const { return {}; }

  // Reserves all memory up front. Errors: out_of_memory, device_out_of_memory.
  [[nodiscard]] virtual Result<std::unique_ptr<Staging>> stage(const Geometry& geometry) = 0;
};

}  // namespace gyre
