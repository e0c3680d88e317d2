// Bytes as they come over a connection: whatever they are, every request in them is read the same
// way however they are cut into pieces, and what is read is within its bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/server/request_reader.hpp"
#include "tests/fuzz/require.hpp"

namespace gyre::server {
namespace {

constexpr std::size_t max_head_bytes = 1024;
constexpr std::size_t max_body_bytes = 256;

// A peer that has sent everything and gone.
class TextTransport final : public Transport {
 public:
  TextTransport(std::string_view text, std::size_t piece) : text_(text), piece_(piece) {}
  Transfer read(std::span<char> into, Deadline) override {
    if (text_.empty()) return {TransferOutcome::ended, 0};
    const std::size_t taken = std::min({text_.size(), into.size(), piece_});
    std::copy_n(text_.begin(), taken, into.begin());
    text_.remove_prefix(taken);
    return {TransferOutcome::moved, taken};
  }
  Transfer write(std::span<const char>, Deadline) override { return {}; }
  void end_writing() noexcept override {}

 private:
  std::string_view text_;
  std::size_t piece_;
};

struct Seen {
  std::string method;
  std::string path;
  std::string body;
  bool refused = false;  // with which error may depend on what had come by then
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> read_all(std::string_view text, std::size_t piece) {
  TextTransport transport(text, piece);
  RequestReader reader(transport, max_head_bytes);
  const Deadline never = Deadline::max();
  std::vector<Seen> requests;
  while (reader.wait_for_request(never)) {
    Seen seen;
    const auto head = reader.read_head(never);
    if (!head) {
      seen.refused = head.error().error.has_value();
      requests.push_back(seen);
      break;
    }
    fuzz::require(!head->path.empty() && head->path.front() == '/');
    fuzz::require(head->headers.size() <= RequestHead::max_header_lines);
    fuzz::require(!(head->chunked && head->content_length));
    for (const auto& [name, value] : head->headers) {
      fuzz::require(name.find_first_of("\r\n: ") == std::string::npos);
      fuzz::require(value.find_first_of("\r\n") == std::string::npos);
    }
    seen.method = head->method;
    seen.path = head->path;
    const auto body = reader.read_body(*head, max_body_bytes, never);
    if (body) {
      fuzz::require(body->size() <= max_body_bytes);
      seen.body = *body;
    } else {
      seen.refused = body.error().error.has_value();
    }
    requests.push_back(seen);
    if (!body) break;
  }
  return requests;
}

}  // namespace
}  // namespace gyre::server

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto whole = gyre::server::read_all(text, size + 1);
  gyre::fuzz::require(gyre::server::read_all(text, 1) == whole);
  gyre::fuzz::require(gyre::server::read_all(text, 7) == whole);
  return 0;
}
