#include "harness/cli/options.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "harness/cli/command.hpp"
#include "harness/cli/command_names.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

constexpr std::size_t help_columns = 100;

std::string environment_name(std::string_view option) {
  std::string name = "GYRE_";
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool takes_list(const po::option_description& option) {
  return option.semantic()->max_tokens() > 1 || option.semantic()->is_composing();
}

void add_values(po::basic_parsed_options<char>& parsed, const po::option_description& option,
                const std::vector<std::string>& values) {
  po::option found(option.long_name(), values);
  found.original_tokens = {option.long_name()};
  parsed.options.push_back(std::move(found));
}

po::basic_parsed_options<char> from_environment(const po::options_description& described) {
  po::basic_parsed_options<char> parsed(&described);
  for (const auto& option : described.options()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): options are read before there is a second thread
    const char* const value = std::getenv(environment_name(option->long_name()).c_str());
    if (value == nullptr || option->long_name() == "help") continue;
    std::vector<std::string> values;
    if (takes_list(*option)) {
      std::istringstream words(value);
      for (std::string word; words >> word;) values.push_back(std::move(word));
    } else {
      values.emplace_back(value);
    }
    add_values(parsed, *option, values);
  }
  return parsed;
}

std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto whole = node.value_exact<std::int64_t>()) return std::to_string(*whole);
  if (const auto real = node.value_exact<double>()) {
    std::ostringstream text;
    text << *real;
    return text.str();
  }
  return std::nullopt;
}

Result<std::vector<std::string>> texts_of(const toml::node& node) {
  std::vector<std::string> texts;
  const auto take = [&texts](const toml::node& item) {
    auto text = scalar_text(item);
    if (text) texts.push_back(std::move(*text));
    return text.has_value();
  };
  bool usable = true;
  if (const auto* const items = node.as_array()) {
    for (const auto& item : *items) usable = take(item) && usable;
  } else {
    usable = take(node);
  }
  if (!usable) {
    return fail(
        ErrorCode::bad_configuration,
        "line " + std::to_string(node.source().begin.line) +
            " of the configuration file needs a text, a number, true or false, or a list of them");
  }
  return texts;
}

// Whether a command other than this one may look into a table of that name: "snapshot verify" is
// one if this is "snapshot build", but "snapshot" is then a mistake for either.
bool is_of_a_command(std::string_view table, std::string_view command) {
  return is_command(table.substr(0, table.find(' '))) &&
         !(command.starts_with(table) && command.substr(table.size()).starts_with(' '));
}

// Takes what one table says about this command's options: the top of the file, among which stand
// the commands' tables, or the table of this command.
enum class TablePlace { top_of_file, of_command };

Result<void> take_table(const toml::table& table, TablePlace place, std::string_view command,
                        const po::options_description& described,
                        po::basic_parsed_options<char>& parsed) {
  for (const auto& [key, node] : table) {
    if (place == TablePlace::top_of_file && node.is_table()) {
      if (is_of_a_command(key.str(), command)) continue;
      return fail(ErrorCode::bad_configuration,
                  "line " + std::to_string(key.source().begin.line) +
                      " of the configuration file begins a table that is named after no command, "
                      "as [serve] or [\"snapshot build\"] is");
    }
    std::string name(key.str());
    std::replace(name.begin(), name.end(), '_', '-');
    const auto* const option = described.find_nothrow(name, /*approx=*/false);
    if (option == nullptr || name == "help" || name == "config") {
      return fail(ErrorCode::bad_configuration,
                  "line " + std::to_string(key.source().begin.line) +
                      " of the configuration file names no option of this command; what is for "
                      "another one belongs into a table of its name");
    }
    auto values = texts_of(node);
    if (!values) return forward_error(values);
    if (values->size() != 1 && !takes_list(*option)) {
      return fail(ErrorCode::bad_configuration,
                  "line " + std::to_string(key.source().begin.line) +
                      " of the configuration file gives a list where one value is meant");
    }
    add_values(parsed, *option, *values);
  }
  return {};
}

// Stores what was not given before: lists would otherwise be joined, where the first source is to
// win.
void store_missing(po::basic_parsed_options<char> parsed, po::variables_map& values) {
  std::erase_if(parsed.options, [&](const po::option& option) {
    return values.count(option.string_key) != 0 && !values[option.string_key].defaulted();
  });
  po::store(parsed, values);
}

Result<void> store_file(const std::string& path, std::string_view command,
                        const po::options_description& described, po::variables_map& values) {
  try {
    const toml::table file = toml::parse_file(path);
    if (const auto* const own = file[command].as_table()) {
      po::basic_parsed_options<char> parsed(&described);
      if (auto taken = take_table(*own, TablePlace::of_command, command, described, parsed); !taken)
        return taken;
      store_missing(std::move(parsed), values);
    }
    po::basic_parsed_options<char> parsed(&described);
    if (auto taken = take_table(file, TablePlace::top_of_file, command, described, parsed); !taken)
      return taken;
    store_missing(std::move(parsed), values);
    return {};
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    if (line == 0) return fail(ErrorCode::bad_configuration, "the --config file cannot be read");
    return fail(ErrorCode::bad_configuration,
                "line " + std::to_string(line) + " of the --config file is not valid TOML");
  }
}

// The library's own sentences quote the words they are about, and a mistyped command line may hold
// a key: here only an option that is known is named.
std::string sentence_about(const po::error& error, const po::options_description& described) {
  if (dynamic_cast<const po::unknown_option*>(&error) != nullptr) {
    return "an option was given that this command does not have";
  }
  if (dynamic_cast<const po::too_many_positional_options_error*>(&error) != nullptr) {
    return "there are more words than this command takes";
  }
  const auto* const named = dynamic_cast<const po::error_with_option_name*>(&error);
  if (named == nullptr) return "the options do not fit this command";
  std::string name = named->get_option_name();
  name.erase(0, name.find_first_not_of('-'));
  const auto* const option = described.find_nothrow(name, /*approx=*/false);
  if (option == nullptr) return "the options do not fit this command";
  const std::string flag = "--" + option->long_name();
  if (dynamic_cast<const po::required_option*>(&error) != nullptr) return flag + " is needed";
  if (dynamic_cast<const po::multiple_occurrences*>(&error) != nullptr) {
    return flag + " may be given only once";
  }
  return flag + " has no value, or one that does not fit";
}

}  // namespace

bool asks_for_help(std::string_view word) {
  return word == "--help" || word == "-h";
}

int report_failure(std::string_view command, std::string_view sentence) {
  std::cerr << "gyre " << command << ": " << sentence << '\n';
  return exit_failure;
}

Options::Options(std::string command, std::string usage, std::string summary)
    : command_(std::move(command)),
      usage_(std::move(usage)),
      summary_(std::move(summary)),
      described_("Options", help_columns, help_columns / 2) {
  described_.add_options()("help,h", po::bool_switch(), "show this text")(
      "config", po::value<std::string>()->value_name("FILE"), "read options from a TOML file");
}

void Options::add_positional(const char* option, int count) {
  positional_.add(option, count);
}

Result<po::variables_map> Options::read(const std::vector<std::string>& arguments) const {
  try {
    po::variables_map values;
    po::store(
        po::command_line_parser(arguments)
            .options(described_)
            .positional(positional_)
            .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
            .run(),
        values);
    store_missing(from_environment(described_), values);
    if (values.count("config") != 0) {
      const auto stored =
          store_file(values["config"].as<std::string>(), command_, described_, values);
      if (!stored) return tl::unexpected<Error>(stored.error());
    }
    po::notify(values);
    return values;
  } catch (const po::error& error) {
    return fail(ErrorCode::bad_configuration, sentence_about(error, described_));
  }
}

std::variant<po::variables_map, int> Options::parse(
    const std::vector<std::string>& arguments) const {
  // --help wins over whatever else is wrong or missing.
  if (std::any_of(arguments.begin(), arguments.end(), asks_for_help)) {
    std::cout << "Usage: gyre " << command_ << ' ' << usage_ << "\n\n"
              << summary_ << "\n\n"
              << described_;
    if (!epilogue_.empty()) std::cout << '\n' << epilogue_ << '\n';
    std::cout
        << "\nEvery option can also come from the environment (--max-keys as GYRE_MAX_KEYS) or "
           "from "
           "the --config file;\na flag wins over the environment, the environment over the file.\n";
    return exit_success;
  }
  auto values = read(arguments);
  if (!values) {
    std::cerr << "gyre " << command_ << ": " << values.error().message << "; see gyre " << command_
              << " --help\n";
    return exit_usage;
  }
  return std::move(*values);
}

}  // namespace gyre::cli
