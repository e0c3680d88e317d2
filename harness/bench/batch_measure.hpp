// What answering several queries with one pass gains over one pass a query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/backend.hpp"
#include "core/error.hpp"
#include "harness/bench/measure.hpp"

namespace gyre::bench {

struct BatchPlan {
  QueryKind kind = QueryKind::row;
  std::size_t queries = 1;
  unsigned repetitions = 5;
  std::uint64_t seed = 1;  // of the table
};

// Rates are in bytes of table a second, times the queries of a pass where one has several.
struct BatchFigures {
  std::string kernel;
  std::string expansion_kernel;
  std::string executor;
  unsigned threads = 0;
  Spread read_rate;        // plain read of the same memory by the same threads
  Spread pass_seconds;     // of all queries together: keys in, answers out
  Spread scan_rate;        // the pass without the expansion of its keys
  Spread expansion_share;  // of the pass
  Spread ratio_to_read;    // scan rate over read rate
  Spread gain;             // queries a second over those of single passes, expansion included
  Spread gain_of_scan;     // the same of scans alone
  Spread bits_per_thread_second;  // selection bits expanded by one thread in a second of its time
};

// In turns, `repetitions` times: reads the image's memory, answers one query, answers a pass of all
// queries, fresh keys each time; the ratios are of one turn each. The first pass's answers are
// decoded and compared with the records they should be. REQUIRES: an image made by
// make_synthetic_image with a CpuBackend and the plan's seed. Errors: bad_configuration (no CPU
// image, no queries or repetitions), the backend's; internal if an answer is wrong.
[[nodiscard]] Result<BatchFigures> measure_batch(const Image& image, const BatchPlan& plan);

}  // namespace gyre::bench
