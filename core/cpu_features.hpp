// What the processor and the operating system let us run.
#pragma once

#include <cstdint>
#include <string>

namespace gyre {

// A set of instruction-set extensions, one bit each.
enum class CpuFeatures : std::uint32_t {
  none = 0,
  avx2 = 1U << 0U,
  aes = 1U << 1U,
  vaes = 1U << 2U,
  avx512f = 1U << 3U,
  avx512bw = 1U << 4U,
  avx512vl = 1U << 5U,
  gfni = 1U << 6U,
  avx512vbmi = 1U << 7U,
  avx512vbmi2 = 1U << 8U,
};

[[nodiscard]] constexpr CpuFeatures operator|(CpuFeatures a, CpuFeatures b) noexcept {
  return static_cast<CpuFeatures>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
// Whether `have` holds everything that `need` names.
[[nodiscard]] constexpr bool covers(CpuFeatures have, CpuFeatures need) noexcept {
  return (static_cast<std::uint32_t>(have) & static_cast<std::uint32_t>(need)) ==
         static_cast<std::uint32_t>(need);
}

// Found once, register state that the operating system does not save taken as absent. Thread-safe.
[[nodiscard]] CpuFeatures cpu_features() noexcept;

// "avx2 aes …" for people.
[[nodiscard]] std::string describe(CpuFeatures features);

}  // namespace gyre
