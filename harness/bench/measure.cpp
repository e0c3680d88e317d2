#include "harness/bench/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "backends/cpu/cpu_image.hpp"
#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "core/elapsed.hpp"
#include "core/random_source.hpp"
#include "harness/bench/read_bandwidth.hpp"

namespace gyre::bench {
namespace {

using Clock = std::chrono::steady_clock;

// splitmix64's output function over a counter (Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t mix(std::uint64_t seed, std::uint64_t word) noexcept {
  std::uint64_t x = seed + (word + 1) * 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

// Both parties' answers for a record, combined, must be the record.
Result<void> check_answer(const Image& image, const ScanPlan& plan) {
  const Geometry& geometry = plan.geometry;
  const std::uint64_t record = geometry.records(plan.kind) * 2 / 3;
  const std::uint64_t bytes = geometry.answer_bytes(plan.kind);
  SystemRandom random;
  auto keys = dpf::generate(dpf::levels_for(geometry.records(plan.kind)), record, random);
  if (!keys) return forward_error(keys);
  const Overlay none;
  std::vector<std::byte> record_bytes(bytes);
  for (const dpf::Key& key : *keys) {
    const Query query{.kind = plan.kind, .key = &key, .overlay = &none};
    std::vector<std::byte> answer(bytes);
    if (auto answered = image.answer({{&query, 1}}, answer); !answered) return answered;
    for (std::size_t i = 0; i < bytes; ++i) record_bytes[i] ^= answer[i];
  }
  std::vector<std::byte> expected(bytes);
  fill_synthetic(plan.seed, record * bytes, expected);
  if (record_bytes != expected) {
    return fail(ErrorCode::internal, "a measured scan gave a wrong answer");
  }
  return {};
}

}  // namespace

void fill_synthetic(std::uint64_t seed, std::uint64_t first_byte,
                    std::span<std::byte> out) noexcept {
  std::size_t at = 0;
  if (first_byte % 8 == 4 && !out.empty()) {
    const std::uint64_t word = mix(seed, first_byte / 8) >> 32U;
    std::memcpy(out.data(), &word, 4);
    at = 4;
  }
  for (; at + 8 <= out.size(); at += 8) {
    const std::uint64_t word = mix(seed, (first_byte + at) / 8);
    std::memcpy(out.data() + at, &word, 8);
  }
  if (at < out.size()) {
    const std::uint64_t word = mix(seed, (first_byte + at) / 8);
    std::memcpy(out.data() + at, &word, 4);
  }
}

Result<std::shared_ptr<const Image>> make_synthetic_image(Backend& backend,
                                                          const Geometry& geometry,
                                                          std::uint64_t seed) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  constexpr std::uint64_t piece_bytes = std::uint64_t{16} << 20U;
  const std::uint64_t rows_a_piece = std::max<std::uint64_t>(1, piece_bytes / geometry.row_bytes);
  std::vector<std::byte> piece(std::min(rows_a_piece, geometry.rows) *
                               std::uint64_t{geometry.row_bytes});
  for (std::uint64_t row = 0; row < geometry.rows; row += rows_a_piece) {
    const std::uint64_t rows = std::min(rows_a_piece, geometry.rows - row);
    const std::span<std::byte> bytes(piece.data(), rows * geometry.row_bytes);
    fill_synthetic(seed, row * geometry.row_bytes, bytes);
    if (auto written = (*staging)->write(row, bytes); !written) return forward_error(written);
  }
  return (*staging)->seal();
}

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return {
      .median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2,
      .lowest = values.front(),
      .highest = values.back()};
}

Result<ScanFigures> measure_single_query_scan(const ScanPlan& plan) {
  auto backend = CpuBackend::create(plan.backend);
  if (!backend) return forward_error(backend);
  const auto start = Clock::now();
  auto image = make_synthetic_image(**backend, plan.geometry, plan.seed);
  if (!image) return forward_error(image);
  const double staging_seconds = seconds_since(start);
  auto figures = measure_single_query_scan(**image, plan);
  if (figures) figures->staging_seconds = staging_seconds;
  return figures;
}

Result<ScanFigures> measure_single_query_scan(const Image& any_image, const ScanPlan& plan) {
  const auto* image = dynamic_cast<const cpu::CpuImage*>(&any_image);
  if (image == nullptr || plan.repetitions == 0 || !(image->geometry() == plan.geometry)) {
    return fail(ErrorCode::bad_configuration,
                "a scan is measured on a CPU image of the plan's geometry, at least once");
  }
  if (auto checked = check_answer(*image, plan); !checked) return forward_error(checked);

  const Geometry& geometry = plan.geometry;
  const auto memory = image->resident_bytes();
  const auto gigabytes = static_cast<double>(geometry.bytes()) / 1e9;
  const Overlay none;
  SystemRandom random;
  std::vector<std::byte> answer(geometry.answer_bytes(plan.kind));
  std::vector<double> read_rates;
  std::vector<double> scan_rates;
  std::vector<double> ratios;
  std::vector<double> expansion_seconds;
  std::vector<double> scan_seconds;
  for (unsigned repetition = 0; repetition < plan.repetitions; ++repetition) {
    auto keys = dpf::generate(dpf::levels_for(geometry.records(plan.kind)), repetition, random);
    if (!keys) return forward_error(keys);
    const Query query{.kind = plan.kind, .key = keys->data(), .overlay = &none};

    const auto read_start = Clock::now();
    if (auto sum = read_all(image->executor(), memory); !sum) return forward_error(sum);
    const double read_seconds = seconds_since(read_start);

    auto seconds = image->answer_timed({{&query, 1}}, answer);
    if (!seconds) return forward_error(seconds);
    read_rates.push_back(gigabytes / read_seconds);
    scan_rates.push_back(gigabytes / seconds->scan);
    ratios.push_back(read_seconds / seconds->scan);
    expansion_seconds.push_back(seconds->expansion);
    scan_seconds.push_back(seconds->scan);
  }
  ScanFigures figures;
  figures.kernel = image->kernel();
  figures.expansion_kernel = image->expansion_kernel();
  figures.executor = image->executor().name();
  figures.threads = image->executor().threads();
  figures.table_bytes = geometry.bytes();
  figures.repetitions = plan.repetitions;
  figures.read_gb_per_second = spread_of(std::move(read_rates));
  figures.scan_gb_per_second = spread_of(std::move(scan_rates));
  figures.ratio = spread_of(std::move(ratios));
  figures.expansion_seconds = spread_of(std::move(expansion_seconds));
  figures.expansion_share =
      figures.expansion_seconds.median / spread_of(std::move(scan_seconds)).median;
  return figures;
}

}  // namespace gyre::bench
