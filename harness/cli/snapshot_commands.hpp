// The commands of `gyre snapshot`: each is one function in a file of its own, and takes the words
// after its name.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace gyre::cli {

int run_snapshot_build(const std::vector<std::string>& arguments);
int run_snapshot_inspect(const std::vector<std::string>& arguments);
int run_snapshot_verify(const std::vector<std::string>& arguments);

// The manifest that the words name, for a command that takes nothing else, or the code to exit
// with.
[[nodiscard]] std::variant<std::filesystem::path, int> manifest_argument(
    const std::string& command, std::string summary, const std::vector<std::string>& arguments);

}  // namespace gyre::cli
