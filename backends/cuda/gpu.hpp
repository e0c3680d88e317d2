// What the CUDA backend needs of a GPU: memory, streams, events, and its kernels. CUDA fills it
// (runtime_gpu.hpp); tests fill it with the host (tests/support/emulated_gpu.hpp), so that all but
// the calls to CUDA themselves is tested without a GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/cuda/expand_step.hpp"
#include "backends/cuda/mask_step.hpp"
#include "backends/cuda/scan_work.hpp"
#include "backends/cuda/sum_steps.hpp"
#include "backends/cuda/transfer_steps.hpp"
#include "core/error.hpp"

namespace gyre::cuda {

// A point in a stream's work. Destroyed only when nothing waits for it.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  virtual ~Event() = default;
};

// Memory on a GPU without an address of its own. Goes back when destroyed.
class MemoryPiece {
 public:
  MemoryPiece() = default;
  MemoryPiece(const MemoryPiece&) = delete;
  MemoryPiece& operator=(const MemoryPiece&) = delete;
  virtual ~MemoryPiece() = default;
};

// Pieces of memory at one range of addresses. Destroyed only when no work on it is under way.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  virtual ~Mapping() = default;

  // Aligned to 256 bytes.
  [[nodiscard]] virtual void* address() const noexcept = 0;
};

// Work that is done in order. Every call returns before the work is done, but synchronize(). One
// thread at a time. Errors: device_failed, of this or of earlier work.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  // Host memory must stay as it is until synchronize().
  [[nodiscard]] virtual Result<void> copy_up(void* to, const void* from, std::uint64_t bytes) = 0;
  [[nodiscard]] virtual Result<void> copy_down(void* to, const void* from, std::uint64_t bytes) = 0;
  [[nodiscard]] virtual Result<void> copy_across(void* to, const void* from,
                                                 std::uint64_t bytes) = 0;
  [[nodiscard]] virtual Result<void> clear(void* at, std::uint64_t bytes) = 0;

  [[nodiscard]] virtual Result<void> run(const InsertStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const ExtractStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const ExpandStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const MaskStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const ScanTile& tile, const ScanWork& work) = 0;
  [[nodiscard]] virtual Result<void> run(const TailStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const OverlayStep& step) = 0;
  [[nodiscard]] virtual Result<void> run(const FinishStep& step) = 0;

  // The event is when everything given to this stream so far is done.
  [[nodiscard]] virtual Result<void> record(Event& event) = 0;
  // What is given to this stream from now on begins after the event; at once if it was never
  // recorded.
  [[nodiscard]] virtual Result<void> wait(const Event& event) = 0;
  [[nodiscard]] virtual Result<void> synchronize() = 0;
};

// What a stream is for. Where the GPU has a choice it does work of the earlier kinds first: a chunk
// is expanded while another is scanned, and rows on their way in wait for queries.
enum class StreamUse : std::uint8_t { expansion, scan, copies };

// Thread-safe. Errors: device_out_of_memory, device_failed, out_of_memory for the host's memory.
class Gpu {
 public:
  Gpu() = default;
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;
  virtual ~Gpu() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t capacity_bytes() const noexcept = 0;
  [[nodiscard]] virtual unsigned multiprocessors() const noexcept = 0;
  // Of its memory, at this moment, whoever has the rest. Less can be had in one piece.
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes() = 0;

  // Aligned to 256 bytes.
  [[nodiscard]] virtual Result<void*> allocate(std::uint64_t bytes) = 0;
  virtual void free(void* memory) noexcept = 0;

  // The size of pieces of tables: of all in a mapping but the last, which may be smaller. More than
  // any table where a GPU can map no pieces; then each table is one.
  [[nodiscard]] virtual std::uint64_t piece_bytes() const noexcept = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<MemoryPiece>> make_piece(std::uint64_t bytes) = 0;
  // The pieces one after another, `bytes` in all. A piece may be in several mappings; it must
  // outlive them.
  [[nodiscard]] virtual Result<std::unique_ptr<Mapping>> map(
      const std::vector<const MemoryPiece*>& pieces, std::uint64_t bytes) = 0;
  // Host memory that a GPU reads and writes by itself.
  [[nodiscard]] virtual Result<void*> allocate_host(std::uint64_t bytes) = 0;
  virtual void free_host(void* memory) noexcept = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<Stream>> make_stream(StreamUse use) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Event>> make_event() = 0;
};

// What to take in place of `held` bytes where `needed` are: half as much again, within bounds, so
// that what grows a little from pass to pass is not taken anew by each.
[[nodiscard]] constexpr std::uint64_t with_headroom(std::uint64_t held,
                                                    std::uint64_t needed) noexcept {
  constexpr std::uint64_t most = std::uint64_t{64} << 20U;
  return std::max(needed, held + std::min(held / 2, most));
}

// Memory on a GPU, or the host's for it, that goes back when nobody holds it. Holds its GPU.
template <Result<void*> (Gpu::*allocate)(std::uint64_t), void (Gpu::*give_back)(void*) noexcept>
class GpuBuffer {
 public:
  GpuBuffer() = default;
  [[nodiscard]] static Result<GpuBuffer> create(const std::shared_ptr<Gpu>& gpu,
                                                std::uint64_t bytes) {
    auto memory = (gpu.get()->*allocate)(bytes);
    if (!memory) return forward_error(memory);
    GpuBuffer buffer;
    buffer.gpu_ = gpu;
    buffer.memory_ = *memory;
    buffer.bytes_ = bytes;
    return buffer;
  }
  GpuBuffer(GpuBuffer&& other) noexcept
      : gpu_(std::move(other.gpu_)),
        memory_(std::exchange(other.memory_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  GpuBuffer& operator=(GpuBuffer&& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  GpuBuffer(const GpuBuffer&) = delete;
  GpuBuffer& operator=(const GpuBuffer&) = delete;
  ~GpuBuffer() {
    if (memory_ != nullptr) (gpu_.get()->*give_back)(memory_);
  }

  // At least that large from now on; what it held is lost if it must grow. After an error it is as
  // before: what was once reserved is never lost for the sake of more.
  [[nodiscard]] Result<void> reserve(const std::shared_ptr<Gpu>& gpu, std::uint64_t bytes) {
    if (bytes <= bytes_) return {};
    const std::uint64_t wanted = with_headroom(bytes_, bytes);
    auto larger = create(gpu, wanted);
    if (!larger && wanted > bytes) larger = create(gpu, bytes);
    if (!larger) return forward_error(larger);
    *this = std::move(*larger);
    return {};
  }

  template <typename T>
  [[nodiscard]] T* as() const noexcept {
    return static_cast<T*>(memory_);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::shared_ptr<Gpu> gpu_;
  void* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
};

using GpuMemory = GpuBuffer<&Gpu::allocate, &Gpu::free>;
using PinnedMemory = GpuBuffer<&Gpu::allocate_host, &Gpu::free_host>;

// Host memory for copies to and from a GPU: pinned, or ordinary where nothing can be pinned, which
// is only slower.
class TransferMemory {
 public:
  TransferMemory() = default;
  // May throw bad_alloc. Errors: device_failed.
  [[nodiscard]] static Result<TransferMemory> create(const std::shared_ptr<Gpu>& gpu,
                                                     std::uint64_t bytes) {
    TransferMemory memory;
    auto pinned = PinnedMemory::create(gpu, bytes);
    if (pinned) {
      memory.pinned_ = std::move(*pinned);
    } else if (pinned.error().code == ErrorCode::out_of_memory) {
      memory.ordinary_.resize(static_cast<std::size_t>(bytes));
    } else {
      return forward_error(pinned);
    }
    return memory;
  }
  // As GpuBuffer::reserve().
  [[nodiscard]] Result<void> reserve(const std::shared_ptr<Gpu>& gpu, std::uint64_t bytes) {
    if (bytes <= this->bytes().size()) return {};
    auto larger = create(gpu, with_headroom(this->bytes().size(), bytes));
    if (!larger) return forward_error(larger);
    *this = std::move(*larger);
    return {};
  }

  [[nodiscard]] std::span<std::byte> bytes() noexcept {
    if (!ordinary_.empty()) return ordinary_;
    return {pinned_.as<std::byte>(), static_cast<std::size_t>(pinned_.bytes())};
  }

 private:
  PinnedMemory pinned_;
  std::vector<std::byte> ordinary_;
};

}  // namespace gyre::cuda
