// Snapshots from where the operator allows: the adapter from sources to a rotation.
#pragma once

#include <memory>
#include <string>

#include "core/error.hpp"
#include "harness/server/snapshot_origin.hpp"
#include "harness/source/policy.hpp"

namespace gyre::server {

// Thread-safe.
class SourceOrigin final : public SnapshotOrigin {
 public:
  explicit SourceOrigin(source::SourcePolicy policy) : policy_(std::move(policy)) {}

  [[nodiscard]] Result<std::unique_ptr<Stream>> open(const std::string& url,
                                                     std::uint64_t max_bytes,
                                                     std::stop_token stop) override;
  [[nodiscard]] Result<std::string> beside(const std::string& url,
                                           const std::string& file) const override;

 private:
  const source::SourcePolicy policy_;
};

}  // namespace gyre::server
