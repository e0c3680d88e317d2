// One way for every command to read its options: flags, then environment, then a TOML file, then
// defaults.
//
// An option `--max-keys` can also be given as the variable GYRE_MAX_KEYS, or as `max-keys` (or
// `max_keys`) in the file named by --config: at the top of the file, or in a table of the command's
// name ([serve]), which wins. Either may name options of the command that reads it and nothing
// else, so that a misspelt bound is an error and not the default; a file for several commands has a
// table for each, and no other. A value for a list is split at blanks in the environment, an array
// in the file. Secrets are never options: an option may name a file that holds one.
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.hpp"

namespace gyre::cli {

// Whether the word is --help or -h.
[[nodiscard]] bool asks_for_help(std::string_view word);

class Options {
 public:
  // `usage` is the line after "gyre COMMAND", `summary` a sentence or two for --help.
  Options(std::string command, std::string usage, std::string summary);

  // Options are added here: options.add()("party", boost::program_options::value<int>(), "…").
  boost::program_options::options_description_easy_init add() { return described_.add_options(); }

  // Words without a leading dash belong to this option; -1: any number.
  void add_positional(const char* option, int count);

  // Text for the end of --help: exit codes, examples.
  void set_epilogue(std::string text) { epilogue_ = std::move(text); }

  // The values, or the code to exit with: --help was printed (exit_success), or the words do not
  // fit (exit_usage, after a sentence on standard error).
  [[nodiscard]] std::variant<boost::program_options::variables_map, int> parse(
      const std::vector<std::string>& arguments) const;

  // The same without printing and exiting; `help` is a flag in the map. Errors:
  // bad_configuration; its sentence quotes no word that was given.
  [[nodiscard]] Result<boost::program_options::variables_map> read(
      const std::vector<std::string>& arguments) const;

 private:
  std::string command_;
  std::string usage_;
  std::string summary_;
  std::string epilogue_;
  boost::program_options::options_description described_;
  boost::program_options::positional_options_description positional_;
};

}  // namespace gyre::cli
