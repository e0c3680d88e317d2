// A GPU as a device: tables in the layout of table_layout.hpp, passes by pass_runner.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "backends/cuda/pass_runner.hpp"
#include "backends/cuda/table_memory.hpp"
#include "backends/device/device.hpp"

namespace gyre::cuda {

// Thread-safe as the seam says. Passes run one at a time: each has the whole GPU.
//
// What a pass works with is reserved together with a table: for one query at least, or the table is
// refused (device_out_of_memory); for as many as may share a scan, and for overlays, where there is
// room. It stays until the last table goes. Only overlays larger than PassLimits::overlay_bytes can
// make a pass find too little room; one that finds none while a table is being allocated waits and
// tries once more, because that table may come to nothing.
class CudaDevice final : public device::Device {
 public:
  explicit CudaDevice(std::shared_ptr<Gpu> gpu, const PassLimits& limits = {})
      : gpu_(std::move(gpu)), limits_(limits) {}
  ~CudaDevice() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "cuda"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return name_of(limits_.route); }
  [[nodiscard]] std::uint64_t capacity_bytes() const noexcept override {
    return gpu_->capacity_bytes();
  }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept override { return used_bytes_->load(); }

  [[nodiscard]] Result<device::BufferId> allocate(const Geometry& geometry) override;
  // Pieces of memory that hold nothing of `writable` are the same for both.
  [[nodiscard]] Result<device::BufferId> allocate_copy(
      device::BufferId from, std::span<const device::ByteRange> writable) override;
  void free(device::BufferId buffer) noexcept override;
  // Pinned, or plain where nothing can be pinned.
  [[nodiscard]] Result<std::unique_ptr<device::HostBuffer>> host_buffer(
      std::uint64_t bytes) override;
  [[nodiscard]] Result<void> copy_up(device::BufferId to, std::uint64_t offset,
                                     std::span<const std::byte> from) override;
  [[nodiscard]] Result<void> copy_down(device::BufferId from, std::uint64_t offset,
                                       std::span<std::byte> to) override;
  [[nodiscard]] Result<void> synchronize(device::BufferId buffer) override;
  [[nodiscard]] Result<void> run(const device::Scan& scan, std::span<std::byte> answers) override;

 private:
  // A stream and device memory through which rows pass on their way into or out of the layout.
  struct Lane {
    std::unique_ptr<Stream> stream;
    GpuMemory rows;
  };
  // Who holds one keeps lanes and the runner with what it reserved.
  class Hold {
   public:
    explicit Hold(CudaDevice& device) noexcept : device_(&device) { device.hold(); }
    Hold(Hold&& other) noexcept : device_(std::exchange(other.device_, nullptr)) {}
    Hold& operator=(Hold&&) = delete;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      if (device_ != nullptr) device_->let_go();
    }

   private:
    CudaDevice* device_;
  };
  struct Table {
    Hold hold;  // goes last
    Geometry geometry;
    TableLayout layout;
    TableMemory memory;
    std::uint32_t batch;              // queries that may share a scan of it
    std::unique_ptr<Lane> uploading;  // while copies into it are under way
  };

  // Null if there is no such buffer.
  [[nodiscard]] std::shared_ptr<Table> find(device::BufferId buffer) const;
  // May throw bad_alloc.
  [[nodiscard]] device::BufferId keep(std::shared_ptr<Table> table);
  void hold() noexcept;
  void let_go() noexcept;
  // Whether a table and one query's passes would find room; refuses what would only fail half way,
  // when passes of other tables had already found none. May throw bad_alloc. Errors:
  // device_out_of_memory, device_failed.
  [[nodiscard]] Result<void> expect_room(const TableLayout& layout);
  // How many queries may share a scan. May throw bad_alloc.
  [[nodiscard]] Result<std::uint32_t> make_room_for_passes(const TableLayout& layout);
  [[nodiscard]] Result<void> run_pass(const Table& table, const device::Scan& scan,
                                      std::span<std::byte> answers);
  // REQUIRES: pass_mutex_. May throw bad_alloc.
  [[nodiscard]] Result<void> make_runner();
  // REQUIRES: pass_mutex_.
  void count_runner() noexcept;
  [[nodiscard]] Result<std::unique_ptr<Lane>> take_lane();
  void give_back(std::unique_ptr<Lane> lane) noexcept;
  [[nodiscard]] Result<void> send(const Table& table, Lane& lane, std::uint64_t offset,
                                  std::span<const std::byte> from);
  [[nodiscard]] Result<void> fetch(const Table& table, Lane& lane, std::uint64_t offset,
                                   std::span<std::byte> to);

  const std::shared_ptr<Gpu> gpu_;
  const PassLimits limits_;
  const PieceAccount used_bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::mutex allocating_;  // of memory for tables; taken before all others
  std::mutex pass_mutex_;  // of what follows; taken before mutex_ where both are
  std::unique_ptr<PassRunner> runner_;
  std::uint64_t counted_runner_bytes_ = 0;  // in used_bytes_
  mutable std::mutex mutex_;                // of what follows
  std::uint64_t holds_ = 0;
  device::BufferId next_id_ = 1;
  std::vector<std::unique_ptr<Lane>> idle_lanes_;
  std::map<device::BufferId, std::shared_ptr<Table>> tables_;  // last: its holds need the rest
};

}  // namespace gyre::cuda
