#include "harness/protocol/problem_document.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/protocol/http_status.hpp"
#include "harness/protocol/json.hpp"

namespace gyre::protocol {
namespace {

constexpr std::size_t max_code_bytes = 64;

bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= max_code_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

}  // namespace

std::string encode_problem(const Error& error) {
  const int status = http_status(error.code);
  const nlohmann::json document = {{"type", "about:blank"},
                                   {"title", reason_phrase(status)},
                                   {"status", status},
                                   {"detail", error.message},
                                   {"code", name(error.code)}};
  // A message is our own text, but a defect in one must not become an exception here.
  return document.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

Result<ProblemDocument> decode_problem(std::string_view body) {
  const auto bad = [] {
    return fail(ErrorCode::bad_answer,
                "the server's error is not a problem document of the documented form");
  };
  auto document = parse_json(body, max_problem_bytes);
  if (!document || !document->is_object()) return bad();
  auto status = unsigned_member(*document, "status", 599);
  auto code = string_member(*document, "code", max_code_bytes);
  auto detail = string_member(*document, "detail", max_problem_bytes);
  if (!status || *status < 400 || !code || !is_code(*code) || !detail) return bad();
  detail->resize(std::min(detail->size(), ProblemDocument::max_detail_bytes));
  std::replace_if(
      detail->begin(), detail->end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return ProblemDocument{static_cast<int>(*status), std::move(*code), std::move(*detail)};
}

std::optional<ErrorCode> known_code(const ProblemDocument& problem) noexcept {
#define GYRE_FIND(known, meaning) \
  if (problem.code == #known) return ErrorCode::known;
  GYRE_ERROR_CODES(GYRE_FIND)
#undef GYRE_FIND
  return std::nullopt;
}

}  // namespace gyre::protocol
