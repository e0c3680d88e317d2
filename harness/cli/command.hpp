// The commands of `gyre`: each is one function in a file of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::cli {

// What a command exits with. Everything else is documented by the command that uses it.
inline constexpr int exit_success = 0;
inline constexpr int exit_failure = 1;  // it did not work; one sentence on standard error says why
inline constexpr int exit_usage = 2;    // the words on the command line do not fit

struct Command {
  std::string_view name;
  std::string_view summary;  // one clause for `gyre --help`
  int (*run)(const std::vector<std::string>& arguments);
};

// Prints "gyre NAME: sentence" on standard error and returns exit_failure.
int report_failure(std::string_view command, std::string_view sentence);

int run_compare(const std::vector<std::string>& arguments);
int run_faults(const std::vector<std::string>& arguments);
int run_fetch(const std::vector<std::string>& arguments);
int run_lookup(const std::vector<std::string>& arguments);
int run_report(const std::vector<std::string>& arguments);
int run_rotate(const std::vector<std::string>& arguments);
int run_scenario(const std::vector<std::string>& arguments);
int run_serve(const std::vector<std::string>& arguments);
int run_snapshot(const std::vector<std::string>& arguments);
int run_update(const std::vector<std::string>& arguments);

}  // namespace gyre::cli
