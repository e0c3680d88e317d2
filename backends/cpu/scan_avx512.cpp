// The kernel for AVX-512 with its foundation and byte instructions (F, BW).
#include "backends/cpu/octets_by_tables.hpp"
#include "backends/cpu/scan_zmm.hpp"

namespace gyre::cpu {
namespace {

struct Avx512 : Avx512Base {
  static constexpr bool rows_are_queries = false;
  static constexpr std::size_t octets_at_once = 4;
  static constexpr std::size_t tile_vectors(std::size_t /*octets*/) noexcept { return 4; }
};

}  // namespace

constinit const ScanFunctions avx512_scan_functions =
    functions_of<Avx512, &accumulate_octets_by_tables<Avx512>>;

}  // namespace gyre::cpu
