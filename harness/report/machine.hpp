// On what machine, and with what build, a result was measured.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gyre::report {

// What another run must be compared with. Reads /proc and the CPU's identification; a fact that
// cannot be had is "unknown", never guessed. Thread-safe.
[[nodiscard]] nlohmann::json describe_machine();

// "2 × Intel(R) Xeon(R) …, 23.5 GiB, Linux 6.1" for people.
[[nodiscard]] std::string machine_line();

}  // namespace gyre::report
