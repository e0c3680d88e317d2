// The memory of a table's image: pieces that follow one another in a GPU's address space, some of
// which images may share.
//
// An image with updates folded in differs from the one before it in the pieces that hold changed
// groups. It owns copies of these and maps the others where its kernels look for them: to a kernel
// every image is one run of words.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "backends/cuda/table_layout.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// Bytes of pieces of all tables together; those who share one count it once.
using PieceAccount = std::shared_ptr<std::atomic<std::uint64_t>>;

// Move-only; holds its GPU. Thread-safety: as the words'.
class TableMemory {
 public:
  // Of so many words, of no meaning yet. May throw bad_alloc. Errors: device_out_of_memory,
  // device_failed.
  [[nodiscard]] static Result<TableMemory> create(std::shared_ptr<Gpu> gpu, PieceAccount account,
                                                  std::uint64_t words);
  // Memory for a copy in which these ranges of words may be written: what holds none of them is
  // shared, and what holds one has no meaning before copy_owned(). Otherwise like create().
  [[nodiscard]] Result<TableMemory> copy_to_write(const std::vector<WordRange>& ranges) const;
  // Gives the stream the copies of all that this, made by original.copy_to_write(), does not share.
  [[nodiscard]] Result<void> copy_owned(Stream& stream, const TableMemory& original) const;

  [[nodiscard]] std::uint32_t* words() const noexcept {
    return static_cast<std::uint32_t*>(mapping_->address());
  }
  // Whether nobody else had these words when this was made.
  [[nodiscard]] bool owns(const WordRange& range) const noexcept;

 private:
  struct Piece;

  TableMemory(std::shared_ptr<Gpu> gpu, PieceAccount account, std::uint64_t words) noexcept;
  [[nodiscard]] std::uint64_t bytes_of(std::uint64_t piece) const noexcept;
  // Makes every piece that is not there, and maps them all.
  [[nodiscard]] Result<void> complete();

  std::shared_ptr<Gpu> gpu_;
  PieceAccount account_;
  std::uint64_t bytes_;
  std::uint64_t piece_bytes_;  // all but the last one's
  std::vector<std::shared_ptr<const Piece>> pieces_;
  std::vector<bool> owned_;           // piece by piece
  std::unique_ptr<Mapping> mapping_;  // last: it goes before its pieces
};

}  // namespace gyre::cuda
