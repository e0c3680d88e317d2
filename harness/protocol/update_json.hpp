// The JSON form of update batches. Use update_codec.hpp; its contracts hold here.
#pragma once

#include <string>
#include <string_view>

#include "harness/protocol/update_codec.hpp"

namespace gyre::protocol {

[[nodiscard]] std::string encode_json(const UpdateBatch& batch);

// The caller has bounded the body and runs check_well_formed() on what comes out.
[[nodiscard]] Result<UpdateBatch> decode_batch_json(std::string_view body,
                                                    const UpdateLimits& limits);

}  // namespace gyre::protocol
