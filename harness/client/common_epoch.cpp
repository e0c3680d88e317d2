#include "harness/client/common_epoch.hpp"

#include <algorithm>

namespace gyre::client {
namespace {

using protocol::EpochDocument;
using protocol::EpochEntry;

const EpochEntry* find(const EpochDocument& document, const EpochId& id) {
  if (document.current.id == id) return &document.current;
  const auto found = std::find_if(document.retained.begin(), document.retained.end(),
                                  [&](const EpochEntry& entry) { return entry.id == id; });
  return found == document.retained.end() ? nullptr : &*found;
}

}  // namespace

Result<EpochEntry> choose_common_epoch(const EpochDocument& a, const EpochDocument& b) {
  if (a.party == b.party || a.party > 1 || b.party > 1) {
    return fail(
        ErrorCode::wrong_party,
        "both servers say they are the same party; a private lookup needs party 0 and party 1");
  }
  const EpochDocument& zero = a.party == 0 ? a : b;
  const EpochDocument& one = a.party == 0 ? b : a;

  // If the current epochs agree, this finds them first: one rule covers both cases.
  const EpochEntry* chosen = &zero.current;
  const EpochEntry* counterpart = find(one, chosen->id);
  for (auto entry = zero.retained.begin(); counterpart == nullptr && entry != zero.retained.end();
       ++entry) {
    chosen = &*entry;
    counterpart = find(one, chosen->id);
  }
  if (counterpart == nullptr) {
    return fail(ErrorCode::no_epoch,
                "the two servers hold no epoch in common; one of them must catch up first");
  }
  if (protocol::identity_text(*chosen) != protocol::identity_text(*counterpart)) {
    return fail(
        ErrorCode::servers_disagree,
        "the two servers describe one epoch differently, so one of them is wrong or lies; nothing "
        "was asked");
  }
  return *chosen;
}

}  // namespace gyre::client
