// Filling an image: rows come row-major in any pieces and are brought into the resident layout
// group by group.
#pragma once

#include <memory>

#include "backends/cpu/core.hpp"
#include "backends/cpu/cpu_image.hpp"
#include "core/backend.hpp"

namespace gyre::cpu {

class CpuStaging final : public Staging {
 public:
  // Errors: out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Staging>> create(std::shared_ptr<Core> core,
                                                               const Geometry& geometry);

  CpuStaging(std::shared_ptr<Core> core, const Geometry& geometry, Storage storage,
             HugeBuffer group) noexcept;

  [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                   std::span<const std::byte> rows) override;
  [[nodiscard]] Result<std::shared_ptr<const Image>> seal() override;

 private:
  [[nodiscard]] Result<void> store(std::span<const std::byte> rows);
  // Brings whole groups, row-major in `rows`, into their chunks.
  [[nodiscard]] Result<void> interleave_groups(std::uint64_t first_group, std::uint64_t groups,
                                               const std::uint8_t* rows);

  const std::shared_ptr<Core> core_;
  const Geometry geometry_;
  const InterleavedLayout layout_;
  Storage storage_;
  HugeBuffer group_;  // row-major, the group that is not complete yet
  std::uint64_t written_bytes_ = 0;
  bool unusable_ = false;  // after an error or seal()
};

}  // namespace gyre::cpu
