#include "harness/server/request_head.hpp"

#include <algorithm>

namespace gyre::server {
namespace {

constexpr std::size_t max_content_length_digits = 15;

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), to_lower);
  return result;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_token_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

// Visible characters, blanks, and bytes above ASCII.
bool is_field_character(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

std::string_view trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes a line and its CRLF off the front; nothing if there is no CRLF.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

tl::unexpected<Error> malformed(std::string message) {
  return fail(ErrorCode::malformed_request, std::move(message));
}

Result<void> read_request_line(std::string_view line, RequestHead& head, bool& is_1_0) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return malformed("the request line must be a method, a path and HTTP/1.1");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > RequestHead::max_method_bytes) {
    return malformed("the request's method is not of the form that HTTP knows");
  }
  if (target.size() > RequestHead::max_target_bytes) {
    return fail(ErrorCode::request_too_large, "a request's target may have at most " +
                                                  std::to_string(RequestHead::max_target_bytes) +
                                                  " bytes");
  }
  if (target.empty() || target.front() != '/' ||
      !std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return malformed("the request's target must be a path that begins with a slash");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return malformed("the protocol must be HTTP/1.1 or HTTP/1.0");
  }
  head.method = method;
  head.path = target.substr(0, target.find('?'));
  is_1_0 = version == "HTTP/1.0";
  return {};
}

Result<void> read_header_line(std::string_view line, RequestHead& head) {
  if (head.headers.size() == RequestHead::max_header_lines) {
    return fail(ErrorCode::request_too_large, "a request may have at most " +
                                                  std::to_string(RequestHead::max_header_lines) +
                                                  " header lines");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
      !std::all_of(line.begin(), line.end(), is_field_character)) {
    return malformed(
        "a header line must be a name, a colon and a value, without control characters");
  }
  head.headers.emplace_back(lower(line.substr(0, colon)), trim(line.substr(colon + 1)));
  return {};
}

// What the headers say about the body and the connection.
Result<void> read_framing(RequestHead& head, bool is_1_0) {
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  head.close = is_1_0;
  for (const auto& [name, value] : head.headers) {
    if (name == "host") {
      ++hosts;
    } else if (name == "content-length") {
      ++lengths;
      if (value.empty() || value.size() > max_content_length_digits ||
          !std::all_of(value.begin(), value.end(), is_digit)) {
        return malformed("Content-Length must be one decimal number");
      }
      head.content_length = std::stoull(value);
    } else if (name == "transfer-encoding") {
      ++codings;
      if (lower(value) != "chunked" || is_1_0) {
        return malformed("Transfer-Encoding must be chunked, in HTTP/1.1");
      }
      head.chunked = true;
    } else if (name == "connection") {
      std::string_view rest = value;
      for (bool more = true; more;) {
        const std::size_t comma = rest.find(',');
        more = comma != std::string_view::npos;
        if (lower(trim(rest.substr(0, comma))) == "close") head.close = true;
        if (more) rest.remove_prefix(comma + 1);
      }
    } else if (name == "expect") {
      if (lower(value) != "100-continue") return malformed("Expect must be 100-continue");
      head.expects_continue = !is_1_0;
    }
  }
  if (lengths > 1 || codings > 1 || (lengths == 1 && codings == 1)) {
    return malformed("a request must state the length of its body once, in one way");
  }
  if (hosts > 1 || (hosts == 0 && !is_1_0)) return malformed("a request must have one Host header");
  return {};
}

}  // namespace

const std::string* RequestHead::find(std::string_view name) const noexcept {
  for (const auto& [header, value] : headers) {
    if (header == name) return &value;
  }
  return nullptr;
}

Result<RequestHead> parse_request_head(std::string_view text) {
  RequestHead head;
  bool is_1_0 = false;
  const auto request_line = take_line(text);
  if (!request_line) return malformed("a request must begin with a request line");
  if (auto read = read_request_line(*request_line, head, is_1_0); !read) return forward_error(read);
  for (;;) {
    const auto line = take_line(text);
    if (!line) return malformed("a request's head must end in an empty line");
    if (line->empty()) break;
    if (auto read = read_header_line(*line, head); !read) return forward_error(read);
  }
  if (!text.empty()) return malformed("nothing may follow the empty line of a head");
  if (auto read = read_framing(head, is_1_0); !read) return forward_error(read);
  return head;
}

std::string media_type_of(std::string_view header_value) {
  return lower(trim(header_value.substr(0, header_value.find(';'))));
}

}  // namespace gyre::server
