#include "harness/cli/fault_plan.hpp"

#include <cstdlib>
#include <string>

#if defined(GYRE_FAULT_POINTS)
#include <spdlog/spdlog.h>

#include <charconv>
#include <utility>

#include "fault_injection/injector.hpp"
#endif

namespace gyre::cli {
namespace {

const char* variable(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): the only thread
}

#if defined(GYRE_FAULT_POINTS)

class ServedFaults final : public EnvironmentFaults {
 public:
  ServedFaults(fault_injection::Plan plan, std::uint64_t seed)
      : injector_(std::move(plan), seed, [](const fault_injection::Firing& firing) {
          spdlog::warn("event=fault point={} hit={} action={}", describe(firing.point).name,
                       firing.hit, name(firing.term.action));
        }) {}

  [[nodiscard]] Result<void> check_all_hit() const override {
    std::string names;
    for (const FaultPoint point : injector_.never_hit()) {
      names += ' ' + std::string(describe(point).name);
    }
    if (names.empty()) return {};
    return fail(
        ErrorCode::bad_configuration,
        "the fault plan names points that nobody came to, and tested nothing there:" + names);
  }

 private:
  fault_injection::Injector injector_;
};

Result<std::uint64_t> seed_of_environment() {
  const char* const text = variable("GYRE_FAULT_SEED");
  if (text == nullptr) return 1;
  const std::string_view digits = text;
  std::uint64_t seed = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) {
    return fail(ErrorCode::bad_configuration, "GYRE_FAULT_SEED must be a decimal number");
  }
  return seed;
}

#endif

}  // namespace

Result<std::unique_ptr<EnvironmentFaults>> faults_of_environment(std::string_view command) {
  const char* const text = variable("GYRE_FAULTS");
  if (text == nullptr) return nullptr;
#if defined(GYRE_FAULT_POINTS)
  if (command == "run") return nullptr;
  if (command == "serve") {
    auto plan = fault_injection::parse_plan(text);
    if (!plan) return forward_error(plan);
    const auto seed = seed_of_environment();
    if (!seed) return tl::unexpected<Error>(seed.error());
    spdlog::warn("event=faults_armed plan=\"{}\" seed={}", text_of(*plan), *seed);
    return std::make_unique<ServedFaults>(std::move(*plan), *seed);
  }
#endif
  // An operator must not believe that a plan is in force where nothing reads one.
  return fail(ErrorCode::bad_configuration, "GYRE_FAULTS is set, but gyre " + std::string(command) +
                                                " takes no fault plans in this build; unset it");
}

}  // namespace gyre::cli
