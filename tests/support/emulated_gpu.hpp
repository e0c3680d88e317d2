// A GPU made of the host: every step's blocks are executed one after another, every thread in turn.
// What the CUDA backend does can then be tested without a GPU.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "backends/cuda/gpu.hpp"

namespace gyre {

// Work is done when the host waits for it (or an event needs it), not before: who reuses memory too
// early gets wrong answers, as on a real GPU. Memory begins with bytes of no meaning. Thread-safe
// as the seam says.
class EmulatedGpu final : public cuda::Gpu {
 public:
  struct Faults {
    std::uint64_t capacity_bytes = std::uint64_t{1} << 30U;
    bool lost = false;  // nothing works any more
    bool no_pinned_memory = false;
  };

  [[nodiscard]] std::string_view name() const noexcept override { return "emulated"; }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override {
    return faults.capacity_bytes;
  }
  [[nodiscard]] unsigned multiprocessors() const noexcept override { return 2; }

  [[nodiscard]] Result<void*> allocate(std::uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (faults.lost) return failed();
    if (bytes > faults.capacity_bytes - used_) {
      return fail(ErrorCode::device_out_of_memory, "the emulated GPU is full");
    }
    used_ += bytes;
    // Of exactly that size, so that the address sanitizer sees what kernels do.
    void* const memory = ::operator new (bytes, std::align_val_t{256});
    std::memset(memory, 0xA5, bytes);
    sizes_[memory] = bytes;
    return memory;
  }
  void free(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    used_ -= sizes_.at(memory);
    sizes_.erase(memory);
    ::operator delete (memory, std::align_val_t{256});
  }
  [[nodiscard]] Result<void*> allocate_host(std::uint64_t bytes) override {
    if (faults.lost) return failed();
    if (faults.no_pinned_memory) return fail(ErrorCode::out_of_memory, "nothing to pin");
    return ::operator new (bytes, std::align_val_t{256});
  }
  void free_host(void* memory) noexcept override {
    ::operator delete (memory, std::align_val_t{256});
  }
  [[nodiscard]] Result<std::unique_ptr<cuda::Stream>> make_stream() override {
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

  Faults faults;

 private:
  class EmulatedStream;
  // Where in which stream; nothing before it was recorded.
  struct EmulatedEvent final : cuda::Event {
    EmulatedStream* stream = nullptr;
    std::uint64_t position = 0;
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
      return later([=] { std::memcpy(to, from, bytes); });
    }
    Result<void> copy_across(void* to, const void* from, std::uint64_t bytes) override {
      return later([=] { std::memcpy(to, from, bytes); });
    }
    Result<void> clear(void* at, std::uint64_t bytes) override {
      return later([=] { std::memset(at, 0, bytes); });
    }
    Result<void> run(const cuda::InsertStep& step) override { return emulate(step); }
    Result<void> run(const cuda::ExtractStep& step) override { return emulate(step); }
    Result<void> run(const cuda::ExpandStep& step) override { return emulate(step); }
    Result<void> run(const cuda::MaskStep& step) override { return emulate(step); }
    Result<void> run(const cuda::ScanTile& tile, const cuda::ScanWork& work) override {
      return cuda::with_scan_step(tile, work, [&](const auto& step) { return emulate(step); });
    }
    Result<void> run(const cuda::TailStep& step) override { return emulate(step); }
    Result<void> run(const cuda::OverlayStep& step) override { return emulate(step); }
    Result<void> run(const cuda::FinishStep& step) override { return emulate(step); }

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
    Result<void> emulate(const Step& step) {
      return later([step] {
        for (std::uint64_t block = 0; block < step.blocks(); ++block) {
          cuda::HostCrew crew(step.shared_bytes());
          step.run_block(block, crew);
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
  std::map<void*, std::uint64_t> sizes_;
};

}  // namespace gyre
