// A backend that flips one bit of what is staged, without a word.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/backend.hpp"

namespace gyre {

class CorruptingBackend final : public Backend {
 public:
  // The lowest bit of that byte of the first piece that is written.
  CorruptingBackend(Backend& inside, std::size_t offset) : inside_(inside), offset_(offset) {}

  [[nodiscard]] std::string_view name() const noexcept override { return inside_.name(); }
  [[nodiscard]] Place place() const noexcept override { return inside_.place(); }
  [[nodiscard]] Result<std::unique_ptr<Staging>> stage(const Geometry& geometry) override {
    auto staging = inside_.stage(geometry);
    if (!staging) return forward_error(staging);
    return std::make_unique<Corrupting>(std::move(*staging), offset_);
  }

 private:
  class Corrupting final : public Staging {
   public:
    Corrupting(std::unique_ptr<Staging> inside, std::size_t offset)
        : inside_(std::move(inside)), offset_(offset) {}
    [[nodiscard]] Result<void> write(std::uint64_t first_row,
                                     std::span<const std::byte> rows) override {
      std::vector<std::byte> changed(rows.begin(), rows.end());
      if (first_row == 0) changed[offset_] ^= std::byte{1};
      return inside_->write(first_row, changed);
    }
    [[nodiscard]] Result<std::shared_ptr<const Image>> seal() override { return inside_->seal(); }

   private:
    const std::unique_ptr<Staging> inside_;
    const std::size_t offset_;
  };

  Backend& inside_;
  const std::size_t offset_;
};

}  // namespace gyre
