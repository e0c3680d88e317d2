// The kernel for AVX-512 with its foundation and byte instructions (F, BW).
#include "backends/cpu/arrange_by_pages.hpp"
#include "backends/cpu/octets_by_tables.hpp"
#include "backends/cpu/scan_zmm.hpp"

namespace gyre::cpu {
namespace {

struct Avx512 : Avx512Base {
  static constexpr bool rows_are_queries = false;
  static void arrange_64(const std::uint8_t* const (&bits)[octet_queries],
                         const std::uint64_t (&first_bits)[8], std::uint64_t at,
                         std::uint64_t* matrices) noexcept {
    arrange_64_by_pages(bits, first_bits, at, matrices);
  }
  static constexpr std::size_t octets_at_once = 4;
  static constexpr std::size_t block_columns = second_cache_columns;
  static constexpr std::size_t block_bytes = second_cache_bytes;
  static constexpr std::size_t tile_vectors(std::size_t /*octets*/) noexcept { return 4; }
};

}  // namespace

constinit const ScanFunctions avx512_scan_functions =
    functions_of<Avx512, &accumulate_octets_by_tables<Avx512>>;

}  // namespace gyre::cpu
