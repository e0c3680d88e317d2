// Reading options of common kinds out of what the command line said. Errors of all:
// bad_configuration; a sentence names the option and never quotes its value.
//
// Thread-safety: pure functions.
#pragma once

#include <boost/program_options.hpp>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/error.hpp"

namespace gyre::cli {

[[nodiscard]] inline tl::unexpected<Error> bad_option(std::string_view option,
                                                      std::string_view must_be) {
  return fail(ErrorCode::bad_configuration,
              "--" + std::string(option) + " must be " + std::string(must_be));
}

[[nodiscard]] inline std::optional<std::string> text_option(
    const boost::program_options::variables_map& values, const char* option) {
  if (values.count(option) == 0) return std::nullopt;
  return values[option].as<std::string>();
}

// Read here rather than by the library, which takes -1 for 2^64 - 1.
template <typename Number>
[[nodiscard]] Result<std::optional<Number>> number_option(
    const boost::program_options::variables_map& values, const char* option) {
  const auto text = text_option(values, option);
  if (!text) return std::nullopt;
  Number number{};
  const char* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end) {
    return bad_option(
        option, "a whole number of at most " + std::to_string(std::numeric_limits<Number>::max()));
  }
  return number;
}

template <typename Bytes>
[[nodiscard]] Result<std::optional<Bytes>> hex_option(
    const boost::program_options::variables_map& values, const char* option) {
  const auto text = text_option(values, option);
  if (!text) return std::nullopt;
  std::string_view digits = *text;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  Bytes bytes{};
  if (!from_hex(digits, bytes)) {
    return bad_option(option, std::to_string(2 * bytes.size()) + " hex digits");
  }
  return bytes;
}

// One of some words, the first for a missing option.
template <typename Choice>
[[nodiscard]] Result<Choice> word_option(
    const boost::program_options::variables_map& values, const char* option,
    const std::vector<std::pair<std::string_view, Choice>>& choices) {
  const auto text = text_option(values, option);
  if (!text) return choices.front().second;
  std::string words;
  for (const auto& [word, choice] : choices) {
    if (*text == word) return choice;
    words += (words.empty() ? "" : " or ") + std::string(word);
  }
  return bad_option(option, words);
}

}  // namespace gyre::cli
