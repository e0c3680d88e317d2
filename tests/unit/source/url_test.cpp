#include "harness/source/url.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/code_of.hpp"
#include "tests/support/generators.hpp"

namespace gyre::source {
namespace {

std::optional<std::string> normal(std::string_view text) {
  const auto url = Url::parse(text);
  if (!url) return std::nullopt;
  return url->text();
}

TEST(Url, HasOneSpelling) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://example.org/a/b.rows", "https://example.org/a/b.rows"},
      {"HTTPS://Example.ORG/A", "https://example.org/A"},
      {"https://example.org", "https://example.org/"},
      {"https://example.org?q=1", "https://example.org/?q=1"},
      {"https://example.org:443/a", "https://example.org/a"},
      {"http://example.org:80/a", "http://example.org/a"},
      {"http://example.org:443/a", "http://example.org:443/a"},
      {"https://example.org:8443/a/", "https://example.org:8443/a/"},
      {"https://[2001:DB8:0:0::1]:9/a", "https://[2001:db8::1]:9/a"},
      {"https://[::ffff:10.0.0.1]/a", "https://10.0.0.1/a"},
      {"https://10.0.0.1/a", "https://10.0.0.1/a"},
      {"https://example.org/a%20b?x=%2F/../y", "https://example.org/a%20b?x=%2F/../y"},
      {"https://example.org/user@host:1", "https://example.org/user@host:1"},
      {"File:///tables/a.rows", "file:///tables/a.rows"},
  };
  for (const auto& [given, wanted] : cases) EXPECT_EQ(normal(given), wanted) << given;
}

TEST(Url, KnowsItsParts) {
  const auto url = Url::parse("http://[::1]:8080/a/b?c=d");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, Scheme::http);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "?c=d");
  EXPECT_EQ(url->authority(), "[::1]:8080");
}

TEST(Url, RefusesEverythingElse) {
  const std::string cases[] = {
      "",
      "/",
      "table.rows",
      "/srv/table.rows",
      "https:/example.org/a",
      "https:example.org",
      "//example.org/a",
      "ftp://example.org/a",
      "s3://bucket/a",
      "data:,x",
      " https://example.org/",
      "https://example.org/ ",
      "https://",
      "https:///a",
      "https://?a",
      "https://user@example.org/",
      "https://user:secret@example.org/",
      "https://@example.org/",
      "https://:@example.org/",
      "https://example.org/a#b",
      "https://example.org#b",
      "https://example.org./a",
      "https://exa%6dple.org/",
      "https://ex\xc3\xa4mple.org/",
      "https://exa mple.org/",
      "https://example.org:/a",
      "https://example.org:0/",
      "https://example.org:65536/",
      "https://example.org:080/",
      "https://example.org:+80/",
      "https://example.org:80:80/",
      "https://example..org/",
      "https://-example.org/",
      "https://example_org/",
      "https://[::1/",
      "https://::1/",
      "https://[::1]x/",
      "https://[fe80::1%25eth0]/",
      "https://[127.0.0.1]/",
      "https://127.1/",
      "https://2130706433/",
      "https://0x7f.0.0.1/",
      "https://0177.0.0.1/",
      "https://127.0.0.1.:80/",
      "https://example.org\\@evil.org/",
      "https://example.org\\evil",
      "https://example.org/a b",
      "https://example.org/a\tb",
      "https://example.org/a\r\nX: y",
      "https://example.org/\xc3\xa4",
      "https://example.org/a\"b",
      "https://example.org/<a>",
      "https://example.org/%",
      "https://example.org/%2",
      "https://example.org/%zz",
      "https://example.org/../a",
      "https://example.org/a/./b",
      "https://example.org/a/..",
      "https://example.org/%2e%2E/a",
      "https://example.org/.%2e/a",
      "https://example.org//a",
      "https://example.org/a//b",
      std::string("https://a\0b/", 12),
      std::string("https://a/\0", 11),
      "https://example.org/" + std::string(max_url_bytes, 'a'),
      "file://",
      "file:///",
      "file://host/a",
      "file://localhost/a",
      "file:a",
      "file:/a",
      "file:///a/",
      "file:////a",
      "file:///../a",
      "file:///a/../b",
      "file:///./a",
      "file:///a%2fb",
      "file:///a?b",
      "file:///a#b",
      "file://user@/a",
      "file:///a\\b",
  };
  for (const std::string& text : cases) {
    EXPECT_EQ(code_of(Url::parse(text)), ErrorCode::unsupported_url) << text;
  }
}

TEST(Url, ErrorsDoNotQuoteTheUrl) {
  const auto url = Url::parse("https://user:secret@example.org/");
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
}

std::string any_text_of(std::string_view alphabet, std::size_t longest) {
  std::string text;
  for (auto left = *anywhere_in<std::size_t>(0, longest); left > 0; --left)
    text += alphabet[*anywhere_in<std::size_t>(0, alphabet.size())];
  return text;
}

// What URLs are made of, and what they must not be made of.
std::string almost_a_url() {
  const std::string_view pieces[] = {"https://", "http://", "file://", "file:///", "a.b", "1.2.3.4",
                                     "[::1]",    ":",       "80",      "/",        "?",   "#",
                                     "@",        "..",      "%2e",     "%",        "\\",  "user:x@",
                                     "A",        " ",       "x",       "\n",       "-",   "0"};
  std::string text;
  for (auto left = *anywhere_in<std::size_t>(0, 9); left > 0; --left)
    text += pieces[*anywhere_in<std::size_t>(0, std::size(pieces))];
  return text;
}

RC_GTEST_PROP(Url, TextOfAParsedUrlIsThatUrl, ()) {
  const std::string schemes[] = {"https://", "http://"};
  const auto label = [] { return any_text_of("abcXYZ019", 8); };
  std::string text = schemes[*anywhere_in<std::size_t>(0, 2)] + "h" + label() + "." + "x" + label();
  if (*anywhere_in<int>(0, 2) == 1) text += ":" + std::to_string(*anywhere_in<int>(1, 65536));
  for (auto left = *anywhere_in<int>(0, 4); left > 0; --left)
    text += "/s" + any_text_of("aZ9-._~!$&'()*+,;=:@", 10) + "%4a";
  if (*anywhere_in<int>(0, 2) == 1) text += "?" + any_text_of("aZ9/?:@=&", 10);
  const auto url = Url::parse(text);
  RC_ASSERT(url.has_value());
  const auto again = Url::parse(url->text());
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *url);
}

RC_GTEST_PROP(Url, WhateverIsAcceptedIsOfThePlainForm, ()) {
  const std::string text = almost_a_url();
  const auto url = Url::parse(text);
  if (!url) {
    RC_ASSERT(url.error().code == ErrorCode::unsupported_url);
    return;
  }
  const std::string authority = url->authority();
  RC_ASSERT(authority.find_first_of("@#?/\\% ") == std::string::npos);
  RC_ASSERT(url->path.front() == '/');
  RC_ASSERT((url->path + '/').find("/../") == std::string::npos);
  RC_ASSERT((url->path + url->query).find_first_of("#\\ \n") == std::string::npos);
  RC_ASSERT((url->scheme == Scheme::file) == (url->port == 0));
  const auto again = Url::parse(url->text());
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *url);
}

TEST(Sibling, IsTheFileBesideIt) {
  EXPECT_EQ(sibling("https://Example.org:443/a/table.manifest.json", "table.rows"),
            "https://example.org/a/table.rows");
  EXPECT_EQ(sibling("http://[::1]:8080/m", "r"), "http://[::1]:8080/r");
  EXPECT_EQ(sibling("https://example.org", "r"), "https://example.org/r");
  EXPECT_EQ(sibling("https://example.org/a/", "r"), "https://example.org/a/r");
  EXPECT_EQ(sibling("file:///a/b/m.json", "b.rows"), "file:///a/b/b.rows");
}

TEST(Sibling, CannotLeaveTheDirectory) {
  for (const std::string_view name : {"", ".", "..", "../r", "/r", "a/b", "a?b", "a#b", "a%2fb",
                                      "a b", "//evil.org/r", "https://evil.org/r", "a\\b"}) {
    EXPECT_EQ(code_of(sibling("https://example.org/a/m", name)), ErrorCode::malformed_input)
        << name;
  }
}

TEST(Sibling, NeedsAUrlWithoutAQuery) {
  EXPECT_EQ(code_of(sibling("https://example.org/m?signature=x", "r")), ErrorCode::unsupported_url);
  EXPECT_EQ(code_of(sibling("example.org/m", "r")), ErrorCode::unsupported_url);
  const std::string longest = "https://example.org/" + std::string(max_url_bytes - 21, 'a') + "/";
  EXPECT_EQ(longest.size(), max_url_bytes);
  EXPECT_EQ(code_of(sibling(longest, "r")), ErrorCode::unsupported_url);
}

}  // namespace
}  // namespace gyre::source
