#include "harness/server/pass_shares.hpp"

namespace gyre::server {

std::vector<std::size_t> fair_shares(std::span<const WaitingQueries> requests, PassBounds bounds,
                                     PassLoad already) {
  std::vector<std::size_t> shares(requests.size());
  std::size_t queries = already.queries;
  std::uint64_t bytes = already.answer_bytes;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (shares[i] == requests[i].queries) continue;
      const bool fits = queries < bounds.queries && bytes <= bounds.answer_bytes &&
                        requests[i].answer_bytes <= bounds.answer_bytes - bytes;
      if (!fits && queries > 0) return shares;
      ++shares[i];
      ++queries;
      bytes += requests[i].answer_bytes;
      more = true;
    }
  }
  return shares;
}

}  // namespace gyre::server
