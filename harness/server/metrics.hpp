// What a server has counted since it started, and GET /metrics' form of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/protocol/rotation_document.hpp"

namespace gyre::server {

// The text format of Prometheus.
inline constexpr std::string_view metrics_media_type = "text/plain; version=0.0.4";

// Something that is not counted here, but read when somebody asks for the metrics.
struct MetricReading {
  struct Value {
    std::vector<std::pair<std::string, std::string>> labels;  // names and values
    double value = 0;
  };

  std::string name;
  std::string help;
  bool ever_increasing = false;  // a counter, otherwise a gauge
  std::vector<Value> values;
};

// docs/http.md has the names. Labels are codes, kinds and phases, never anything a client sent.
// Thread-safe. Counting cannot fail: what there is no memory for is not counted.
class Metrics {
 public:
  // Throws std::bad_alloc.
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A query that got that many answers, which took so long from the whole request on.
  void count_answered_query(QueryKind kind, std::size_t answers, double seconds) noexcept;
  void count_refused_query(QueryKind kind, ErrorCode code) noexcept;
  // REQUIRES: it has ended.
  void count_rotation(const protocol::RotationDocument& rotation) noexcept;
  void count_rollback(std::optional<ErrorCode> failure) noexcept;
  // A batch that is applied, or was already; with its rows.
  void count_batch(bool resent, std::uint64_t rows) noexcept;
  void count_refused_batch(ErrorCode code) noexcept;

  // Everything, with what was read elsewhere. Throws std::bad_alloc.
  [[nodiscard]] std::string text(const std::vector<MetricReading>& readings) const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace gyre::server
