#include "harness/bench/batch_measure.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_image.hpp"
#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "core/elapsed.hpp"
#include "core/random_source.hpp"
#include "harness/bench/read_bandwidth.hpp"

namespace gyre::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Fresh keys of both parties for `queries` records spread over the table.
class Keys {
 public:
  [[nodiscard]] static Result<Keys> generate(const Geometry& geometry, QueryKind kind,
                                             std::size_t queries) {
    Keys made;
    SystemRandom random;
    const std::uint64_t records = geometry.records(kind);
    for (std::size_t q = 0; q < queries; ++q) {
      made.records_.push_back(records / queries * q + q % (records / queries + 1) % records);
      made.records_.back() = std::min(made.records_.back(), records - 1);
      auto keys = dpf::generate(dpf::levels_for(records), made.records_.back(), random);
      if (!keys) return forward_error(keys);
      for (std::size_t party = 0; party < 2; ++party) {
        made.keys_[party].push_back(std::move((*keys)[party]));
      }
    }
    for (std::size_t party = 0; party < 2; ++party) {
      for (const dpf::Key& key : made.keys_[party]) {
        made.queries_[party].push_back({.kind = kind, .key = &key, .overlay = &made.no_overlay()});
      }
    }
    return made;
  }

  [[nodiscard]] Pass pass(std::size_t party, std::size_t queries) const {
    return {std::span(queries_[party]).first(queries)};
  }
  [[nodiscard]] const std::vector<std::uint64_t>& records() const noexcept { return records_; }

 private:
  static const Overlay& no_overlay() {
    static const Overlay none;
    return none;
  }

  std::vector<std::uint64_t> records_;
  std::vector<dpf::Key> keys_[2];
  std::vector<Query> queries_[2];
};

Result<void> check_answers(const Image& image, const BatchPlan& plan) {
  auto keys = Keys::generate(image.geometry(), plan.kind, plan.queries);
  if (!keys) return forward_error(keys);
  const std::uint64_t bytes = image.geometry().answer_bytes(plan.kind);
  std::vector<std::byte> sum(bytes * plan.queries);
  for (std::size_t party = 0; party < 2; ++party) {
    std::vector<std::byte> answers(sum.size());
    auto answered = image.answer(keys->pass(party, plan.queries), answers);
    if (!answered) return answered;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= answers[i];
  }
  std::vector<std::byte> expected(bytes);
  for (std::size_t q = 0; q < plan.queries; ++q) {
    fill_synthetic(plan.seed, keys->records()[q] * bytes, expected);
    if (!std::equal(expected.begin(), expected.end(),
                    sum.begin() + static_cast<std::ptrdiff_t>(q * bytes))) {
      return fail(ErrorCode::internal, "a measured pass gave a wrong answer");
    }
  }
  return {};
}

}  // namespace

Result<BatchFigures> measure_batch(const Image& any_image, const BatchPlan& plan) {
  const auto* image = dynamic_cast<const cpu::CpuImage*>(&any_image);
  if (image == nullptr || plan.repetitions == 0 || plan.queries == 0) {
    return fail(ErrorCode::bad_configuration,
                "passes are measured on a CPU image, with at least one query, at least once");
  }
  if (auto checked = check_answers(*image, plan); !checked) return forward_error(checked);

  const Geometry& geometry = image->geometry();
  const auto memory = image->resident_bytes();
  const auto bytes = static_cast<double>(geometry.bytes());
  const auto queries = static_cast<double>(plan.queries);
  const auto leaves = static_cast<double>(dpf::leaves_for(geometry.records(plan.kind)));
  std::vector<std::byte> answers(geometry.answer_bytes(plan.kind) * plan.queries);
  struct Values {
    std::vector<double> read, pass, scan, share, ratio, gain, gain_of_scan, bits;
  } values;
  BatchFigures figures;
  figures.threads = image->executor().threads();
  for (unsigned repetition = 0; repetition < plan.repetitions; ++repetition) {
    auto keys = Keys::generate(geometry, plan.kind, plan.queries);
    if (!keys) return forward_error(keys);
    const auto read_start = Clock::now();
    if (auto sum = read_all(image->executor(), memory); !sum) return forward_error(sum);
    const double read_seconds = seconds_since(read_start);

    const auto single_start = Clock::now();
    auto single = image->answer_timed(keys->pass(0, 1),
                                      std::span(answers).first(geometry.answer_bytes(plan.kind)));
    if (!single) return forward_error(single);
    const double single_seconds = seconds_since(single_start);

    const auto pass_start = Clock::now();
    auto pass = image->answer_timed(keys->pass(0, plan.queries), answers);
    if (!pass) return forward_error(pass);
    const double pass_seconds = seconds_since(pass_start);

    values.read.push_back(bytes / read_seconds);
    values.pass.push_back(pass_seconds);
    values.scan.push_back(queries * bytes / pass->scan);
    values.share.push_back(pass->expansion / pass_seconds);
    values.ratio.push_back(queries * read_seconds / pass->scan);
    values.gain.push_back(queries * single_seconds / pass_seconds);
    values.gain_of_scan.push_back(queries * single->scan / pass->scan);
    values.bits.push_back(queries * leaves * dpf::bits_per_leaf /
                          (pass->expansion * figures.threads));
  }
  figures.kernel = image->kernel();
  figures.expansion_kernel = image->expansion_kernel();
  figures.executor = image->executor().name();
  figures.read_rate = spread_of(std::move(values.read));
  figures.pass_seconds = spread_of(std::move(values.pass));
  figures.scan_rate = spread_of(std::move(values.scan));
  figures.expansion_share = spread_of(std::move(values.share));
  figures.ratio_to_read = spread_of(std::move(values.ratio));
  figures.gain = spread_of(std::move(values.gain));
  figures.gain_of_scan = spread_of(std::move(values.gain_of_scan));
  figures.bits_per_thread_second = spread_of(std::move(values.bits));
  return figures;
}

}  // namespace gyre::bench
