#include "core/dpf/expansion_kernel.hpp"

#include <array>
#include <string>

namespace gyre::dpf {
namespace {

#if defined(__x86_64__)
constexpr ExpansionKernel vaes_kernel{
    "vaes", CpuFeatures::avx2 | CpuFeatures::aes | CpuFeatures::vaes | CpuFeatures::avx512f,
    &vaes::hash, &vaes::expand_level, &vaes::finish_leaves};
constexpr ExpansionKernel vaes256_kernel{
    "vaes256", CpuFeatures::avx2 | CpuFeatures::aes | CpuFeatures::vaes, &vaes256::hash,
    &vaes256::expand_level, &vaes256::finish_leaves};
constexpr ExpansionKernel aesni_kernel{"aesni", CpuFeatures::aes, &aesni::hash,
                                       &aesni::expand_level, &aesni::finish_leaves};
#endif
constexpr ExpansionKernel portable_kernel{"portable", CpuFeatures::none, &portable::hash,
                                          &portable::expand_level, &portable::finish_leaves};

constexpr std::array kernels = {
#if defined(__x86_64__)
    &vaes_kernel,
    &vaes256_kernel,
    &aesni_kernel,
#endif
    &portable_kernel,
};

}  // namespace

std::span<const ExpansionKernel* const> expansion_kernels() noexcept {
  return kernels;
}

const ExpansionKernel& best_expansion_kernel() noexcept {
  for (const ExpansionKernel* kernel : kernels) {
    if (covers(cpu_features(), kernel->required)) return *kernel;
  }
  return portable_kernel;
}

Result<const ExpansionKernel*> find_expansion_kernel(std::string_view name) {
  std::string known;
  for (const ExpansionKernel* kernel : kernels) {
    if (kernel->name == name) {
      if (covers(cpu_features(), kernel->required)) return kernel;
      return fail(ErrorCode::cpu_feature_missing,
                  "this CPU cannot run the chosen expansion kernel, which needs " +
                      describe(kernel->required));
    }
    if (!known.empty()) known += ", ";
    known += kernel->name;
  }
  return fail(ErrorCode::bad_configuration,
              "there is no expansion kernel of that name; this build has " + known);
}

}  // namespace gyre::dpf
