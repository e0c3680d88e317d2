// A battery of distinguishers: does what one server sees tell anything about the index?
//
// A server sees its serialized key, and whatever it computes from it by walking the tree. Every bit
// of that is a feature: the key's bits and bytes; at every node visited both children before and
// after correction, with their control bits; leaves; expanded selection bits; and the XOR of each
// two of those bits that a flaw would most likely tie together (control bits, control corrections,
// the ends of seeds and corrections). Over many keys for uniformly random indices, each feature is
// compared with each index bit.
//
// If the keys tell nothing, a feature agrees with an index bit in Binomial(n, 1/2) of n keys,
// exactly, because the index bit is uniform and independent of the view. By Hoeffding's inequality
// the agreement then strays from 1/2 by ε or more with probability at most 2 exp(-2 n ε²); with T
// comparisons in all and
//
//   ε = sqrt(ln(2 T / family_error) / (2 n))
//
// the battery accuses an honest generator with probability at most family_error (Bonferroni). Seen
// the other way, n = 20,032 and T = 10⁶ find any agreement beyond 1/2 ± 0.027.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/property/dpf_construction.hpp"

namespace gyre::dpf {

struct Battery {
  unsigned levels = 0;
  // The walk visits every node above these leaves. Ascending.
  std::vector<std::uint64_t> leaves;
  // Rounded up to a multiple of 64.
  std::size_t keys = 20'000;
  std::uint64_t seed = 1;
  double family_error = 1e-6;
};

// Makes the key pair for an index; real or broken.
using KeyMaker = std::function<Result<std::array<Key, 2>>(unsigned levels, std::uint64_t index,
                                                          RandomSource& random)>;

struct Finding {
  std::string feature;
  unsigned index_bit = 0;  // 0 is the lowest
  double agreement = 0.5;
};

struct Report {
  std::size_t keys = 0;
  std::size_t features = 0;
  std::size_t comparisons = 0;
  double threshold = 0;           // the ε above
  Finding strongest;              // the largest deviation from 1/2, significant or not
  std::vector<Finding> findings;  // the significant ones

  [[nodiscard]] bool found(unsigned index_bit) const;
};

// What the server of that party, evaluating by `server`, learns from the keys that `make_keys`
// makes.
[[nodiscard]] Result<Report> distinguish(const Battery& battery, const Construction& server,
                                         const KeyMaker& make_keys, std::size_t party);

}  // namespace gyre::dpf
