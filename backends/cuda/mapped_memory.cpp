#include "backends/cuda/mapped_memory.hpp"

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <limits>
#include <optional>

#include "backends/cuda/cuda_error.hpp"
#include "core/bytes.hpp"

namespace gyre::cuda {
namespace {

// Small enough that some changed rows of a large table leave most of it shared, large enough that a
// table of 64 GiB is made of a few ten thousand.
constexpr std::uint64_t wanted_piece_bytes = std::uint64_t{4} << 20U;

// Since CUDA 10.1 both libraries number errors alike.
Result<void> result_of(CUresult result) {
  return cuda::result_of(static_cast<cudaError_t>(result));
}

// The driver's functions, found when they are needed: without a GPU there is no driver to link
// with.
struct Driver {
  decltype(&cuDeviceGet) device_get = nullptr;
  decltype(&cuDeviceGetAttribute) device_get_attribute = nullptr;
  decltype(&cuMemGetAllocationGranularity) granularity = nullptr;
  decltype(&cuMemCreate) create = nullptr;
  decltype(&cuMemRelease) release = nullptr;
  decltype(&cuMemAddressReserve) reserve = nullptr;
  decltype(&cuMemAddressFree) free = nullptr;
  decltype(&cuMemMap) map = nullptr;
  decltype(&cuMemUnmap) unmap = nullptr;
  decltype(&cuMemSetAccess) set_access = nullptr;

  // None if it has not got them all.
  static std::optional<Driver> find() {
    // Never closed: CUDA's runtime library uses it until the process ends.
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return std::nullopt;
    bool complete = true;
    const auto look_up = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      complete = complete && function != nullptr;
    };
    Driver driver;
    look_up(driver.device_get, "cuDeviceGet");
    look_up(driver.device_get_attribute, "cuDeviceGetAttribute");
    look_up(driver.granularity, "cuMemGetAllocationGranularity");
    look_up(driver.create, "cuMemCreate");
    look_up(driver.release, "cuMemRelease");
    look_up(driver.reserve, "cuMemAddressReserve");
    look_up(driver.free, "cuMemAddressFree");
    look_up(driver.map, "cuMemMap");
    look_up(driver.unmap, "cuMemUnmap");
    look_up(driver.set_access, "cuMemSetAccess");
    if (!complete) return std::nullopt;
    return driver;
  }
  [[nodiscard]] bool maps_memory_of(int number) const {
    CUdevice device = 0;
    int maps = 0;
    return device_get(&device, number) == CUDA_SUCCESS &&
           device_get_attribute(&maps, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED,
                                device) == CUDA_SUCCESS &&
           maps != 0;
  }
};

class DriverPiece final : public MemoryPiece {
 public:
  DriverPiece(const Driver& driver, std::uint64_t bytes) noexcept
      : driver_(driver), bytes_(bytes) {}
  ~DriverPiece() override {
    if (created_) static_cast<void>(driver_.release(handle_));
  }

  // At most once.
  [[nodiscard]] Result<void> create(const CUmemAllocationProp& properties) {
    auto done = result_of(driver_.create(&handle_, bytes_, &properties, 0));
    created_ = done.has_value();
    return done;
  }
  [[nodiscard]] CUmemGenericAllocationHandle handle() const noexcept { return handle_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  const Driver driver_;
  const std::uint64_t bytes_;  // as allocated
  CUmemGenericAllocationHandle handle_ = 0;
  bool created_ = false;
};

class DriverMapping final : public Mapping {
 public:
  DriverMapping(const Driver& driver, std::uint64_t bytes) noexcept
      : driver_(driver), bytes_(bytes) {}
  ~DriverMapping() override {
    if (mapped_ > 0) static_cast<void>(driver_.unmap(address_, mapped_));
    if (reserved_) static_cast<void>(driver_.free(address_, bytes_));
  }

  // First, and once.
  [[nodiscard]] Result<void> reserve() {
    auto done = result_of(driver_.reserve(&address_, bytes_, 0, 0, 0));
    reserved_ = done.has_value();
    return done;
  }
  [[nodiscard]] Result<void> append(const DriverPiece& piece) {
    auto done =
        result_of(driver_.map(address_ + mapped_, piece.bytes(), /*offset=*/0, piece.handle(), 0));
    if (done) mapped_ += piece.bytes();
    return done;
  }
  [[nodiscard]] Result<void> allow_access(const CUmemLocation& from) const {
    const CUmemAccessDesc access{.location = from, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    return result_of(driver_.set_access(address_, mapped_, &access, 1));
  }
  [[nodiscard]] void* address() const noexcept override {
    return reinterpret_cast<void*>(address_);  // NOLINT(performance-no-int-to-ptr): CUDA's own type
  }

 private:
  const Driver driver_;
  const std::uint64_t bytes_;
  CUdeviceptr address_ = 0;
  bool reserved_ = false;
  std::uint64_t mapped_ = 0;
};

class DriverMapper final : public MemoryMapper {
 public:
  // None if the driver does not say in what sizes it gives memory.
  static std::unique_ptr<MemoryMapper> open(const Driver& driver, int device) {
    auto mapper = std::make_unique<DriverMapper>(driver, device);
    if (driver.granularity(&mapper->granularity_, &mapper->properties_,
                           CU_MEM_ALLOC_GRANULARITY_MINIMUM) != CUDA_SUCCESS) {
      return nullptr;
    }
    return mapper;
  }
  DriverMapper(const Driver& driver, int device) noexcept : driver_(driver) {
    properties_.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties_.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties_.location.id = device;
  }

  [[nodiscard]] std::uint64_t piece_bytes() const noexcept override {
    return whole_units(wanted_piece_bytes);
  }
  [[nodiscard]] Result<std::unique_ptr<MemoryPiece>> make_piece(std::uint64_t bytes) override {
    // First what gives the memory back: there may be none for it afterwards.
    auto piece = std::make_unique<DriverPiece>(driver_, whole_units(bytes));
    if (auto made = piece->create(properties_); !made) return forward_error(made);
    return piece;
  }
  [[nodiscard]] Result<std::unique_ptr<Mapping>> map(const std::vector<const MemoryPiece*>& pieces,
                                                     std::uint64_t bytes) override {
    auto mapping = std::make_unique<DriverMapping>(driver_, whole_units(bytes));
    if (auto reserved = mapping->reserve(); !reserved) return forward_error(reserved);
    for (const MemoryPiece* piece : pieces) {
      // Pieces of one mapper are all of this file's kind.
      const auto& mine = static_cast<const DriverPiece&>(*piece);
      if (auto mapped = mapping->append(mine); !mapped) return forward_error(mapped);
    }
    if (auto allowed = mapping->allow_access(properties_.location); !allowed) {
      return forward_error(allowed);
    }
    return mapping;
  }

 private:
  [[nodiscard]] std::uint64_t whole_units(std::uint64_t bytes) const noexcept {
    return divide_rounding_up(bytes, granularity_) * granularity_;
  }

  const Driver driver_;
  CUmemAllocationProp properties_{};
  std::size_t granularity_ = 1;
};

// An allocation with the one address that it came with.
class WholePiece final : public MemoryPiece {
 public:
  ~WholePiece() override {
    static_cast<void>(cudaFree(address_));
    static_cast<void>(cudaGetLastError());
  }

  // At most once.
  [[nodiscard]] Result<void> create(std::uint64_t bytes) {
    return cuda::result_of(cudaMalloc(&address_, bytes));
  }
  [[nodiscard]] void* address() const noexcept { return address_; }

 private:
  void* address_ = nullptr;
};

class WholeMapping final : public Mapping {
 public:
  explicit WholeMapping(void* address) noexcept : address_(address) {}
  [[nodiscard]] void* address() const noexcept override { return address_; }

 private:
  void* const address_;
};

class WholeMapper final : public MemoryMapper {
 public:
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept override {
    return std::numeric_limits<std::uint64_t>::max();
  }
  [[nodiscard]] Result<std::unique_ptr<MemoryPiece>> make_piece(std::uint64_t bytes) override {
    auto piece = std::make_unique<WholePiece>();
    if (auto made = piece->create(bytes); !made) return forward_error(made);
    return piece;
  }
  [[nodiscard]] Result<std::unique_ptr<Mapping>> map(const std::vector<const MemoryPiece*>& pieces,
                                                     std::uint64_t /*bytes*/) override {
    return std::make_unique<WholeMapping>(
        static_cast<const WholePiece*>(pieces.front())->address());
  }
};

}  // namespace

std::unique_ptr<MemoryMapper> open_memory_mapper(int device) {
  if (const auto driver = Driver::find(); driver && driver->maps_memory_of(device)) {
    if (auto mapper = DriverMapper::open(*driver, device)) return mapper;
  }
  return std::make_unique<WholeMapper>();
}

}  // namespace gyre::cuda
