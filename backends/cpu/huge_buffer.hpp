// Memory for images and selection bits: whole pages from the operating system, huge ones where it
// can.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/error.hpp"

namespace gyre::cpu {

// Somebody who keeps memory of an account that nothing uses at the moment.
class MemoryKeeper {
 public:
  MemoryKeeper() = default;
  MemoryKeeper(const MemoryKeeper&) = delete;
  MemoryKeeper& operator=(const MemoryKeeper&) = delete;
  virtual ~MemoryKeeper() = default;

  // Gives all of it back. Thread-safe; reserves nothing.
  virtual void release_unused() noexcept = 0;

 private:
  friend class MemoryAccount;
  MemoryKeeper* next_ = nullptr;
};

// Counts the bytes one backend holds and refuses what goes over its limit, unless it fits once its
// keepers have given back what they do not use. Thread-safe. Outlives every buffer that was
// reserved from it, and its keepers.
class MemoryAccount {
 public:
  explicit MemoryAccount(std::uint64_t limit_bytes) noexcept : limit_bytes_(limit_bytes) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  [[nodiscard]] bool reserve(std::uint64_t bytes) noexcept;
  void release(std::uint64_t bytes) noexcept;
  [[nodiscard]] std::uint64_t used_bytes() const noexcept { return used_bytes_.load(); }
  [[nodiscard]] std::uint64_t limit_bytes() const noexcept { return limit_bytes_; }

  // From add() to remove() a keeper may be asked at any time, by any thread.
  void add(MemoryKeeper& keeper) noexcept;
  void remove(MemoryKeeper& keeper) noexcept;

 private:
  [[nodiscard]] bool reserve_if_it_fits(std::uint64_t bytes) noexcept;

  const std::uint64_t limit_bytes_;
  std::atomic<std::uint64_t> used_bytes_{0};
  std::mutex keepers_mutex_;
  MemoryKeeper* keepers_ = nullptr;
};

// A right to bytes of an account, so that what is allocated piece by piece is refused as a whole,
// before the first piece. What was not taken goes back in the end. One thread at a time.
class MemoryReservation {
 public:
  // Errors: out_of_memory.
  [[nodiscard]] static Result<MemoryReservation> make(std::uint64_t bytes, MemoryAccount& account);
  MemoryReservation(MemoryReservation&& other) noexcept;
  MemoryReservation& operator=(MemoryReservation&&) = delete;
  MemoryReservation(const MemoryReservation&) = delete;
  MemoryReservation& operator=(const MemoryReservation&) = delete;
  ~MemoryReservation();

 private:
  friend class HugeBuffer;
  MemoryReservation(std::uint64_t bytes, MemoryAccount& account) noexcept
      : bytes_(bytes), account_(account) {}

  std::uint64_t bytes_;
  MemoryAccount& account_;
};

// Zeroed memory of its own mapping, aligned to 4 KiB; from 2 MiB on aligned to and advised for huge
// pages, since a scan of gigabytes through 4 KiB pages spends its time in address translation.
// Physical pages come with the first touch, so the threads that fill it place it. Move-only.
//
// Thread-safety: as a plain array.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  ~HugeBuffer();

  // Errors: out_of_memory (the account's limit, or the operating system refuses). No bytes: an
  // empty buffer.
  [[nodiscard]] static Result<HugeBuffer> allocate(std::uint64_t bytes, MemoryAccount& account);
  // The same from what was reserved. REQUIRES: mapped_bytes_for(bytes) are left of it.
  [[nodiscard]] static Result<HugeBuffer> allocate(std::uint64_t bytes,
                                                   MemoryReservation& reservation);
  // What a buffer of so many bytes takes from its account: them rounded up to 4 KiB, or to whole
  // huge pages where that is hardly more. REQUIRES: a size that a table can have.
  [[nodiscard]] static std::uint64_t mapped_bytes_for(std::uint64_t bytes) noexcept;

  [[nodiscard]] std::uint8_t* data() noexcept { return data_; }
  [[nodiscard]] const std::uint8_t* data() const noexcept { return data_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return bytes_; }
  // What it takes from the account: mapped_bytes_for(size()).
  [[nodiscard]] std::uint64_t mapped_bytes() const noexcept { return mapped_bytes_; }

 private:
  void free() noexcept;

  std::uint8_t* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint64_t mapped_bytes_ = 0;
  MemoryAccount* account_ = nullptr;
};

}  // namespace gyre::cpu
