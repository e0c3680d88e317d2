#include "backends/cpu/huge_buffer.hpp"

#include <sys/mman.h>

#include <limits>
#include <utility>

namespace gyre::cpu {
namespace {

constexpr std::uint64_t small_page_bytes = 4096;
constexpr std::uint64_t huge_page_bytes = std::uint64_t{2} << 20U;
// Of a buffer, for the sake of huge pages: one part in so many.
constexpr std::uint64_t most_part_wasted = 64;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

Error out_of_memory() {
  return {ErrorCode::out_of_memory,
          "the rows do not fit into host memory or the configured memory limit"};
}

void unmap(std::uint8_t* begin, std::uint64_t bytes) noexcept {
  if (bytes != 0) munmap(begin, bytes);
}

// A mapping that starts on a huge page: maps one huge page more and gives the ends back.
std::uint8_t* map_aligned(std::uint64_t bytes) noexcept {
  const std::uint64_t slack = bytes >= huge_page_bytes ? huge_page_bytes - small_page_bytes : 0;
  void* const mapping =
      mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::uint8_t*>(mapping);
  if (slack == 0) return begin;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::uint64_t before = round_up(address, huge_page_bytes) - address;
  unmap(begin, before);
  unmap(begin + before + bytes, slack - before);
  // Advice only: without huge pages everything still works, at lower bandwidth.
  (void)madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

}  // namespace

bool MemoryAccount::reserve(std::uint64_t bytes) noexcept {
  if (reserve_if_it_fits(bytes)) return true;
  if (bytes > limit_bytes_) return false;
  {
    const std::lock_guard lock(keepers_mutex_);
    for (MemoryKeeper* keeper = keepers_; keeper != nullptr; keeper = keeper->next_) {
      keeper->release_unused();
    }
  }
  return reserve_if_it_fits(bytes);
}

bool MemoryAccount::reserve_if_it_fits(std::uint64_t bytes) noexcept {
  std::uint64_t used = used_bytes_.load();
  do {
    if (bytes > limit_bytes_ || used > limit_bytes_ - bytes) return false;
  } while (!used_bytes_.compare_exchange_weak(used, used + bytes));
  return true;
}

void MemoryAccount::release(std::uint64_t bytes) noexcept {
  used_bytes_.fetch_sub(bytes);
}

void MemoryAccount::add(MemoryKeeper& keeper) noexcept {
  const std::lock_guard lock(keepers_mutex_);
  keeper.next_ = keepers_;
  keepers_ = &keeper;
}

void MemoryAccount::remove(MemoryKeeper& keeper) noexcept {
  const std::lock_guard lock(keepers_mutex_);
  MemoryKeeper** link = &keepers_;
  while (*link != &keeper) link = &(*link)->next_;
  *link = keeper.next_;
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)),
      account_(std::exchange(other.account_, nullptr)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  if (this != &other) {
    free();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    mapped_bytes_ = std::exchange(other.mapped_bytes_, 0);
    account_ = std::exchange(other.account_, nullptr);
  }
  return *this;
}

HugeBuffer::~HugeBuffer() {
  free();
}

void HugeBuffer::free() noexcept {
  if (data_ == nullptr) return;
  unmap(data_, mapped_bytes_);
  account_->release(mapped_bytes_);
}

Result<MemoryReservation> MemoryReservation::make(std::uint64_t bytes, MemoryAccount& account) {
  if (!account.reserve(bytes)) return tl::unexpected(out_of_memory());
  return MemoryReservation(bytes, account);
}

MemoryReservation::MemoryReservation(MemoryReservation&& other) noexcept
    : bytes_(std::exchange(other.bytes_, 0)), account_(other.account_) {}

MemoryReservation::~MemoryReservation() {
  if (bytes_ != 0) account_.release(bytes_);
}

std::uint64_t HugeBuffer::mapped_bytes_for(std::uint64_t bytes) noexcept {
  // An end that lacks little of a huge page becomes one: else it is hundreds of small pages, each
  // with a fault of its own, which cost more than filling them.
  const std::uint64_t whole_huge_pages = round_up(bytes, huge_page_bytes);
  if (whole_huge_pages - bytes <= bytes / most_part_wasted) return whole_huge_pages;
  return round_up(bytes, small_page_bytes);
}

Result<HugeBuffer> HugeBuffer::allocate(std::uint64_t bytes, MemoryReservation& reservation) {
  if (bytes == 0) return HugeBuffer{};
  const std::uint64_t mapped_bytes = mapped_bytes_for(bytes);
  std::uint8_t* const data = map_aligned(mapped_bytes);
  if (data == nullptr) return tl::unexpected(out_of_memory());
  reservation.bytes_ -= mapped_bytes;  // the buffer gives them back
  HugeBuffer buffer;
  buffer.data_ = data;
  buffer.bytes_ = bytes;
  buffer.mapped_bytes_ = mapped_bytes;
  buffer.account_ = &reservation.account_;
  return buffer;
}

Result<HugeBuffer> HugeBuffer::allocate(std::uint64_t bytes, MemoryAccount& account) {
  // Far above any machine, and low enough that rounding and alignment cannot overflow.
  if (bytes > std::numeric_limits<std::uint64_t>::max() / 4) return tl::unexpected(out_of_memory());
  auto reservation = MemoryReservation::make(mapped_bytes_for(bytes), account);
  if (!reservation) return forward_error(reservation);
  return allocate(bytes, *reservation);
}

}  // namespace gyre::cpu
