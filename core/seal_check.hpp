// Whether a sealed image holds exactly the rows that were staged.
//
// While rows are staged, 64 random linear combinations of them are kept on the host. Afterwards the
// image is asked for the same combinations, and every bit must agree. Which rows are in which
// combination is a hash of the row's number and a fresh secret, so nothing that happens to the
// image can depend on it. An image that differs from the staged rows in any way (a flipped bit,
// rows swapped, a chunk that is old) passes with probability 2^-64: in any one byte where rows
// differ, the differences must cancel in each of 64 independent random subsets of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/backend.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "core/random_source.hpp"
#include "core/row_combinations.hpp"

namespace gyre {

// One table's check, for any number of images of it. add() for one thread at a time; the checks are
// const and may run at once.
class SealCheck {
 public:
  // With a fresh secret. Errors: internal (no random bytes), out_of_memory.
  [[nodiscard]] static Result<SealCheck> create(const Geometry& geometry);
  [[nodiscard]] static Result<SealCheck> create(const Geometry& geometry, RandomSource& random);

  // Rows first_row …, row-major, as they are staged; each row once. REQUIRES: whole rows.
  void add(std::uint64_t first_row, std::span<const std::byte> rows) noexcept {
    staged_.add(first_row, rows);
  }

  // Asks the image for the combinations as queries: what is checked is the memory, the layout and
  // the code that will serve. 64 scans in 8 passes, one byte of memory a row. For devices, whose
  // scans are cheap and whose uploads can fail silently. REQUIRES: every row was added. Errors:
  // image_corrupt, out_of_memory, the image's.
  [[nodiscard]] Result<void> check_answers(const Image& image) const;

  // Reads the image's rows back once and combines them again: the same certainty about the memory,
  // for images in host memory, where 64 scans take longer than one read. O(chunk) memory.
  // REQUIRES and errors as above.
  [[nodiscard]] Result<void> check_rows(const Image& image) const;

 private:
  SealCheck(const Geometry& geometry, const dpf::Block& seed, RowCombinations staged) noexcept
      : geometry_(geometry), seed_(seed), staged_(std::move(staged)) {}

  Geometry geometry_;
  dpf::Block seed_;
  RowCombinations staged_;
};

// check_answers() for an image on a device, check_rows() for one in host memory.
[[nodiscard]] Result<void> check_sealed(const SealCheck& check, Place place, const Image& image);

}  // namespace gyre
