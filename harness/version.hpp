// Which build this is.
#pragma once

#include <string>
#include <string_view>

namespace gyre {

[[nodiscard]] std::string_view version() noexcept;

// The commit the sources were at ("unknown" outside a checkout), with "+changes" if there were any.
[[nodiscard]] std::string_view source_commit() noexcept;

// Compiler, optimisation, sanitizers and fault points of this build, for people and result files.
[[nodiscard]] std::string build_description();

}  // namespace gyre
