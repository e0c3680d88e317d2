// The binary form of update batches; binary_form() in core/update_batch.hpp writes it. Use
// update_codec.hpp; its contracts hold here.
#pragma once

#include <string_view>

#include "harness/protocol/update_codec.hpp"

namespace gyre::protocol {

// The caller has bounded the body and runs check_well_formed() on what comes out.
[[nodiscard]] Result<UpdateBatch> decode_batch_binary(std::string_view body,
                                                      const UpdateLimits& limits,
                                                      const KnownTables& known);

}  // namespace gyre::protocol
