// Usage: dpf-constant-time expand KERNEL | generate | leaking-branch | leaking-address
//
// The last two leak on purpose and pass if that is reported; were it not, the others would prove
// nothing.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dpf/expand.hpp"
#include "core/dpf/generate.hpp"
#include "core/dpf/key.hpp"
#include "tests/constant_time/secret.hpp"
#include "tests/support/seeded_random.hpp"

namespace gyre::dpf {
namespace {

using namespace gyre::constant_time;

void mark_secret_parts(Key& key) {
  mark_secret(key.seed);
  for (LevelCorrection& level : key.levels) {
    mark_secret(level.seed);
    mark_secret(level.control);
  }
  mark_secret(key.value_correction);
}

void mark_public_parts(Key& key) {
  mark_public(key.seed);
  for (LevelCorrection& level : key.levels) {
    mark_public(level.seed);
    mark_public(level.control);
  }
  mark_public(key.value_correction);
}

// Ranges of every kind: a whole tree, a part that starts and ends off any boundary, surplus levels.
struct Range {
  unsigned levels;
  std::uint64_t first;
  std::uint64_t count;
};
constexpr std::array<Range, 6> ranges = {{
    {0, 0, 1},
    {1, 0, 2},
    {5, 3, 21},
    {11, 0, 2048},
    {17, 65'000, 1'200},
    {48, 0, 37},
}};

int check_expand(const ExpansionKernel& kernel) {
  SeededRandom random(1);
  for (const Range& range : ranges) {
    auto keys = generate(range.levels, range.first * bits_per_leaf, random);
    if (!keys) return fail_check("no keys");
    for (Key& key : *keys) {
      std::vector<Block> expected(range.count);
      expand(kernel, key, range.first, expected);
      std::vector<Block> leaves(range.count);
      mark_secret_parts(key);
      expand(kernel, key, range.first, leaves);
      mark_public(std::span(leaves));
      if (leaves != expected) return fail_check("expansion differs when its key is marked");
    }
  }
  return reported() == 0 ? passed : fail_check("expansion depends on its key");
}

// Random bytes that are secret, as a client's are.
class SecretRandom final : public RandomSource {
 public:
  Result<void> fill(std::span<std::byte> out) override {
    auto filled = random_.fill(out);
    mark_secret(out);
    return filled;
  }

 private:
  SeededRandom random_{2};
};

int check_generate() {
  for (const unsigned levels : {0U, 1U, 18U, max_levels}) {
    // Bits past the tree stay known to be zero: whether the index lies in the tree is no secret.
    const std::uint64_t inside = (std::uint64_t{128} << levels) - 1;
    std::uint64_t secret_index = 0x5a5a'1234'89ab'cdef;
    const std::uint64_t index = secret_index & inside;
    mark_secret(secret_index);
    SecretRandom random;
    auto keys = generate(levels, secret_index & inside, random);
    if (!keys) return fail_check("no keys");
    std::array<Block, 2> leaves;
    for (std::size_t party = 0; party < 2; ++party) {
      mark_public_parts((*keys)[party]);
      expand(best_expansion_kernel(), (*keys)[party], index / bits_per_leaf,
             std::span(&leaves[party], 1));
    }
    const Block sum = leaves[0] ^ leaves[1];
    const std::uint64_t bit = std::uint64_t{1} << (index % 64);
    const Block expected = index % 128 < 64 ? Block{.low = bit} : Block{.high = bit};
    if (sum != expected) return fail_check("the keys do not select their index");
  }
  return reported() == 0 ? passed : fail_check("generation depends on its secrets");
}

volatile std::uint64_t sink = 0;

int leak_by_branch() {
  Block seed{.low = 1};
  mark_secret(seed);
  if ((seed.low & 1U) != 0) sink = sink + 1;
  return reported() != 0 ? passed : fail_check("a branch on a secret went unnoticed");
}

int leak_by_address() {
  static volatile std::uint64_t table[256] = {};
  Block seed{.low = 77};
  mark_secret(seed);
  sink = table[seed.low & 255U];
  return reported() != 0 ? passed : fail_check("an address made of a secret went unnoticed");
}

int run(std::string_view check, std::string_view kernel_name) {
  if (!under_valgrind()) return skip("this check means something under valgrind only");
  if (check == "leaking-branch") return leak_by_branch();
  if (check == "leaking-address") return leak_by_address();
  if (check == "generate") return check_generate();
  if (check != "expand") return fail_check("there is no check of that name");
  const auto kernel = find_expansion_kernel(kernel_name);
  if (!kernel && kernel.error().code == ErrorCode::cpu_feature_missing) {
    return skip("the processor that valgrind presents lacks what this kernel needs");
  }
  if (!kernel) return fail_check(kernel.error().message);
  return check_expand(**kernel);
}

}  // namespace
}  // namespace gyre::dpf

int main(int argc, char** argv) {
  return gyre::dpf::run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}
