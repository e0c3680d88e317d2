// How a request names the epoch it wants: "current" or an epoch's id.
#pragma once

#include <string>
#include <string_view>

#include "core/epoch_table.hpp"
#include "core/error.hpp"

namespace gyre::protocol {

[[nodiscard]] std::string epoch_choice_text(const EpochChoice& choice);
[[nodiscard]] Result<EpochChoice> parse_epoch_choice(std::string_view text);  // malformed_request

}  // namespace gyre::protocol
