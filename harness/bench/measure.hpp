// Measurements of the CPU backend that benchmarks and scenarios share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"

namespace gyre::bench {

// Row bytes that are a function of the seed and their place in the row-major table, so that any row
// can be recomputed: 64-bit word w of the table is a mix (splitmix64) of seed and w. Writes the
// table's bytes first_byte … first_byte + out.size() - 1. REQUIRES: first_byte and out.size()
// multiples of 4.
void fill_synthetic(std::uint64_t seed, std::uint64_t first_byte,
                    std::span<std::byte> out) noexcept;

// A sealed image of such a table. Errors: the backend's.
[[nodiscard]] Result<std::shared_ptr<const Image>> make_synthetic_image(Backend& backend,
                                                                        const Geometry& geometry,
                                                                        std::uint64_t seed);

// Of the repetitions of one measurement.
struct Spread {
  double median = 0;
  double lowest = 0;
  double highest = 0;
};
// REQUIRES: at least one value.
[[nodiscard]] Spread spread_of(std::vector<double> values);

struct ScanPlan {
  Geometry geometry;
  QueryKind kind = QueryKind::row;
  CpuBackendOptions backend;
  unsigned repetitions = 21;  // after one that warms up and checks the answer
  std::uint64_t seed = 1;     // of the table
};

// Rates are in GB/s (10^9 bytes of table a second), times in seconds.
struct ScanFigures {
  std::string kernel;
  std::string expansion_kernel;
  std::string executor;
  unsigned threads = 0;
  std::uint64_t table_bytes = 0;
  unsigned repetitions = 0;
  double staging_seconds = 0;  // filling and interleaving the synthetic table
  Spread read_gb_per_second;   // plain read of the same memory by the same threads
  Spread scan_gb_per_second;   // selection bits and rows to an answer
  // Scan rate over plain read rate, pairwise: each repetition reads and then scans, so that what
  // disturbs the machine for longer than one repetition disturbs both. The median is the figure to
  // quote.
  Spread ratio;
  Spread expansion_seconds;    // key to selection bits, all threads
  double expansion_share = 0;  // median expansion time over median scan time
};

// Scans a synthetic table with one query at a time, fresh keys each time, beside plain reads of the
// same memory. The first pair of answers is decoded and compared with the record it should be.
// Needs the table's memory and a little more. Errors: the backend's; internal if an answer is
// wrong.
[[nodiscard]] Result<ScanFigures> measure_single_query_scan(const ScanPlan& plan);

// The same on an image made by make_synthetic_image with a CpuBackend and the plan's seed.
[[nodiscard]] Result<ScanFigures> measure_single_query_scan(const Image& image,
                                                            const ScanPlan& plan);

}  // namespace gyre::bench
