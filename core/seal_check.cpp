#include "core/seal_check.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "core/bytes.hpp"
#include "core/fault_point.hpp"

namespace gyre {
namespace {

// Combinations asked for in one pass: the bits of one byte of the rows' masks.
constexpr unsigned combinations_per_pass = 8;
static_assert(row_combinations % combinations_per_pass == 0);

constexpr std::uint64_t read_back_bytes = std::uint64_t{256} << 10U;

tl::unexpected<Error> corrupt() {
  return fail(ErrorCode::image_corrupt,
              "an image does not hold the rows that were staged into it; it was dropped before "
              "anything was answered from it");
}

// Transposes an 8 x 8 matrix of bits, row i in byte i (Hacker's Delight, 7-3).
constexpr std::uint64_t transposed(std::uint64_t x) noexcept {
  std::uint64_t t = (x ^ (x >> 7U)) & 0x00AA00AA00AA00AAU;
  x ^= t ^ (t << 7U);
  t = (x ^ (x >> 14U)) & 0x0000CCCC0000CCCCU;
  x ^= t ^ (t << 14U);
  t = (x ^ (x >> 28U)) & 0x00000000F0F0F0F0U;
  return x ^ t ^ (t << 28U);
}

// The selection bits of eight combinations over all rows, one after another.
class Selections {
 public:
  Selections(const Geometry& geometry, const RowMasks& masks)
      : rows_(geometry.rows),
        masks_(masks),
        bytes_each_(selection_bytes(geometry.rows)),
        bits_(combinations_per_pass * bytes_each_) {}

  // Those of the masks' byte number `byte`.
  void fill(unsigned byte) noexcept {
    std::array<std::uint64_t, 512> masks;
    for (std::uint64_t row = 0; row < rows_; row += masks.size()) {
      const auto count =
          static_cast<std::size_t>(std::min<std::uint64_t>(masks.size(), rows_ - row));
      masks_.fill(row, std::span(masks).first(count));
      std::fill(masks.begin() + static_cast<std::ptrdiff_t>(count), masks.end(), 0);
      for (std::size_t i = 0; i < count; i += 8) {
        std::uint64_t matrix = 0;
        for (unsigned r = 0; r < 8; ++r) {
          matrix |= ((masks[i + r] >> (8 * byte)) & 0xFFU) << (8 * r);
        }
        matrix = transposed(matrix);
        for (unsigned c = 0; c < combinations_per_pass; ++c) {
          bits_[c * bytes_each_ + (row + i) / 8] = static_cast<std::byte>(matrix >> (8 * c));
        }
      }
    }
  }
  [[nodiscard]] std::span<const std::byte> of(unsigned combination) const noexcept {
    return std::span(bits_).subspan(combination * bytes_each_, bytes_each_);
  }

 private:
  const std::uint64_t rows_;
  const RowMasks& masks_;
  const std::size_t bytes_each_;
  std::vector<std::byte> bits_;
};

}  // namespace

Result<SealCheck> SealCheck::create(const Geometry& geometry) {
  SystemRandom random;
  return create(geometry, random);
}

Result<SealCheck> SealCheck::create(const Geometry& geometry, RandomSource& random) {
  std::array<std::byte, sizeof(dpf::Block)> bytes;
  if (auto filled = random.fill(bytes); !filled) return forward_error(filled);
  const dpf::Block seed{load_little_endian<std::uint64_t>(bytes.data()),
                        load_little_endian<std::uint64_t>(bytes.data() + 8)};
  auto staged = RowCombinations::create(geometry.row_bytes, seed);
  if (!staged) return forward_error(staged);
  return SealCheck(geometry, seed, std::move(*staged));
}

Result<void> SealCheck::check_answers(const Image& image) const try {
  if (image.geometry() != geometry_) return corrupt();
  const auto expected = staged_.sums();
  if (!expected) return tl::unexpected<Error>(expected.error());
  const RowMasks masks(seed_);
  Selections selections(geometry_, masks);
  const Overlay nothing;
  std::array<Query, combinations_per_pass> queries;
  for (unsigned c = 0; c < combinations_per_pass; ++c) {
    queries[c] = {.kind = QueryKind::row, .overlay = &nothing, .selection = selections.of(c)};
  }
  std::vector<std::byte> answers(std::size_t{combinations_per_pass} * geometry_.row_bytes);
  for (unsigned byte = 0; byte < row_combinations / combinations_per_pass; ++byte) {
    selections.fill(byte);
    if (auto answered = image.answer({queries}, answers); !answered) return answered;
    const auto wanted = expected->begin() + static_cast<std::ptrdiff_t>(byte * answers.size());
    if (!std::equal(answers.begin(), answers.end(), wanted)) return corrupt();
  }
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory to check an image with");
}

Result<void> SealCheck::check_rows(const Image& image) const try {
  if (image.geometry() != geometry_) return corrupt();
  auto resident = RowCombinations::create(geometry_.row_bytes, seed_);
  if (!resident) return forward_error(resident);
  const std::uint64_t rows_at_once =
      std::clamp<std::uint64_t>(read_back_bytes / geometry_.row_bytes, 1, geometry_.rows);
  std::vector<std::byte> rows(static_cast<std::size_t>(rows_at_once * geometry_.row_bytes));
  for (std::uint64_t row = 0; row < geometry_.rows; row += rows_at_once) {
    const std::uint64_t count = std::min(rows_at_once, geometry_.rows - row);
    const auto some = std::span(rows).first(static_cast<std::size_t>(count * geometry_.row_bytes));
    if (auto read = image.read_rows(row, some); !read) return read;
    resident->add(row, some);
  }
  const auto expected = staged_.sums();
  if (!expected) return tl::unexpected<Error>(expected.error());
  const auto found = resident->sums();
  if (!found) return tl::unexpected<Error>(found.error());
  if (*expected != *found) return corrupt();
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory to check an image with");
}

Result<void> check_sealed(const SealCheck& check, Place place, const Image& image) {
  GYRE_FAULT_POINT(seal_check);
  return place == Place::device ? check.check_answers(image) : check.check_rows(image);
}

}  // namespace gyre
