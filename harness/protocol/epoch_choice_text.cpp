#include "harness/protocol/epoch_choice_text.hpp"

namespace gyre::protocol {

std::string epoch_choice_text(const EpochChoice& choice) {
  const auto* id = std::get_if<EpochId>(&choice);
  return id == nullptr ? "current" : id->text();
}

Result<EpochChoice> parse_epoch_choice(std::string_view text) {
  if (text == "current") return EpochChoice{CurrentEpoch{}};
  auto id = EpochId::parse(text);
  if (!id)
    return fail(ErrorCode::malformed_request, "the epoch must be \"current\" or an epoch's id");
  return EpochChoice{*id};
}

}  // namespace gyre::protocol
