#include "tests/property/dpf_distinguisher.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "tests/support/seeded_random.hpp"

namespace gyre::dpf {
namespace {

constexpr std::size_t batch = 64;  // keys counted at once, a bit of a word for each

// Where a feature comes from.
struct Label {
  const char* what;
  unsigned depth = 0;
  std::uint64_t position = 0;  // of a node among those of its depth, or of a word in the key
};

std::string text(const Label& label) {
  return std::string(label.what) + " (depth " + std::to_string(label.depth) + ", position " +
         std::to_string(label.position) + ")";
}

// Up to 64 features that stand in one word.
struct Group {
  Label label;
  unsigned width;
};

// The features of one key, always in the same order.
class View {
 public:
  void clear() {
    groups_.clear();
    words_.clear();
    pairable_.clear();
    pairable_bits_.clear();
  }

  void bits(const Label& label, std::uint64_t word, unsigned width) {
    groups_.push_back({label, width});
    words_.push_back(word);
  }
  void block(const Label& label, const Block& block) {
    bits(label, block.low, 64);
    bits(label, block.high, 64);
  }
  // Also compared together with every other bit of this kind.
  void pairable_bit(const Label& label, bool bit) {
    pairable_.push_back(label);
    pairable_bits_.push_back(bit ? 1 : 0);
  }
  void pairable_ends(const Label& label, const Block& block) {
    pairable_bit(label, (block.low & 1U) != 0);
    pairable_bit(label, (block.high >> 63U) != 0);
  }

  [[nodiscard]] const std::vector<Group>& groups() const { return groups_; }
  [[nodiscard]] const std::vector<std::uint64_t>& words() const { return words_; }
  [[nodiscard]] const std::vector<Label>& pairable() const { return pairable_; }
  [[nodiscard]] const std::vector<std::uint64_t>& pairable_bits() const { return pairable_bits_; }

 private:
  std::vector<Group> groups_;
  std::vector<std::uint64_t> words_;
  std::vector<Label> pairable_;
  std::vector<std::uint64_t> pairable_bits_;
};

// Bit i: whether byte i of the two is the same.
std::uint64_t equal_bytes(const Block& a, const Block& b) {
  std::uint64_t equal = 0;
  const Block difference = a ^ b;
  for (unsigned i = 0; i < 8; ++i) {
    if (((difference.low >> (8 * i)) & 0xFFU) == 0) equal |= std::uint64_t{1} << i;
    if (((difference.high >> (8 * i)) & 0xFFU) == 0) equal |= std::uint64_t{1} << (8 + i);
  }
  return equal;
}

void view_key(View& view, const Key& key) {
  const std::vector<std::byte> wire = serialize(key);
  for (std::size_t first = 0; first < wire.size(); first += 8) {
    const std::size_t n = std::min<std::size_t>(8, wire.size() - first);
    std::uint64_t word = 0;
    std::memcpy(&word, wire.data() + first, n);
    view.bits({.what = "serialized key", .position = first}, word, static_cast<unsigned>(8 * n));
  }
  view.pairable_ends({.what = "root seed's ends"}, key.seed);
  view.pairable_ends({.what = "value correction's ends"}, key.value_correction);
  view.block({.what = "root seed ^ value correction"}, key.seed ^ key.value_correction);
  for (unsigned level = 0; level < key.levels.size(); ++level) {
    const LevelCorrection& correction = key.levels[level];
    const Block& next = level + 1 < key.levels.size() ? key.levels[level + 1].seed : key.seed;
    view.block({.what = "correction seed ^ the next level's", .depth = level},
               correction.seed ^ next);
    view.block({.what = "correction seed ^ value correction", .depth = level},
               correction.seed ^ key.value_correction);
    view.bits({.what = "bytes equal in correction seed and the next level's", .depth = level},
              equal_bytes(correction.seed, next), 16);
    view.bits({.what = "zero bytes in correction seed", .depth = level},
              equal_bytes(correction.seed, {}), 16);
    view.pairable_ends({.what = "correction seed's ends", .depth = level}, correction.seed);
    view.pairable_bit({.what = "left control correction", .depth = level},
                      (correction.control & 1U) != 0);
    view.pairable_bit({.what = "right control correction", .depth = level},
                      (correction.control & 2U) != 0);
  }
}

// Visits the nodes above leaves[0] … leaves[n - 1], all of which lie below this node.
void view_subtree(View& view, const Construction& server, const Key& key, const Node& node,
                  unsigned depth, std::uint64_t position, std::span<const std::uint64_t> leaves) {
  if (leaves.empty()) return;
  if (depth == key.levels.size()) {
    const Block selection = server.selection(node, key.value_correction);
    view.block({.what = "selection bits", .depth = depth, .position = position}, selection);
    view.block({.what = "selection bits ^ value correction", .depth = depth, .position = position},
               selection ^ key.value_correction);
    view.pairable_ends({.what = "selection bits' ends", .depth = depth, .position = position},
                       selection);
    return;
  }
  const LevelCorrection& correction = key.levels[depth];
  const std::array<Node, 2> raw = server.raw_children(node.seed);
  const std::array<Node, 2> children = server.children(node, correction);
  static constexpr std::array<std::array<const char*, 5>, 2> names = {{
      {"raw left child", "raw left child ^ correction", "left child", "raw left control bit",
       "left control bit"},
      {"raw right child", "raw right child ^ correction", "right child", "raw right control bit",
       "right control bit"},
  }};
  for (std::size_t side = 0; side < 2; ++side) {
    const auto label = [&](std::size_t what) {
      return Label{.what = names[side][what], .depth = depth, .position = position};
    };
    view.block(label(0), raw[side].seed);
    view.block(label(1), raw[side].seed ^ correction.seed);
    view.block(label(2), children[side].seed);
    view.pairable_bit(label(3), raw[side].control);
    view.pairable_bit(label(4), children[side].control);
  }
  view.block({.what = "left child ^ right child", .depth = depth, .position = position},
             raw[0].seed ^ raw[1].seed);

  const unsigned below = static_cast<unsigned>(key.levels.size()) - depth - 1;
  const std::uint64_t first_on_the_right = (2 * position + 1) << below;
  const auto split = static_cast<std::size_t>(
      std::lower_bound(leaves.begin(), leaves.end(), first_on_the_right) - leaves.begin());
  view_subtree(view, server, key, children[0], depth + 1, 2 * position, leaves.first(split));
  view_subtree(view, server, key, children[1], depth + 1, 2 * position + 1, leaves.subspan(split));
}

using Square = std::array<std::uint64_t, batch>;

// Rows become columns.
void transpose(Square& square) {
  std::uint64_t mask = 0x00000000FFFFFFFF;
  for (std::size_t width = 32; width != 0; width /= 2, mask ^= mask << width) {
    for (std::size_t row = 0; row < batch; row = (row + width + 1) & ~width) {
      const std::uint64_t swap = ((square[row] >> width) ^ square[row + width]) & mask;
      square[row + width] ^= swap;
      square[row] ^= swap << width;
    }
  }
}

// How often each feature and each pair agreed with each index bit.
class Counts {
 public:
  explicit Counts(unsigned index_bits) : index_bits_(index_bits) {}

  // Features and index bits of `batch` keys.
  void add(const std::array<View, batch>& views, const Square& indices) {
    const std::size_t groups = views[0].groups().size();
    const std::size_t pairables = views[0].pairable().size();
    single_.resize(groups * batch * index_bits_);
    pairable_.resize(pairables * index_bits_);
    pairs_.resize(pairables * (pairables - 1) / 2 * index_bits_);

    Square index_rows = indices;
    transpose(index_rows);

    std::uint32_t* counter = single_.data();
    for (std::size_t group = 0; group < groups; ++group) {
      Square rows;
      for (std::size_t key = 0; key < batch; ++key) rows[key] = views[key].words()[group];
      transpose(rows);
      for (const std::uint64_t row : rows) count(row, index_rows, counter);
    }

    std::vector<std::uint64_t> rows(pairables);
    for (std::size_t i = 0; i < pairables; ++i) {
      for (std::size_t key = 0; key < batch; ++key) {
        rows[i] |= views[key].pairable_bits()[i] << key;
      }
    }
    counter = pairable_.data();
    for (const std::uint64_t row : rows) count(row, index_rows, counter);
    counter = pairs_.data();
    for (std::size_t i = 0; i < pairables; ++i) {
      for (std::size_t j = i + 1; j < pairables; ++j) count(rows[i] ^ rows[j], index_rows, counter);
    }
    keys_ += batch;
  }

  [[nodiscard]] Report report(const View& shape, double family_error) const {
    Report report;
    report.keys = keys_;
    report.features = pairable_.size() / index_bits_ + pairs_.size() / index_bits_;
    for (const Group& group : shape.groups()) report.features += group.width;
    report.comparisons = report.features * index_bits_;
    report.threshold =
        std::sqrt(std::log(2 * static_cast<double>(report.comparisons) / family_error) /
                  (2 * static_cast<double>(keys_)));

    for (std::size_t group = 0; group < shape.groups().size(); ++group) {
      for (unsigned bit = 0; bit < shape.groups()[group].width; ++bit) {
        judge(report, single_, group * batch + bit,
              [&] { return text(shape.groups()[group].label) + " bit " + std::to_string(bit); });
      }
    }
    std::size_t pair = 0;
    for (std::size_t i = 0; i < shape.pairable().size(); ++i) {
      judge(report, pairable_, i, [&] { return text(shape.pairable()[i]); });
      for (std::size_t j = i + 1; j < shape.pairable().size(); ++j, ++pair) {
        judge(report, pairs_, pair,
              [&] { return text(shape.pairable()[i]) + " ^ " + text(shape.pairable()[j]); });
      }
    }
    return report;
  }

 private:
  void count(std::uint64_t row, const Square& index_rows, std::uint32_t*& counter) const {
    for (unsigned i = 0; i < index_bits_; ++i) {
      *counter++ += static_cast<std::uint32_t>(std::popcount(~(row ^ index_rows[i])));
    }
  }

  template <typename Name>
  void judge(Report& report, const std::vector<std::uint32_t>& counters, std::size_t feature,
             const Name& name) const {
    for (unsigned i = 0; i < index_bits_; ++i) {
      const double agreement =
          static_cast<double>(counters[feature * index_bits_ + i]) / static_cast<double>(keys_);
      const double deviation = std::abs(agreement - 0.5);
      if (deviation > std::abs(report.strongest.agreement - 0.5)) {
        report.strongest = {name(), i, agreement};
      }
      if (deviation >= report.threshold) report.findings.push_back({name(), i, agreement});
    }
  }

  unsigned index_bits_;
  std::size_t keys_ = 0;
  std::vector<std::uint32_t> single_;    // [group][bit][index bit]
  std::vector<std::uint32_t> pairable_;  // [bit][index bit]
  std::vector<std::uint32_t> pairs_;     // [pair of them][index bit]
};

}  // namespace

bool Report::found(unsigned index_bit) const {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& finding) { return finding.index_bit == index_bit; });
}

Result<Report> distinguish(const Battery& battery, const Construction& server,
                           const KeyMaker& make_keys, std::size_t party) {
  SeededRandom random(battery.seed);
  const unsigned index_bits = battery.levels + 7;
  Counts counts(index_bits);
  std::array<View, batch> views;
  for (std::size_t done = 0; done < battery.keys; done += batch) {
    Square indices;
    for (std::size_t i = 0; i < batch; ++i) {
      indices[i] = random.word() >> (64 - index_bits);
      const auto keys = make_keys(battery.levels, indices[i], random);
      if (!keys) return tl::unexpected<Error>(keys.error());
      const Key& key = (*keys)[party];
      views[i].clear();
      view_key(views[i], key);
      view_subtree(views[i], server, key, {.seed = key.seed, .control = key.party == 1}, 0, 0,
                   battery.leaves);
    }
    counts.add(views, indices);
  }
  return counts.report(views[0], battery.family_error);
}

}  // namespace gyre::dpf
