#include "backends/cuda/table_memory.hpp"

#include <algorithm>
#include <utility>

#include "core/bytes.hpp"

namespace gyre::cuda {
namespace {

constexpr std::uint64_t word_bytes = sizeof(std::uint32_t);

}  // namespace

struct TableMemory::Piece {
  Piece(std::unique_ptr<MemoryPiece> memory_, PieceAccount account_, std::uint64_t bytes_) noexcept
      : memory(std::move(memory_)), account(std::move(account_)), bytes(bytes_) {
    *account += bytes;
  }
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  ~Piece() { *account -= bytes; }

  const std::unique_ptr<MemoryPiece> memory;
  const PieceAccount account;
  const std::uint64_t bytes;
};

TableMemory::TableMemory(std::shared_ptr<Gpu> gpu, PieceAccount account,
                         std::uint64_t words) noexcept
    : gpu_(std::move(gpu)),
      account_(std::move(account)),
      bytes_(words * word_bytes),
      piece_bytes_(std::min(gpu_->piece_bytes(), bytes_)) {}

std::uint64_t TableMemory::bytes_of(std::uint64_t piece) const noexcept {
  return std::min(piece_bytes_, bytes_ - piece * piece_bytes_);
}

Result<TableMemory> TableMemory::create(std::shared_ptr<Gpu> gpu, PieceAccount account,
                                        std::uint64_t words) {
  TableMemory memory(std::move(gpu), std::move(account), words);
  const std::uint64_t count = divide_rounding_up(memory.bytes_, memory.piece_bytes_);
  memory.pieces_.resize(count);
  memory.owned_.assign(count, true);
  if (auto done = memory.complete(); !done) return forward_error(done);
  return memory;
}

Result<TableMemory> TableMemory::copy_to_write(const std::vector<WordRange>& ranges) const {
  TableMemory memory(gpu_, account_, bytes_ / word_bytes);
  memory.pieces_ = pieces_;
  memory.owned_.assign(pieces_.size(), false);
  for (const WordRange& range : ranges) {
    if (range.begin == range.end) continue;
    const std::uint64_t last = (range.end * word_bytes - 1) / piece_bytes_;
    for (std::uint64_t i = range.begin * word_bytes / piece_bytes_; i <= last; ++i) {
      memory.owned_[i] = true;
      memory.pieces_[i] = nullptr;
    }
  }
  if (auto done = memory.complete(); !done) return forward_error(done);
  return memory;
}

Result<void> TableMemory::complete() {
  std::vector<const MemoryPiece*> all;
  all.reserve(pieces_.size());
  for (std::uint64_t i = 0; i < pieces_.size(); ++i) {
    if (!pieces_[i]) {
      auto piece = gpu_->make_piece(bytes_of(i));
      if (!piece) return forward_error(piece);
      pieces_[i] = std::make_shared<const Piece>(std::move(*piece), account_, bytes_of(i));
    }
    all.push_back(pieces_[i]->memory.get());
  }
  auto mapping = gpu_->map(all, bytes_);
  if (!mapping) return forward_error(mapping);
  mapping_ = std::move(*mapping);
  return {};
}

Result<void> TableMemory::copy_owned(Stream& stream, const TableMemory& original) const {
  for (std::uint64_t begin = 0; begin < owned_.size();) {
    std::uint64_t end = begin;
    while (end < owned_.size() && owned_[end]) ++end;
    if (end > begin) {
      const std::uint64_t first = begin * piece_bytes_;
      const std::uint64_t bytes = std::min(end * piece_bytes_, bytes_) - first;
      if (auto done = stream.copy_across(words() + first / word_bytes,
                                         original.words() + first / word_bytes, bytes);
          !done) {
        return done;
      }
    }
    begin = end + 1;
  }
  return {};
}

bool TableMemory::owns(const WordRange& range) const noexcept {
  if (range.begin == range.end) return true;
  const std::uint64_t first = range.begin * word_bytes / piece_bytes_;
  const std::uint64_t last = (range.end * word_bytes - 1) / piece_bytes_;
  for (std::uint64_t i = first; i <= last; ++i) {
    if (!owned_[i]) return false;
  }
  return true;
}

}  // namespace gyre::cuda
