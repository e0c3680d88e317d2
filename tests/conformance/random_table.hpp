// Random tables, overlays and queries, and what their answers must be, byte by byte.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/backend.hpp"
#include "core/dpf/expand.hpp"
#include "core/dpf/generate.hpp"
#include "core/geometry.hpp"
#include "core/overlay.hpp"
#include "tests/support/generators.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {

using Bytes = std::vector<std::byte>;

inline Bytes random_bytes(SeededRandom& random, std::size_t count) {
  Bytes bytes(count);
  (void)random.fill(bytes);
  return bytes;
}

// Any number of pages of any number of rows, about most_bytes of them at most.
inline rc::Gen<Geometry> any_geometry_of(std::uint32_t row_bytes, std::uint64_t most_bytes) {
  return rc::gen::exec([row_bytes, most_bytes] {
    const auto any_rows_per_page =
        *rc::gen::oneOf(rc::gen::element<std::uint32_t>(1, 2, 7, 8, 64, 113, 128),
                        anywhere_in<std::uint32_t>(1, 200));
    const auto rows_per_page = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(most_bytes / row_bytes, 1, any_rows_per_page));
    const std::uint64_t most_pages =
        std::clamp<std::uint64_t>(most_bytes / (std::uint64_t{row_bytes} * rows_per_page), 1, 40);
    const auto pages = *anywhere_in<std::uint64_t>(1, most_pages + 1);
    return Geometry{
        .rows = pages * rows_per_page, .row_bytes = row_bytes, .rows_per_page = rows_per_page};
  });
}

inline rc::Gen<std::uint32_t> any_short_row_bytes() {
  return rc::gen::map(anywhere_in<std::uint32_t>(1, 40), [](std::uint32_t n) { return 4 * n; });
}

// Any shape: rows smaller and larger than vectors and cache lines and pages, pages of one row, of
// an odd number, of whole bytes of selection bits, tables with and without whole groups of eight
// pages. Most are small, one in ten has up to 1 MiB.
inline rc::Gen<Geometry> any_geometry() {
  return rc::gen::exec([] {
    const auto row_bytes = *rc::gen::oneOf(
        any_short_row_bytes(),
        rc::gen::element<std::uint32_t>(32, 36, 64, 100, 256, 388, 1000, 4096, 4100, 8200, 65536));
    const std::uint64_t most_bytes =
        *rc::gen::weightedElement<std::uint64_t>({{9, 64U << 10U}, {1, 1U << 20U}});
    return *any_geometry_of(row_bytes, most_bytes);
  });
}

// Small enough for hundreds of queries.
inline rc::Gen<Geometry> any_small_geometry() {
  return rc::gen::exec([] {
    const auto row_bytes =
        *rc::gen::oneOf(any_short_row_bytes(), rc::gen::element<std::uint32_t>(32, 36, 256, 388));
    return *any_geometry_of(row_bytes, 8U << 10U);
  });
}

// Stages the rows in pieces of random sizes, from one row to all of them.
inline Result<std::shared_ptr<const Image>> make_image(Backend& backend, const Geometry& geometry,
                                                       const Bytes& rows, SeededRandom& random) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  const std::uint64_t largest = 1 + random.word() % geometry.rows;
  for (std::uint64_t row = 0; row < geometry.rows;) {
    const std::uint64_t count = std::min(1 + random.word() % largest, geometry.rows - row);
    const std::span<const std::byte> piece(rows.data() + row * geometry.row_bytes,
                                           count * geometry.row_bytes);
    if (auto written = (*staging)->write(row, piece); !written) return forward_error(written);
    row += count;
  }
  return (*staging)->seal();
}

// `batches` batches of up to 20 random rows each; the same rows come again and again.
inline Overlay random_overlay(const Geometry& geometry, std::size_t batches, SeededRandom& random) {
  Overlay overlay;
  for (std::size_t b = 0; b < batches; ++b) {
    OverlayBatch batch;
    batch.seq = b + 1;
    for (std::uint64_t i = 0; i < 1 + random.word() % 20; ++i) {
      batch.rows.push_back(random.word() % geometry.rows);
    }
    batch.rows.push_back(geometry.rows - 1);
    std::sort(batch.rows.begin(), batch.rows.end());
    batch.rows.erase(std::unique(batch.rows.begin(), batch.rows.end()), batch.rows.end());
    batch.differences = random_bytes(random, batch.rows.size() * geometry.row_bytes);
    auto longer = overlay.append(geometry, std::move(batch));
    RC_ASSERT(longer.has_value());
    overlay = std::move(*longer);
  }
  return overlay;
}

// The rows with every batch applied.
inline Bytes updated_rows(const Geometry& geometry, Bytes rows, const Overlay& overlay) {
  overlay.for_each([&](const OverlayBatch& batch) {
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
      for (std::size_t b = 0; b < geometry.row_bytes; ++b) {
        rows[batch.rows[i] * geometry.row_bytes + b] ^=
            batch.differences[i * geometry.row_bytes + b];
      }
    }
  });
  return rows;
}

// Record by record, byte by byte: the XOR of what the bits select of the updated rows.
inline Bytes expected_answer(const Geometry& geometry, const Bytes& rows, QueryKind kind,
                             std::span<const dpf::Block> leaves) {
  const std::uint64_t record_bytes = geometry.answer_bytes(kind);
  Bytes answer(record_bytes);
  for (std::uint64_t record = 0; record < geometry.records(kind); ++record) {
    const dpf::Block leaf = leaves[record / 128];
    const std::uint64_t half = record % 128 < 64 ? leaf.low : leaf.high;
    if (((half >> (record % 64)) & 1U) == 0) continue;
    for (std::uint64_t b = 0; b < record_bytes; ++b) answer[b] ^= rows[record * record_bytes + b];
  }
  return answer;
}

// The same with the bits that the key expands to.
inline Bytes expected_answer(const Geometry& geometry, const Bytes& rows, QueryKind kind,
                             const dpf::Key& key) {
  std::vector<dpf::Block> leaves(dpf::leaves_for(geometry.records(kind)));
  dpf::expand(*dpf::expansion_kernels().back(), key, 0, leaves);
  return expected_answer(geometry, rows, kind, std::span(std::as_const(leaves)));
}

inline Result<Bytes> answer_of(const Image& image, QueryKind kind, const dpf::Key& key,
                               const Overlay& overlay) {
  const Query query{.kind = kind, .key = &key, .overlay = &overlay};
  Bytes answer(image.geometry().answer_bytes(kind));
  if (auto done = image.answer({{&query, 1}}, answer); !done) return forward_error(done);
  return answer;
}

// A pass's answers added up part by part, from some part on.
inline Result<Bytes> answer_by_parts(const Image& image, Pass pass, SeededRandom& random) {
  const std::size_t parts = image.parts();
  Bytes sum(static_cast<std::size_t>(pass.answer_bytes(image.geometry())));
  const std::size_t first = random.word() % parts;
  for (std::size_t i = 0; i < parts; ++i) {
    pass.part = (first + i) % parts;
    Bytes answers = random_bytes(random, sum.size());  // what was there before must not matter
    if (auto done = image.answer(pass, answers); !done) return forward_error(done);
    for (std::size_t b = 0; b < sum.size(); ++b) sum[b] ^= answers[b];
  }
  return sum;
}

}  // namespace gyre
