#include "harness/source/response_head.hpp"

#include <string>

#include "core/ascii.hpp"
#include "harness/protocol/head_text.hpp"

namespace gyre::source {
namespace {

tl::unexpected<Error> failed(std::string message) {
  return fail(ErrorCode::source_failed, std::move(message));
}

struct StatusLine {
  int status = 0;
  bool is_1_0 = false;
};

// "HTTP/1.1 200 OK"; the reason may be missing, and old servers leave its blank out too.
std::optional<StatusLine> read_status_line(std::string_view line) {
  const bool is_1_0 = line.starts_with("HTTP/1.0 ");
  if (!is_1_0 && !line.starts_with("HTTP/1.1 ")) return std::nullopt;
  line.remove_prefix(9);
  if (line.size() < 3 || (line.size() > 3 && line[3] != ' ')) return std::nullopt;
  int status = 0;
  for (const char c : line.substr(0, 3)) {
    if (c < '0' || c > '9') return std::nullopt;
    status = status * 10 + (c - '0');
  }
  for (const char c : line) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
  }
  if (status < 100 || status > 599) return std::nullopt;
  return StatusLine{status, is_1_0};
}

Result<void> check_status(int status) {
  if (status == 200) return {};
  if (status == 404 || status == 410) {
    return fail(ErrorCode::not_found, "the origin has no such source (it answered with status " +
                                          std::to_string(status) + ")");
  }
  if (status >= 300 && status < 400) {
    return failed("the origin tried to redirect (status " + std::to_string(status) +
                  "), and redirects are not followed: name the URL that has the bytes");
  }
  return failed("the origin answered with status " + std::to_string(status) + " instead of 200");
}

}  // namespace

Result<ResponseHead> parse_response_head(std::string_view text) {
  constexpr const char* not_http = "the origin's answer is not a well-formed head of HTTP/1.1";
  const auto status_line = protocol::take_line(text);
  const auto status = status_line ? read_status_line(*status_line) : std::nullopt;
  if (!status) return failed(not_http);
  ResponseHead head;
  std::size_t lines = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  bool encoded = false;
  for (;;) {
    const auto line = protocol::take_line(text);
    if (!line) return failed(not_http);
    if (line->empty()) break;
    const auto header = protocol::read_header_line(*line);
    if (!header || ++lines > max_head_lines) return failed(not_http);
    if (header->name == "content-length") {
      ++lengths;
      head.length = protocol::read_content_length(header->value);
      if (!head.length) return failed("the origin's Content-Length is not one decimal number");
    } else if (header->name == "transfer-encoding") {
      ++codings;
      if (ascii_lower_case(header->value) != "chunked" || status->is_1_0) {
        return failed("the origin's Transfer-Encoding is not chunked, in HTTP/1.1");
      }
      head.chunked = true;
    } else if (header->name == "content-encoding") {
      encoded = encoded || ascii_lower_case(header->value) != "identity";
    }
  }
  if (!text.empty()) return failed(not_http);
  if (auto checked = check_status(status->status); !checked) return forward_error(checked);
  if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1)) {
    return failed("the origin states the length of its body more than once");
  }
  if (encoded) {
    return failed(
        "the origin sent a compressed body although it was asked for the bytes as they are");
  }
  return head;
}

}  // namespace gyre::source
