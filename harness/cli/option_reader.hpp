// Option values read into variables, with one sentence for whatever does not fit.
#pragma once

#include <boost/program_options.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace gyre::cli {

[[nodiscard]] inline tl::unexpected<Error> unusable(const std::string& option,
                                                    const std::string& must_be) {
  return fail(ErrorCode::bad_configuration, "--" + option + " must be " + must_be);
}

// Reads options into variables; error() says which was the first that did not fit. One thread.
class OptionReader {
 public:
  explicit OptionReader(const boost::program_options::variables_map& values) : values_(values) {}

  // A whole number. (Boost would turn -1 into a large unsigned one.)
  template <typename T>
  void number(const char* option, T& into, std::int64_t smallest = 1) {
    const auto given = values_[option].as<std::int64_t>();
    const auto largest = std::numeric_limits<T>::max();
    if (given < smallest ||
        static_cast<std::uint64_t>(given) > static_cast<std::uint64_t>(largest)) {
      if (!error_) error_ = unusable(option, "a number from " + std::to_string(smallest)).value();
      return;
    }
    into = static_cast<T>(given);
  }
  void seconds(const char* option, std::chrono::milliseconds& into, bool may_be_zero = false) {
    const double given = values_[option].as<double>();
    if (!(given > 0 || (may_be_zero && given == 0)) || given > longest_seconds) {
      if (!error_) error_ = unusable(option, "a number of seconds up to 86400").value();
      return;
    }
    into = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(given * 1000)));
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  static constexpr double longest_seconds = 86'400;

  const boost::program_options::variables_map& values_;
  std::optional<Error> error_;
};

// Empty if it was not given.
[[nodiscard]] inline std::string text_of(const boost::program_options::variables_map& values,
                                         const char* option) {
  return values.count(option) == 0 ? std::string() : values[option].as<std::string>();
}

}  // namespace gyre::cli
