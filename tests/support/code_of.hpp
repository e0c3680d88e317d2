// The code of a result's error, or nothing if there is none: for EXPECT_EQ.
#pragma once

#include <optional>

#include "core/error.hpp"

namespace gyre {

template <typename T>
[[nodiscard]] std::optional<ErrorCode> code_of(const Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().code;
}

}  // namespace gyre
