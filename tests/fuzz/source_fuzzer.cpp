// An origin's answer, and the URL of a source: whatever they are, an answer is read the same way
// however it is cut into pieces and within its bound, and a URL that is accepted has one spelling.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/source/http_source.hpp"
#include "tests/fuzz/require.hpp"

namespace gyre::source {
namespace {

constexpr std::uint64_t max_bytes = 256;

// An origin that has sent everything and gone.
class TextConnection final : public Connection {
 public:
  TextConnection(std::string_view text, std::size_t piece) : text_(text), piece_(piece) {}
  Result<void> send(std::string_view, Clock::time_point) override { return {}; }
  Result<std::size_t> receive(std::span<std::byte> into, Clock::time_point) override {
    const std::size_t taken = std::min({text_.size(), into.size(), piece_});
    if (taken > 0) std::memcpy(into.data(), text_.data(), taken);
    text_.remove_prefix(taken);
    return taken;
  }

 private:
  std::string_view text_;
  std::size_t piece_;
};

struct Seen {
  std::optional<ErrorCode> error;
  std::optional<std::uint64_t> size;
  std::string body;  // nothing after an error: how much came before may differ
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read_answer(std::string_view text, std::size_t piece, std::size_t span_bytes) {
  auto source = get(Url(), SourcePolicy(), std::make_unique<TextConnection>(text, piece), max_bytes,
                    Clock::time_point::max());
  if (!source) return {source.error().code, std::nullopt, ""};
  Seen seen;
  seen.size = (*source)->size();
  std::vector<std::byte> into(span_bytes);
  while (true) {
    const auto got = (*source)->read(into);
    if (!got) return {got.error().code, seen.size, ""};
    if (*got == 0) break;
    fuzz::require(*got <= into.size());
    seen.body.append(reinterpret_cast<const char*>(into.data()), *got);
    fuzz::require(seen.body.size() <= max_bytes);
  }
  fuzz::require(!seen.size || *seen.size == seen.body.size());
  return seen;
}

void check_url(std::string_view text) {
  const auto url = Url::parse(text);
  if (!url) return;
  fuzz::require(url->authority().find_first_of("@/?#\\ ") == std::string::npos);
  fuzz::require((url->path + url->query).find_first_of("#\\ \r\n") == std::string::npos);
  const auto again = Url::parse(url->text());
  fuzz::require(again && *again == *url);
}

}  // namespace
}  // namespace gyre::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using gyre::source::read_answer;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto whole = read_answer(text, size + 1, 1024);
  gyre::fuzz::require(whole == read_answer(text, 1, 1024));
  gyre::fuzz::require(whole == read_answer(text, 7, 5));
  gyre::source::check_url(text);
  return 0;
}
