#include "harness/protocol/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/bytes.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

std::string quoted(std::string_view member) {
  return "\"" + std::string(member) + "\"";
}

tl::unexpected<Error> wrong_member(std::string_view member, std::string_view must_be) {
  return fail(ErrorCode::malformed_request, quoted(member) + " must be " + std::string(must_be));
}

// nullptr if there is none.
const json* find(const json& object, std::string_view member) {
  const auto found = object.find(member);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

Result<json> parse_json(std::string_view text, std::size_t max_bytes, std::size_t max_values) try {
  if (text.size() > max_bytes) {
    return fail(ErrorCode::request_too_large,
                "a JSON document here may have at most " + std::to_string(max_bytes) + " bytes");
  }
  bool too_deep = false;
  bool repeated = false;
  std::size_t values = 0;
  std::vector<std::set<std::string>> names;  // of the objects that are open
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    // Once refused, nothing more is kept.
    if (too_deep || repeated || values > max_values) return false;
    switch (event) {
      case json::parse_event_t::object_start:
        too_deep = depth >= max_json_depth;
        ++values;
        names.emplace_back();
        break;
      case json::parse_event_t::object_end:
        names.pop_back();
        break;
      case json::parse_event_t::array_start:
        too_deep = depth >= max_json_depth;
        ++values;
        break;
      case json::parse_event_t::key:
        repeated = !names.back().insert(parsed.get_ref<const std::string&>()).second;
        break;
      case json::parse_event_t::value:
        ++values;
        break;
      case json::parse_event_t::array_end:
        break;
    }
    return !too_deep && !repeated && values <= max_values;
  };
  json document = json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (too_deep) {
    return fail(ErrorCode::malformed_request, "the JSON document must be nested at most " +
                                                  std::to_string(max_json_depth) + " levels deep");
  }
  if (repeated) {
    return fail(ErrorCode::malformed_request,
                "an object of the JSON document has two members of one name; each may occur once");
  }
  if (values > max_values) {
    return fail(ErrorCode::malformed_request,
                "a JSON document here may have at most " + std::to_string(max_values) + " values");
  }
  if (document.is_discarded()) {
    return fail(ErrorCode::malformed_request, "the text must be one JSON document in UTF-8");
  }
  return document;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a JSON document");
} catch (const json::exception&) {
  // The library's own message quotes its input.
  return fail(ErrorCode::malformed_request, "the text must be one JSON document in UTF-8");
}

Result<void> require_members(const json& value, std::initializer_list<std::string_view> members,
                             std::initializer_list<std::string_view> optional_members) {
  if (!value.is_object()) {
    return fail(ErrorCode::malformed_request, "a JSON object is needed here");
  }
  for (const std::string_view member : members) {
    if (find(value, member) == nullptr) {
      return fail(ErrorCode::malformed_request, "the member " + quoted(member) + " is missing");
    }
  }
  const auto known = [&](const std::string& name) {
    return std::find(members.begin(), members.end(), name) != members.end() ||
           std::find(optional_members.begin(), optional_members.end(), name) !=
               optional_members.end();
  };
  for (const auto& item : value.items()) {
    if (!known(item.key())) {
      std::string list;
      for (const std::string_view member : members) {
        list += (list.empty() ? "" : ", ") + quoted(member);
      }
      for (const std::string_view member : optional_members) {
        list += (list.empty() ? "" : ", ") + quoted(member);
      }
      return fail(ErrorCode::malformed_request,
                  "an object has a member it may not have; allowed here: " + list);
    }
  }
  return {};
}

Result<std::uint64_t> unsigned_member(const json& object, std::string_view member,
                                      std::uint64_t max) {
  const json* const value = find(object, member);
  if (value != nullptr && value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number <= max) return number;
  }
  return wrong_member(member, "an integer from 0 to " + std::to_string(max));
}

Result<std::string> string_member(const json& object, std::string_view member,
                                  std::size_t max_bytes) {
  const json* const value = find(object, member);
  if (value != nullptr && value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    if (text.size() <= max_bytes) return text;
  }
  return wrong_member(member, "a string of at most " + std::to_string(max_bytes) + " bytes");
}

bool read_lower_hex(const json& value, std::span<std::byte> out) noexcept {
  if (!value.is_string()) return false;
  const auto& text = *value.get_ptr<const std::string*>();
  const bool lower_case =
      std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
  return lower_case && from_hex(text, out);
}

Result<void> hex_member(const json& object, std::string_view member, std::span<std::byte> out) {
  const json* const value = find(object, member);
  if (value != nullptr && read_lower_hex(*value, out)) return {};
  return wrong_member(member, std::to_string(out.size() * 2) + " lower-case hex digits");
}

}  // namespace gyre::protocol
