#include "harness/client/admin_token.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace gyre::client {

Result<std::string> read_admin_token(const std::optional<std::filesystem::path>& file) {
  std::string text;
  if (file) {
    std::ifstream input(*file, std::ios::binary);
    // One byte more than a token and a line's end may have, so that a longer file shows.
    text.resize(max_admin_token_bytes + 3);
    input.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (input.bad() || (!input && !input.eof())) {
      return fail(ErrorCode::io_failed, "the file of the admin token cannot be read");
    }
    text.resize(static_cast<std::size_t>(input.gcount()));
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
  } else {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the contract above
    const char* const value = std::getenv(admin_token_variable);
    if (value == nullptr) {
      return fail(ErrorCode::bad_configuration,
                  std::string("an admin token is needed, from --token-file or from ") +
                      admin_token_variable);
    }
    text = value;
  }
  const bool usable =
      !text.empty() && text.size() <= max_admin_token_bytes &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
  if (!usable) {
    return fail(ErrorCode::bad_configuration, "an admin token must be one line of 1 to " +
                                                  std::to_string(max_admin_token_bytes) +
                                                  " printable characters without spaces");
  }
  return text;
}

}  // namespace gyre::client
