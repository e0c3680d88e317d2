// Which epoch a client asks both servers about.
//
// Thread-safety: pure functions.
#pragma once

#include "core/error.hpp"
#include "harness/protocol/epoch_document.hpp"

namespace gyre::client {

// The epoch that is current on both; else the first in server 0's list (current, then retained from
// the newest) that server 1 holds too. Both must describe it alike, byte for byte.
//
// Errors: wrong_party (the documents are not of one party each); servers_disagree (one id, two
// descriptions); no_epoch (nothing in common: time mends that when one server is merely behind).
[[nodiscard]] Result<protocol::EpochEntry> choose_common_epoch(const protocol::EpochDocument& a,
                                                               const protocol::EpochDocument& b);

}  // namespace gyre::client
