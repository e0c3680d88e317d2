#include "harness/server/request_head.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "harness/protocol/head_text.hpp"

namespace gyre::server {
namespace {

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
  if (!protocol::is_token(method) || method.size() > RequestHead::max_method_bytes) {
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
  auto header = protocol::read_header_line(line);
  if (!header) {
    return malformed(
        "a header line must be a name, a colon and a value, without control characters");
  }
  head.headers.emplace_back(std::move(header->name), header->value);
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
      head.content_length = protocol::read_content_length(value);
      if (!head.content_length) return malformed("Content-Length must be one decimal number");
    } else if (name == "transfer-encoding") {
      ++codings;
      if (ascii_lower_case(value) != "chunked" || is_1_0) {
        return malformed("Transfer-Encoding must be chunked, in HTTP/1.1");
      }
      head.chunked = true;
    } else if (name == "connection") {
      std::string_view rest = value;
      for (bool more = true; more;) {
        const std::size_t comma = rest.find(',');
        more = comma != std::string_view::npos;
        if (ascii_lower_case(protocol::trim_blanks(rest.substr(0, comma))) == "close")
          head.close = true;
        if (more) rest.remove_prefix(comma + 1);
      }
    } else if (name == "expect") {
      if (ascii_lower_case(value) != "100-continue")
        return malformed("Expect must be 100-continue");
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
  const auto request_line = protocol::take_line(text);
  if (!request_line) return malformed("a request must begin with a request line");
  if (auto read = read_request_line(*request_line, head, is_1_0); !read) return forward_error(read);
  for (;;) {
    const auto line = protocol::take_line(text);
    if (!line) return malformed("a request's head must end in an empty line");
    if (line->empty()) break;
    if (auto read = read_header_line(*line, head); !read) return forward_error(read);
  }
  if (!text.empty()) return malformed("nothing may follow the empty line of a head");
  if (auto read = read_framing(head, is_1_0); !read) return forward_error(read);
  return head;
}

std::string media_type_of(std::string_view header_value) {
  return ascii_lower_case(protocol::trim_blanks(header_value.substr(0, header_value.find(';'))));
}

}  // namespace gyre::server
