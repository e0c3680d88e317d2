#include "harness/protocol/base64.hpp"

#include <sodium.h>

#include <algorithm>

namespace gyre::protocol {

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

void append_base64(std::string& out, std::span<const std::byte> bytes) {
  const std::size_t at = out.size();
  const std::size_t characters = base64_characters(bytes.size());
  out.resize(at + characters + 1);  // the library ends its text with a zero
  sodium_bin2base64(out.data() + at, characters + 1,
                    reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  out.resize(at + characters);
}

Result<std::vector<std::byte>> from_base64(std::string_view text) {
  if (text.empty()) return std::vector<std::byte>{};  // the library wants a place to write to
  // Checked first: for less than one group the library would be handed no place to write to.
  if (text.size() % 4 != 0)
    return fail(ErrorCode::malformed_request, "base64 comes in groups of four characters");
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  std::size_t length = 0;
  const char* end = nullptr;
  const int refused =
      sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                        text.size(), nullptr, &length, &end, sodium_base64_VARIANT_ORIGINAL);
  // The library (1.0.18) takes some bytes above ASCII for letters.
  const bool ascii =
      std::none_of(text.begin(), text.end(), [](char c) { return (c & '\x80') != 0; });
  if (!ascii || refused != 0 || end != text.data() + text.size()) {
    return fail(ErrorCode::malformed_request,
                "base64 must be padded, of the standard alphabet, without spaces");
  }
  bytes.resize(length);
  return bytes;
}

}  // namespace gyre::protocol
