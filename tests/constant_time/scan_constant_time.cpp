// Usage: scan-constant-time functions KERNEL | image KERNEL | reference | leaking-scan
//
// `functions` marks selection bits, `image` everything in a key that is secret and then runs a
// whole pass: expansion, scan of groups and tail, overlay. `leaking-scan` leaves out what is not
// selected, the mistake this is about, and passes if that is reported.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/scan_kernel.hpp"
#include "backends/reference/reference_backend.hpp"
#include "core/cpu_features.hpp"
#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "tests/constant_time/secret.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre {
namespace {

using namespace gyre::constant_time;
using Memory = std::vector<std::uint8_t>;

Memory random_memory(SeededRandom& random, std::size_t bytes) {
  Memory memory(bytes);
  static_cast<void>(random.fill(std::as_writable_bytes(std::span(memory))));
  return memory;
}

void mark_key(dpf::Key& key, bool secret) {
  const auto mark = [secret](auto& part) { secret ? mark_secret(part) : mark_public(part); };
  mark(key.seed);
  for (dpf::LevelCorrection& level : key.levels) {
    mark(level.seed);
    mark(level.control);
  }
  mark(key.value_correction);
}

// How the selection bits of eight queries lie: strings, a byte an item, a byte a page of an item.
enum class Bits { strings, bytes, pages };

// From the selection bits of eight queries to their answers.
Memory octet_answers(const cpu::ScanFunctions& functions, const std::vector<Memory>& bits,
                     Bits lie_as, const Memory& data, std::size_t items, std::size_t columns) {
  const std::uint8_t* queries[cpu::octet_queries];
  for (std::size_t q = 0; q < cpu::octet_queries; ++q) queries[q] = bits[q].data();
  std::vector<std::uint64_t> matrices(functions.octets_at_once * cpu::matrix_stride);
  for (std::size_t o = 0; o < functions.octets_at_once; ++o) {
    std::uint64_t* const some = matrices.data() + o * cpu::matrix_stride;
    if (lie_as == Bits::pages) {
      functions.arrange_pages(queries[o], items, some);
    } else if (lie_as == Bits::strings) {
      const std::uint64_t first_bits[8] = {o, 8 + o, 24, 40, 48, 56, 65, 72};
      functions.arrange_strings(queries, first_bits, 0, items, some);
    } else {
      functions.arrange_bytes(queries, items, some);
    }
  }
  Memory accumulators(functions.octets_at_once * columns);
  functions.accumulate_octets({.items = data.data(),
                               .item_stride = columns,
                               .item_count = items,
                               .columns = columns,
                               .matrices = matrices.data(),
                               .octets = functions.octets_at_once,
                               .accumulators = accumulators.data(),
                               .accumulator_stride = columns,
                               .ahead = nullptr,
                               .ahead_stride = columns,
                               .ahead_part = 0,
                               .ahead_parts = 1});
  Memory answers(columns);
  functions.separate(accumulators.data(), columns / 8, answers.data(), columns / 8);
  return answers;
}

// Null, or what is wrong.
const char* check_octets(const cpu::ScanFunctions& functions, SeededRandom& random) {
  for (const std::size_t columns : {32U, 64U, 256U, 288U, 416U}) {
    for (const Bits lie_as : {Bits::strings, Bits::bytes, Bits::pages}) {
      constexpr std::size_t items = 70;
      const Memory data = random_memory(random, items * columns);
      std::vector<Memory> bits;
      for (std::size_t q = 0; q < cpu::octet_queries; ++q)
        bits.push_back(random_memory(random, 8 * items));
      const Memory expected = octet_answers(functions, bits, lie_as, data, items, columns);
      for (Memory& query : bits) mark_secret(std::span(query));
      Memory answers = octet_answers(functions, bits, lie_as, data, items, columns);
      mark_public(std::span(answers));
      if (answers != expected) return "answers differ when the bits of eight queries are marked";
    }
  }
  return nullptr;
}

// What the functions compute from known selection bits, they must compute from secret ones.
int check_functions(const cpu::ScanFunctions& functions) {
  SeededRandom random(1);
  Memory selection = random_memory(random, 2000);
  // Columns of every way through accumulate(): in registers and in cache, with and without a
  // remainder.
  for (const std::size_t columns : {32U, 64U, 256U, 288U, 384U, 416U, 768U, 800U, 1056U, 4096U}) {
    constexpr std::size_t items = 27;
    const Memory data = random_memory(random, items * columns);
    Memory expected(columns);
    functions.accumulate(data.data(), columns, items, selection.data(), columns, expected.data());
    Memory sums(columns);
    mark_secret(std::span(selection));
    functions.accumulate(data.data(), columns, items, selection.data(), columns, sums.data());
    mark_public(std::span(selection));
    mark_public(std::span(sums));
    if (sums != expected) return fail_check("sums differ when the selection is marked");
  }
  for (const std::uint64_t stride : {1U, 7U, 113U, 128U}) {
    Memory expected(stride);
    functions.interleave_bits(selection.data(), 8 * stride, stride, stride, expected.data());
    Memory columns(stride);
    mark_secret(std::span(selection));
    functions.interleave_bits(selection.data(), 8 * stride, stride, stride, columns.data());
    mark_public(std::span(selection));
    mark_public(std::span(columns));
    if (columns != expected) return fail_check("columns differ when the bits are marked");
  }
  for (const std::size_t record_bytes : {4U, 36U, 64U}) {
    constexpr std::size_t records = 50;
    const Memory data = random_memory(random, records * record_bytes);
    Memory expected(record_bytes);
    functions.xor_selected(data.data(), record_bytes, record_bytes, records, selection.data(), 3,
                           expected.data());
    Memory answer(record_bytes);
    mark_secret(std::span(selection));
    functions.xor_selected(data.data(), record_bytes, record_bytes, records, selection.data(), 3,
                           answer.data());
    mark_public(std::span(selection));
    mark_public(std::span(answer));
    if (answer != expected) return fail_check("answers differ when the bits are marked");
  }
  if (const char* const failure = check_octets(functions, random)) return fail_check(failure);
  return reported() == 0 ? passed : fail_check("the scan depends on its selection");
}

Result<std::shared_ptr<const Image>> make_image(Backend& backend, const Geometry& geometry,
                                                SeededRandom& random) {
  auto staging = backend.stage(geometry);
  if (!staging) return forward_error(staging);
  std::vector<std::byte> rows(geometry.bytes());
  static_cast<void>(random.fill(rows));
  if (auto written = (*staging)->write(0, rows); !written) return forward_error(written);
  return (*staging)->seal();
}

// A pass of queries with those keys, on each of the overlays in turns. Null, or what is wrong.
const char* check_pass(const Image& image, QueryKind kind, std::vector<dpf::Key>& keys,
                       std::span<const Overlay> overlays) {
  std::vector<Query> queries;
  for (const dpf::Key& key : keys) {
    queries.push_back(
        {.kind = kind, .key = &key, .overlay = &overlays[queries.size() % overlays.size()]});
  }
  const Pass pass{queries};
  std::vector<std::byte> expected(pass.answer_bytes(image.geometry()));
  std::vector<std::byte> answers(expected.size());
  if (!image.answer(pass, expected)) return "no answer";
  for (dpf::Key& key : keys) mark_key(key, true);
  const bool answered = image.answer(pass, answers).has_value();
  for (dpf::Key& key : keys) mark_key(key, false);
  mark_public(std::span(answers));
  return answered && answers == expected ? nullptr : "an answer differs when its key is marked";
}

int check_image(Backend& backend) {
  SeededRandom random(2);
  const std::vector<Geometry> tables = {
      {.rows = 113 * 19, .row_bytes = 36, .rows_per_page = 113},
      {.rows = 128 * 16, .row_bytes = 32, .rows_per_page = 128},
      {.rows = 21, .row_bytes = 8200, .rows_per_page = 1},
  };
  // One query has a way of its own.
  for (const std::size_t pairs : {0U, 5U}) {
    for (const Geometry& geometry : tables) {
      const auto image = make_image(backend, geometry, random);
      if (!image) return fail_check(image.error().message);
      // More rows than an item has, the first batch in both overlays, and none.
      std::vector<Overlay> overlays = {Overlay{}};
      for (const std::uint64_t count : {2U, 13U}) {
        OverlayBatch batch{.seq = overlays.size(), .rows = {}, .differences = {}};
        for (std::uint64_t i = 0; i < count; ++i) {
          batch.rows.push_back(1 + i * (geometry.rows - 2) / (count - 1));
        }
        batch.differences.resize(count * geometry.row_bytes);
        static_cast<void>(random.fill(batch.differences));
        auto longer = overlays.front().append(geometry, std::move(batch));
        if (!longer) return fail_check(longer.error().message);
        overlays.insert(overlays.begin(), std::move(*longer));
      }
      for (const QueryKind kind : {QueryKind::row, QueryKind::page}) {
        std::vector<dpf::Key> keys;
        for (std::size_t pair = 0; pair < std::max<std::size_t>(pairs, 1); ++pair) {
          auto both = dpf::generate(dpf::levels_for(geometry.records(kind)) + 1, 1, random);
          if (!both) return fail_check(both.error().message);
          for (dpf::Key& key : *both) keys.push_back(std::move(key));
        }
        if (pairs == 0) {
          for (const dpf::Key& key : keys) {
            std::vector<dpf::Key> alone = {key};
            const char* const failure = check_pass(**image, kind, alone, overlays);
            if (failure != nullptr) return fail_check(failure);
          }
        } else if (const char* const failure = check_pass(**image, kind, keys, overlays)) {
          return fail_check(failure);
        }
      }
    }
  }
  return reported() == 0 ? passed : fail_check("a pass depends on its keys");
}

int leak_by_skipping() {
  SeededRandom random(3);
  const Memory records = random_memory(random, std::size_t{16} * 32);
  std::uint8_t bits = 0x5a;
  Memory answer(32);
  mark_secret(bits);
  for (std::size_t r = 0; r < 8; ++r) {
    if (((bits >> r) & 1U) == 0) continue;
    for (std::size_t b = 0; b < 32; ++b)
      answer[b] = static_cast<std::uint8_t>(answer[b] ^ records[32 * r + b]);
  }
  mark_public(std::span(answer));
  std::uint8_t expected = 0;
  for (const std::size_t r : {1U, 3U, 4U, 6U}) {
    expected = static_cast<std::uint8_t>(expected ^ records[32 * r]);
  }
  if (answer[0] != expected) return fail_check("the leaking scan is not even right");
  return reported() != 0 ? passed : fail_check("skipping unselected records went unnoticed");
}

int run(std::string_view check, std::string_view kernel_name) {
  if (!under_valgrind()) return skip("this check means something under valgrind only");
  if (check == "leaking-scan") return leak_by_skipping();
  if (check == "reference") {
    ReferenceBackend backend;
    return check_image(backend);
  }
  if (check != "functions" && check != "image") return fail_check("there is no check of that name");
  const auto kernel = cpu::find_scan_kernel(kernel_name, cpu_features());
  if (!kernel && kernel.error().code == ErrorCode::cpu_feature_missing) {
    return skip("the processor that valgrind presents lacks what this kernel needs");
  }
  if (!kernel) return fail_check(kernel.error().message);
  if (check == "functions") return check_functions(*(*kernel)->functions);
  // The plain pool: of oneTBB's scheduler nothing depends on a key either, but it is not ours to
  // check.
  auto backend =
      CpuBackend::create({.kernel = std::string(kernel_name), .executor = "pool", .threads = 2});
  return backend ? check_image(**backend) : fail_check(backend.error().message);
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) {
  return gyre::run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}
