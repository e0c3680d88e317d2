#include "core/cpu_features.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <string_view>
#include <utility>

namespace gyre {
namespace {

constexpr std::array<std::pair<CpuFeatures, std::string_view>, 9> names = {{
    {CpuFeatures::avx2, "avx2"},
    {CpuFeatures::aes, "aes"},
    {CpuFeatures::vaes, "vaes"},
    {CpuFeatures::avx512f, "avx512f"},
    {CpuFeatures::avx512bw, "avx512bw"},
    {CpuFeatures::avx512vl, "avx512vl"},
    {CpuFeatures::gfni, "gfni"},
    {CpuFeatures::avx512vbmi, "avx512vbmi"},
    {CpuFeatures::avx512vbmi2, "avx512vbmi2"},
}};

#if defined(__x86_64__)
// clang 14 does not know this one by name. Of use only where the system saves the wide registers,
// which AVX2's presence tells.
bool has_vaes() noexcept {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned vaes_bit = 1U << 9U;
  return __builtin_cpu_supports("avx2") != 0 &&
         __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ecx & vaes_bit) != 0;
}
#endif

CpuFeatures detect() noexcept {
  CpuFeatures found = CpuFeatures::none;
#if defined(__x86_64__)
  // The compiler's run-time library checks CPUID and the register state the system saves (XCR0).
  __builtin_cpu_init();
  const auto add = [&found](bool present, CpuFeatures feature) {
    if (present) found = found | feature;
  };
  add(__builtin_cpu_supports("avx2") != 0, CpuFeatures::avx2);
  add(__builtin_cpu_supports("aes") != 0, CpuFeatures::aes);
  add(has_vaes(), CpuFeatures::vaes);
  add(__builtin_cpu_supports("avx512f") != 0, CpuFeatures::avx512f);
  add(__builtin_cpu_supports("avx512bw") != 0, CpuFeatures::avx512bw);
  add(__builtin_cpu_supports("avx512vl") != 0, CpuFeatures::avx512vl);
  add(__builtin_cpu_supports("gfni") != 0, CpuFeatures::gfni);
  add(__builtin_cpu_supports("avx512vbmi") != 0, CpuFeatures::avx512vbmi);
  add(__builtin_cpu_supports("avx512vbmi2") != 0, CpuFeatures::avx512vbmi2);
#endif
  return found;
}

}  // namespace

CpuFeatures cpu_features() noexcept {
  static const CpuFeatures found = detect();
  return found;
}

std::string describe(CpuFeatures features) {
  std::string text;
  for (const auto& [feature, name] : names) {
    if (!covers(features, feature)) continue;
    if (!text.empty()) text += ' ';
    text += name;
  }
  return text.empty() ? "none" : text;
}

}  // namespace gyre
