// A GPU through CUDA's runtime library.
#include <cuda_runtime_api.h>

#include <string>

#include "backends/cuda/cuda_error.hpp"
#include "backends/cuda/launch.hpp"
#include "backends/cuda/mapped_memory.hpp"
#include "backends/cuda/open_gpu.hpp"

namespace gyre::cuda {
namespace {

// The kernels need what came with it: more registers a thread than older ones have, loads that
// leave a cache alone, asynchronous everything.
constexpr int least_major_version = 8;

// CUDA's calls are about the calling thread's current device.
Result<void> make_current(int device) {
  return result_of(cudaSetDevice(device));
}

// What goes wrong while something is given back must not be blamed on the thread's next launch.
void forget_error() noexcept {
  static_cast<void>(cudaGetLastError());
}

class RuntimeEvent final : public Event {
 public:
  // May throw bad_alloc: then nothing has been created that somebody would have to destroy.
  [[nodiscard]] static Result<std::unique_ptr<Event>> create() {
    auto event = std::make_unique<RuntimeEvent>();
    auto done = result_of(cudaEventCreateWithFlags(&event->event_, cudaEventDisableTiming));
    if (!done) return forward_error(done);
    return event;
  }
  ~RuntimeEvent() override {
    if (event_ != nullptr && cudaEventDestroy(event_) != cudaSuccess) forget_error();
  }

  [[nodiscard]] cudaEvent_t get() const noexcept { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class RuntimeStream final : public Stream {
 public:
  explicit RuntimeStream(int device) noexcept : device_(device) {}
  // As RuntimeEvent::create().
  [[nodiscard]] static Result<std::unique_ptr<Stream>> create(int device, int priority) {
    auto stream = std::make_unique<RuntimeStream>(device);
    auto done =
        result_of(cudaStreamCreateWithPriority(&stream->stream_, cudaStreamNonBlocking, priority));
    if (!done) return forward_error(done);
    return stream;
  }
  ~RuntimeStream() override {
    if (stream_ != nullptr && cudaStreamDestroy(stream_) != cudaSuccess) forget_error();
  }

  [[nodiscard]] Result<void> copy_up(void* to, const void* from, std::uint64_t bytes) override {
    return copy(to, from, bytes, cudaMemcpyHostToDevice);
  }
  [[nodiscard]] Result<void> copy_down(void* to, const void* from, std::uint64_t bytes) override {
    return copy(to, from, bytes, cudaMemcpyDeviceToHost);
  }
  [[nodiscard]] Result<void> copy_across(void* to, const void* from, std::uint64_t bytes) override {
    return copy(to, from, bytes, cudaMemcpyDeviceToDevice);
  }
  [[nodiscard]] Result<void> clear(void* at, std::uint64_t bytes) override {
    return call([&] { return cudaMemsetAsync(at, 0, bytes, stream_); });
  }

  [[nodiscard]] Result<void> run(const InsertStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const ExtractStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const ExpandStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const MaskStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const ScanTile& tile, const ScanWork& work) override {
    return call([&] { return launch(stream_, tile, work); });
  }
  [[nodiscard]] Result<void> run(const TailStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const OverlayStep& step) override { return start(step); }
  [[nodiscard]] Result<void> run(const FinishStep& step) override { return start(step); }

  [[nodiscard]] Result<void> record(Event& event) override {
    return call([&] { return cudaEventRecord(handle(event), stream_); });
  }
  [[nodiscard]] Result<void> wait(const Event& event) override {
    return call([&] { return cudaStreamWaitEvent(stream_, handle(event), 0); });
  }
  [[nodiscard]] Result<void> synchronize() override {
    return call([&] { return cudaStreamSynchronize(stream_); });
  }

 private:
  // Streams and events of one GPU are all of this file's kind.
  static cudaEvent_t handle(const Event& event) noexcept {
    return static_cast<const RuntimeEvent&>(event).get();
  }
  template <typename Call>
  Result<void> call(const Call& what) {
    if (auto current = make_current(device_); !current) return current;
    return result_of(what());
  }
  template <typename Step>
  Result<void> start(const Step& step) {
    return call([&] { return launch(stream_, step); });
  }
  Result<void> copy(void* to, const void* from, std::uint64_t bytes, cudaMemcpyKind kind) {
    return call([&] { return cudaMemcpyAsync(to, from, bytes, kind, stream_); });
  }

  const int device_;
  cudaStream_t stream_ = nullptr;
};

class RuntimeGpu final : public Gpu {
 public:
  RuntimeGpu(int device, const cudaDeviceProp& properties)
      : device_(device),
        name_(properties.name),
        capacity_bytes_(properties.totalGlobalMem),
        multiprocessors_(static_cast<unsigned>(properties.multiProcessorCount)),
        mapper_(open_memory_mapper(device)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override { return capacity_bytes_; }
  [[nodiscard]] unsigned multiprocessors() const noexcept override { return multiprocessors_; }

  [[nodiscard]] Result<std::uint64_t> free_bytes() override {
    std::size_t free = 0;
    std::size_t total = 0;
    if (auto current = make_current(device_); !current) return forward_error(current);
    if (auto done = result_of(cudaMemGetInfo(&free, &total)); !done) return forward_error(done);
    return free;
  }
  [[nodiscard]] Result<void*> allocate(std::uint64_t bytes) override {
    void* memory = nullptr;
    if (auto current = make_current(device_); !current) return forward_error(current);
    if (auto done = result_of(cudaMalloc(&memory, bytes)); !done) return forward_error(done);
    return memory;
  }
  void free(void* memory) noexcept override {
    static_cast<void>(cudaSetDevice(device_));
    static_cast<void>(cudaFree(memory));
    static_cast<void>(cudaGetLastError());
  }
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept override {
    return mapper_->piece_bytes();
  }
  [[nodiscard]] Result<std::unique_ptr<MemoryPiece>> make_piece(std::uint64_t bytes) override {
    if (auto current = make_current(device_); !current) return forward_error(current);
    return mapper_->make_piece(bytes);
  }
  [[nodiscard]] Result<std::unique_ptr<Mapping>> map(const std::vector<const MemoryPiece*>& pieces,
                                                     std::uint64_t bytes) override {
    if (auto current = make_current(device_); !current) return forward_error(current);
    return mapper_->map(pieces, bytes);
  }
  [[nodiscard]] Result<void*> allocate_host(std::uint64_t bytes) override {
    void* memory = nullptr;
    if (auto current = make_current(device_); !current) return forward_error(current);
    const cudaError_t error = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable);
    if (error == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      return fail(ErrorCode::out_of_memory, "no host memory that a GPU could read by itself");
    }
    if (auto done = result_of(error); !done) return forward_error(done);
    return memory;
  }
  void free_host(void* memory) noexcept override {
    static_cast<void>(cudaFreeHost(memory));
    static_cast<void>(cudaGetLastError());
  }

  [[nodiscard]] Result<std::unique_ptr<Stream>> make_stream(StreamUse use) override {
    if (auto current = make_current(device_); !current) return forward_error(current);
    return RuntimeStream::create(device_, priority_of(use));
  }
  [[nodiscard]] Result<std::unique_ptr<Event>> make_event() override {
    if (auto current = make_current(device_); !current) return forward_error(current);
    return RuntimeEvent::create();
  }

 private:
  // The lower the more urgent, 0 the least; CUDA takes one that a GPU has not got for the nearest
  // that it has.
  static int priority_of(StreamUse use) noexcept {
    switch (use) {
      case StreamUse::expansion:
        return -2;
      case StreamUse::scan:
        return -1;
      case StreamUse::copies:
        break;
    }
    return 0;
  }

  const int device_;
  const std::string name_;
  const std::uint64_t capacity_bytes_;
  const unsigned multiprocessors_;
  const std::unique_ptr<MemoryMapper> mapper_;
};

}  // namespace

Result<std::shared_ptr<Gpu>> open_gpu() {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    return fail(
        ErrorCode::bad_configuration,
        std::string("this machine shows no GPU that CUDA can use") +
            (error == cudaSuccess ? "" : std::string(" (") + cudaGetErrorName(error) + ")") +
            "; choose another backend, or mend the driver");
  }
  constexpr int device = 0;
  cudaDeviceProp properties{};
  if (auto read = result_of(cudaGetDeviceProperties(&properties, device)); !read) {
    return forward_error(read);
  }
  if (auto current = make_current(device); !current) return forward_error(current);
  if (properties.major < least_major_version) {
    return fail(ErrorCode::bad_configuration,
                "this GPU is too old for the CUDA backend, which needs compute capability 8.0");
  }
  return std::make_shared<RuntimeGpu>(device, properties);
}

}  // namespace gyre::cuda
