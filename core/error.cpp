#include "core/error.hpp"

#include <array>

namespace gyre {
namespace {

struct Entry {
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array entries = {
#define GYRE_ENTRY(code, meaning) Entry{#code, meaning},
    GYRE_ERROR_CODES(GYRE_ENTRY)
#undef GYRE_ENTRY
};

}  // namespace

std::string_view name(ErrorCode code) noexcept {
  return entries[static_cast<std::size_t>(code)].name;
}

std::string_view meaning(ErrorCode code) noexcept {
  return entries[static_cast<std::size_t>(code)].meaning;
}

}  // namespace gyre
