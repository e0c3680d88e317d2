#include "harness/server/response_text.hpp"

#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"

namespace gyre::server {
namespace {

void append_common_headers(std::string& text) {
  for (const auto& [name, value] : common_headers)
    text += std::string(name) + ": " + value + "\r\n";
}

}  // namespace

std::string format_refusal(const Error& error, std::string_view more_headers, bool with_body,
                           bool close) {
  const int status = protocol::http_status(error.code);
  const std::string body = protocol::encode_problem(error);
  std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
  text += protocol::reason_phrase(status);
  text += "\r\nContent-Type: ";
  text += protocol::problem_media_type;
  text += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  append_common_headers(text);
  text += more_headers;
  text += close ? "Connection: close\r\n\r\n" : "\r\n";
  return with_body ? text + body : text;
}

std::string format_unending_head(const std::string& media_type, bool close) {
  std::string text = "HTTP/1.1 200 OK\r\nContent-Type: " + media_type + "\r\n";
  append_common_headers(text);
  return text + (close ? "Connection: close\r\n\r\n" : "\r\n");
}

}  // namespace gyre::server
