#include "harness/source/url.hpp"

#include <algorithm>

#include "core/ascii.hpp"
#include "harness/client/server_address.hpp"
#include "harness/snapshot/manifest.hpp"

namespace gyre::source {
namespace {

tl::unexpected<Error> refuse(const char* sentence) {
  return fail(ErrorCode::unsupported_url, sentence);
}

std::string_view scheme_text(Scheme scheme) noexcept {
  switch (scheme) {
    case Scheme::https:
      return "https://";
    case Scheme::http:
      return "http://";
    case Scheme::file:
      break;
  }
  return "file://";
}

std::uint16_t default_port(Scheme scheme) noexcept {
  return scheme == Scheme::https ? 443 : scheme == Scheme::http ? 80 : 0;
}

// What RFC 3986 lets stand in a path or query, besides percent-encodings.
bool is_url_character(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~!$&'()*+,;=:@/?").find(c) != std::string_view::npos;
}

bool is_well_encoded(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3 || hex_digit_value(text[i + 1]) < 0 ||
          hex_digit_value(text[i + 2]) < 0) {
        return false;
      }
      i += 2;
    } else if (!is_url_character(text[i])) {
      return false;
    }
  }
  return true;
}

// "." and "..", also with percent-encoded dots: a reader may walk up on any of them.
bool is_dot_segment(std::string_view segment) noexcept {
  std::size_t dots = 0;
  while (!segment.empty()) {
    if (segment.front() == '.') {
      segment.remove_prefix(1);
    } else if (segment.size() >= 3 && segment[0] == '%' && segment[1] == '2' &&
               (segment[2] == 'e' || segment[2] == 'E')) {
      segment.remove_prefix(3);
    } else {
      return false;
    }
    ++dots;
  }
  return dots == 1 || dots == 2;
}

// REQUIRES: begins with '/'.
Result<void> check_path(std::string_view path, bool may_end_in_slash) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    const bool last = segment.size() == path.size();
    if (segment.empty() && !(last && may_end_in_slash)) {
      return refuse("the path of a source's URL must name a file, without empty segments");
    }
    if (is_dot_segment(segment)) {
      return refuse("the path of a source's URL may not have segments of only dots");
    }
    path.remove_prefix(segment.size());
  }
  return {};
}

Result<Url> parse_file(std::string_view rest) {
  if (!rest.starts_with('/')) {
    return refuse("a local source is file:/// and a path, without a host");
  }
  if (rest.find_first_of("%?") != std::string_view::npos) {
    return refuse("the path of a local source may not have percent-encodings or a query");
  }
  if (auto checked = check_path(rest, false); !checked) return forward_error(checked);
  Url url;
  url.scheme = Scheme::file;
  url.path = rest;
  return url;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.empty()) return refuse("a source needs a URL");
  if (text.size() > max_url_bytes) {
    return refuse("a source's URL is at most 4096 characters long");
  }
  const std::size_t scheme_end = text.find("://");
  const std::string scheme =
      ascii_lower_case(text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end));
  if (scheme != "https" && scheme != "http" && scheme != "file") {
    return refuse("a source's URL begins with https://, http:// or file:///");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (authority.find('@') != std::string_view::npos) {
    return refuse("a source's URL may not hold credentials");
  }
  if (rest.find('#') != std::string_view::npos || authority.find('#') != std::string_view::npos) {
    return refuse("a source's URL may not have a fragment");
  }
  if (!is_well_encoded(rest)) {
    return refuse(
        "a source's URL consists of the ASCII characters that RFC 3986 allows, all others "
        "percent-encoded");
  }
  if (scheme == "file") {
    if (!authority.empty()) return refuse("a local source is file:/// and a path, without a host");
    return parse_file(rest);
  }

  auto address = client::ServerAddress::parse(scheme + "://" + std::string(authority));
  if (!address) {
    return refuse(
        "a source's URL needs a host name (in ASCII, without a final dot) or a full IP address, "
        "and if a port then one from 1 to 65535");
  }
  Url url;
  url.scheme = address->secure ? Scheme::https : Scheme::http;
  url.host = std::move(address->host);
  url.port = address->port;
  const std::size_t query = std::min(rest.find('?'), rest.size());
  if (query > 0) url.path = rest.substr(0, query);
  url.query = rest.substr(query);
  if (auto checked = check_path(url.path, true); !checked) return forward_error(checked);
  return url;
}

std::string Url::authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != default_port(scheme)) text += ":" + std::to_string(port);
  return text;
}

std::string Url::text() const {
  return std::string(scheme_text(scheme)) + authority() + path + query;
}

Result<std::string> sibling(std::string_view url, std::string_view file_name) {
  auto parsed = Url::parse(url);
  if (!parsed) return forward_error(parsed);
  if (!snapshot::is_plain_file_name(file_name)) {
    return fail(ErrorCode::malformed_input,
                "the name of a rows file is 1 to 200 letters, digits, '_', '.' and '-', the first "
                "not a dot or hyphen");
  }
  if (!parsed->query.empty()) {
    return refuse(
        "a URL with a query does not say where the files beside it are: post the rows file by its "
        "own URL");
  }
  parsed->path.erase(parsed->path.rfind('/') + 1);
  parsed->path += file_name;
  std::string text = parsed->text();
  if (text.size() > max_url_bytes) return refuse("a source's URL is at most 4096 characters long");
  return text;
}

}  // namespace gyre::source
