#include "harness/server/source_origin.hpp"

#include <utility>

#include "harness/source/source.hpp"
#include "harness/source/url.hpp"

namespace gyre::server {
namespace {

class SourceStream final : public SnapshotOrigin::Stream {
 public:
  explicit SourceStream(std::unique_ptr<source::Source> source) : source_(std::move(source)) {}

  [[nodiscard]] std::optional<std::uint64_t> size() const override { return source_->size(); }
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> out) override {
    return source_->read(out);
  }

 private:
  std::unique_ptr<source::Source> source_;
};

}  // namespace

Result<std::unique_ptr<SnapshotOrigin::Stream>> SourceOrigin::open(const std::string& url,
                                                                   std::uint64_t max_bytes,
                                                                   std::stop_token stop) {
  auto source = source::open(url, policy_, max_bytes, std::move(stop));
  if (!source) return forward_error(source);
  return std::make_unique<SourceStream>(std::move(*source));
}

Result<std::string> SourceOrigin::beside(const std::string& url, const std::string& file) const {
  return source::sibling(url, file);
}

}  // namespace gyre::server
