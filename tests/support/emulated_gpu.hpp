// A GPU made of the host: every step's blocks are executed one after another, every thread in turn.
// What the CUDA backend does can then be tested without a GPU.
#pragma once

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/any_scan_step.hpp"
#include "backends/cuda/gpu.hpp"

namespace gyre {

// Work is done when the host waits for it (or an event needs it), not before: who reuses memory too
// early gets wrong answers, as on a real GPU. Memory begins with bytes of no meaning. Thread-safe
// as the seam says.
class EmulatedGpu final : public cuda::Gpu {
 public:
  struct Faults {
    std::uint64_t capacity_bytes = std::uint64_t{1} << 30U;
    std::uint64_t piece_bytes = 4096;  // of tables; a multiple of a page of memory
    bool lost = false;                 // nothing works any more
    bool flips_a_bit = false;          // in all that comes down to the host
    bool no_pinned_memory = false;
    std::function<Result<void>()> before_piece;  // called by who makes one; may fail in its place
    bool backwards = false;  // blocks, and their threads between barriers, from the last one on
  };

  [[nodiscard]] std::string_view name() const noexcept override { return "emulated"; }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override {
    return faults.capacity_bytes;
  }
  [[nodiscard]] unsigned multiprocessors() const noexcept override { return 2; }

  [[nodiscard]] Result<std::uint64_t> free_bytes() override {
    const std::lock_guard lock(mutex_);
    if (faults.lost) return failed();
    return faults.capacity_bytes - std::min(faults.capacity_bytes, used_);
  }

  [[nodiscard]] Result<void*> allocate(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (faults.lost) return failed();
    if (used_ + bytes > faults.capacity_bytes) {
      ++refusals_;
      return fail(ErrorCode::device_out_of_memory, "the emulated GPU is full");
    }
    take(bytes);
    ++allocations_;
    // Of exactly that size, so that the address sanitizer sees what kernels do.
    void* const memory = ::operator new (bytes, std::align_val_t{256});
    // As far as small tables' passes come; touching all that is only reserved would take long.
    std::memset(memory, 0xA5, std::min<std::uint64_t>(bytes, 256U << 10U));
    sizes_[memory] = bytes;
    return memory;
  }
  void free(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    used_ -= sizes_.at(memory);
    sizes_.erase(memory);
    ::operator delete (memory, std::align_val_t{256});
  }
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept override { return faults.piece_bytes; }
  [[nodiscard]] Result<std::unique_ptr<cuda::MemoryPiece>> make_piece(
      std::uint64_t bytes) override {
    if (faults.before_piece) {
      if (auto may = faults.before_piece(); !may) return forward_error(may);
    }
    const std::lock_guard lock(mutex_);
    if (faults.lost) return failed();
    if (used_ + bytes > faults.capacity_bytes) {
      return fail(ErrorCode::device_out_of_memory, "the emulated GPU is full");
    }
    take(bytes);
    return std::make_unique<EmulatedPiece>(*this, bytes);
  }
  [[nodiscard]] Result<std::unique_ptr<cuda::Mapping>> map(
      const std::vector<const cuda::MemoryPiece*>& pieces, std::uint64_t bytes) override {
    if (faults.lost) return failed();
    return std::make_unique<EmulatedMapping>(pieces, bytes);
  }
  [[nodiscard]] Result<void*> allocate_host(std::uint64_t bytes) override {
    if (faults.lost) return failed();
    if (faults.no_pinned_memory) return fail(ErrorCode::out_of_memory, "nothing to pin");
    return ::operator new (bytes, std::align_val_t{256});
  }
  void free_host(void* memory) noexcept override {
    ::operator delete (memory, std::align_val_t{256});
  }
  [[nodiscard]] Result<std::unique_ptr<cuda::Stream>> make_stream(
      cuda::StreamUse /*use*/) override {
    if (faults.lost) return failed();
    return std::make_unique<EmulatedStream>(*this);
  }
  [[nodiscard]] Result<std::unique_ptr<cuda::Event>> make_event() override {
    if (faults.lost) return failed();
    return std::make_unique<EmulatedEvent>();
  }
  [[nodiscard]] std::uint64_t used_bytes() {
    const std::lock_guard lock(mutex_);
    return used_;
  }
  // At any moment so far.
  [[nodiscard]] std::uint64_t most_used_bytes() {
    const std::lock_guard lock(mutex_);
    return most_used_;
  }
  // How often somebody found too little memory, other than for a piece.
  [[nodiscard]] std::uint64_t refusals() {
    const std::lock_guard lock(mutex_);
    return refusals_;
  }
  // How often memory was taken, other than for a piece.
  [[nodiscard]] std::uint64_t allocations() {
    const std::lock_guard lock(mutex_);
    return allocations_;
  }
  // Names of the kernels that were started, scans with their tiles, and how often each was.
  [[nodiscard]] std::map<std::string, std::uint64_t> kernels() {
    const std::lock_guard lock(mutex_);
    return kernels_;
  }

  Faults faults;

 private:
  void count(const std::string& kernel) {
    const std::lock_guard lock(mutex_);
    ++kernels_[kernel];
  }
  // REQUIRES: mutex_.
  void take(std::uint64_t bytes) {
    used_ += bytes;
    most_used_ = std::max(most_used_, used_);
  }

  class EmulatedStream;
  // Where in which stream; nothing before it was recorded.
  struct EmulatedEvent final : cuda::Event {
    EmulatedStream* stream = nullptr;
    std::uint64_t position = 0;
  };

  static std::uint64_t whole_pages(std::uint64_t bytes) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
  }
  // Pages of one file of memory, so that they can be at several addresses.
  class EmulatedPiece final : public cuda::MemoryPiece {
   public:
    EmulatedPiece(EmulatedGpu& gpu, std::uint64_t bytes)
        : gpu_(gpu), bytes_(bytes), offset_(gpu.file_.take(whole_pages(bytes))) {}
    ~EmulatedPiece() override {
      gpu_.file_.give_back(offset_, whole_pages(bytes_));
      const std::lock_guard lock(gpu_.mutex_);
      gpu_.used_ -= bytes_;
    }
    // Makes it appear at that address.
    [[nodiscard]] std::uint64_t map_at(std::byte* address) const {
      const std::uint64_t bytes = whole_pages(bytes_);
      void* const there = mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                               gpu_.file_.number(), static_cast<off_t>(offset_));
      if (there == MAP_FAILED) throw std::bad_alloc();
      return bytes;
    }

   private:
    EmulatedGpu& gpu_;
    const std::uint64_t bytes_;
    const std::uint64_t offset_;
  };
  class MemoryFile {
   public:
    MemoryFile() : number_(memfd_create("emulated GPU", MFD_CLOEXEC)) {
      if (number_ < 0) throw std::bad_alloc();
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { close(number_); }

    [[nodiscard]] int number() const { return number_; }
    // Of bytes that mean nothing. Places are used again, so that the file does not grow for ever.
    [[nodiscard]] std::uint64_t take(std::uint64_t bytes) {
      const std::lock_guard lock(mutex_);
      std::vector<std::uint64_t>& free = free_[bytes];
      std::uint64_t offset = end_;
      if (free.empty()) {
        end_ += bytes;
      } else {
        offset = free.back();
        free.pop_back();
      }
      const std::vector<std::uint8_t> unwritten(bytes, 0xA5);
      if (pwrite(number_, unwritten.data(), bytes, static_cast<off_t>(offset)) !=
          static_cast<ssize_t>(bytes)) {
        throw std::bad_alloc();
      }
      return offset;
    }
    void give_back(std::uint64_t offset, std::uint64_t bytes) {
      const std::lock_guard lock(mutex_);
      free_[bytes].push_back(offset);
    }

   private:
    const int number_;
    std::mutex mutex_;
    std::uint64_t end_ = 0;
    std::map<std::uint64_t, std::vector<std::uint64_t>> free_;  // by size
  };
  class EmulatedMapping final : public cuda::Mapping {
   public:
    EmulatedMapping(const std::vector<const cuda::MemoryPiece*>& pieces, std::uint64_t bytes)
        : bytes_(whole_pages(bytes)) {
      void* const range =
          mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (range == MAP_FAILED) throw std::bad_alloc();
      address_ = static_cast<std::byte*>(range);
      std::uint64_t at = 0;
      for (const auto* piece : pieces) {
        at += dynamic_cast<const EmulatedPiece&>(*piece).map_at(address_ + at);
      }
      // So that the address sanitizer sees what kernels do past the end.
      ASAN_POISON_MEMORY_REGION(address_ + bytes, bytes_ - bytes);
    }
    ~EmulatedMapping() override {
      ASAN_UNPOISON_MEMORY_REGION(address_, bytes_);
      munmap(address_, bytes_);
    }
    [[nodiscard]] void* address() const noexcept override { return address_; }

   private:
    const std::uint64_t bytes_;
    std::byte* address_ = nullptr;
  };

  static tl::unexpected<Error> failed() {
    return fail(ErrorCode::device_failed, "the emulated GPU is lost");
  }

  class EmulatedStream final : public cuda::Stream {
   public:
    explicit EmulatedStream(EmulatedGpu& gpu) : gpu_(gpu) {}

    Result<void> copy_up(void* to, const void* from, std::uint64_t bytes) override {
      return later([=] { std::memcpy(to, from, bytes); });
    }
    Result<void> copy_down(void* to, const void* from, std::uint64_t bytes) override {
      return later([this, to, from, bytes] {
        std::memcpy(to, from, bytes);
        if (gpu_.faults.flips_a_bit) *static_cast<std::uint8_t*>(to) ^= 4U;
      });
    }
    Result<void> copy_across(void* to, const void* from, std::uint64_t bytes) override {
      return later([=] { std::memcpy(to, from, bytes); });
    }
    Result<void> clear(void* at, std::uint64_t bytes) override {
      return later([=] { std::memset(at, 0, bytes); });
    }
    Result<void> run(const cuda::InsertStep& step) override { return emulate("insert", step); }
    Result<void> run(const cuda::ExtractStep& step) override { return emulate("extract", step); }
    Result<void> run(const cuda::ExpandStep& step) override {
      return emulate("expand to height " + std::to_string(step.height) + " for " +
                         std::to_string(step.queries),
                     step);
    }
    Result<void> run(const cuda::MaskStep& step) override { return emulate("mask", step); }
    Result<void> run(const cuda::ScanTile& tile, const cuda::ScanWork& work) override {
      const std::string name = "scan " + std::string(cuda::name_of(tile.route)) + " " +
                               std::to_string(tile.vector) + "," + std::to_string(tile.columns) +
                               "," + std::to_string(tile.queries) +
                               (work.shape.records_per_page > 1 ? " rows" : " pages");
      return cuda::with_scan_step(tile, work,
                                  [&](const auto& step) { return emulate(name, step); });
    }
    Result<void> run(const cuda::TailStep& step) override { return emulate("tail", step); }
    Result<void> run(const cuda::OverlayStep& step) override { return emulate("overlay", step); }
    Result<void> run(const cuda::FinishStep& step) override { return emulate("finish", step); }

    Result<void> record(cuda::Event& event) override {
      auto& emulated = dynamic_cast<EmulatedEvent&>(event);
      emulated.stream = this;
      emulated.position = given_;
      return {};
    }
    Result<void> wait(const cuda::Event& event) override {
      const auto& emulated = dynamic_cast<const EmulatedEvent&>(event);
      if (emulated.stream == nullptr) return {};
      return later(
          [stream = emulated.stream, position = emulated.position] { stream->catch_up(position); });
    }
    Result<void> synchronize() override {
      if (gpu_.faults.lost) {
        work_.clear();
        done_ = given_;
        return failed();
      }
      catch_up(given_);
      return {};
    }

   private:
    Result<void> later(std::function<void()> work) {
      if (gpu_.faults.lost) return failed();
      work_.push_back(std::move(work));
      ++given_;
      return {};
    }
    template <typename Step>
    Result<void> emulate(const std::string& name, const Step& step) {
      gpu_.count(name);
      return later([step, backwards = gpu_.faults.backwards] {
        const auto order = backwards ? cuda::CrewOrder::backwards : cuda::CrewOrder::forwards;
        const std::uint64_t blocks = step.blocks();
        for (std::uint64_t i = 0; i < blocks; ++i) {
          cuda::HostCrew crew(step.shared_bytes(), order);
          step.run_block(backwards ? blocks - 1 - i : i, crew);
        }
      });
    }
    void catch_up(std::uint64_t position) {
      while (done_ < position) {
        const auto work = std::move(work_.front());
        work_.pop_front();
        ++done_;
        work();
      }
    }

    EmulatedGpu& gpu_;
    std::deque<std::function<void()>> work_;
    std::uint64_t given_ = 0;
    std::uint64_t done_ = 0;
  };

  std::mutex mutex_;
  std::uint64_t used_ = 0;
  std::uint64_t most_used_ = 0;
  std::uint64_t refusals_ = 0;
  std::uint64_t allocations_ = 0;
  std::map<void*, std::uint64_t> sizes_;
  std::map<std::string, std::uint64_t> kernels_;
  MemoryFile file_;
};

}  // namespace gyre
