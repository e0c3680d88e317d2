#include "harness/snapshot/record_reader.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ascii.hpp"
#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "harness/protocol/json.hpp"
#include "harness/table/account.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::snapshot {
namespace {

using nlohmann::json;

constexpr std::size_t buffer_bytes = std::size_t{1} << 18U;
constexpr std::size_t max_fields = 4;
constexpr std::size_t max_json_values_in_record = 16;

// A JSON number or string as the text of a number; nothing for any other value.
std::optional<std::string> number_text(const json& value) {
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.empty()) return text;
  }
  return std::nullopt;
}

}  // namespace

RecordReader::RecordReader(File input, RecordSyntax syntax)
    : input_(std::move(input)), syntax_(syntax), buffer_(buffer_bytes), fields_(max_fields) {}

tl::unexpected<Error> RecordReader::malformed(std::string_view sentence) const {
  return fail(ErrorCode::malformed_input,
              "line " + std::to_string(record_line_) + " of the input: " + std::string(sentence));
}

Result<int> RecordReader::peek() {
  if (at_ == end_) {
    bytes_before_ += end_;
    at_ = end_ = 0;
    auto got = input_.read(buffer_);
    if (!got) return forward_error(got);
    end_ = *got;
    if (!started_) {
      started_ = true;
      // What some editors put before UTF-8 text; no part of the first key.
      constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
      const std::string_view start(reinterpret_cast<const char*>(buffer_.data()), end_);
      if (start.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    }
    if (at_ == end_) return at_end;
  }
  return std::to_integer<int>(buffer_[at_]);
}

Result<int> RecordReader::get() {
  auto c = peek();
  if (!c || *c == at_end) return c;
  ++at_;
  if (*c == '\n') ++line_;
  if (++record_bytes_ > max_record_bytes) {
    return malformed("a record must have at most " + std::to_string(max_record_bytes) + " bytes");
  }
  return c;
}

Result<bool> RecordReader::next(Record& record) try {
  auto more = syntax_.format == InputFormat::csv ? next_csv(record) : next_json(record);
  if (more && *more) {
    record.line = record_line_;
    if (record.value.size() > syntax_.max_value_bytes) {
      return malformed("a value must have at most " + std::to_string(syntax_.max_value_bytes) +
                       " bytes");
    }
  }
  return more;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read the input");
}

Result<void> RecordReader::take_key(std::string_view text, Record& record) const {
  auto key = table::parse_key(syntax_.value, text);
  if (!key) return malformed(key.error().message);
  record.key = std::move(*key);
  return {};
}

Result<void> RecordReader::take_bytes(std::string_view text, Record& record) const {
  switch (syntax_.encoding) {
    case ValueEncoding::text: {
      const auto bytes = as_bytes(text);
      record.value.assign(bytes.begin(), bytes.end());
      return {};
    }
    case ValueEncoding::hex:
      if (text.starts_with("0x")) text.remove_prefix(2);
      record.value.resize(text.size() / 2);
      if (!from_hex(text, record.value)) return malformed("a value must be pairs of hex digits");
      return {};
    case ValueEncoding::base64: {
      auto bytes = protocol::from_base64(text);
      if (!bytes) return malformed("a value must be canonical base64 with its padding");
      record.value = std::move(*bytes);
      return {};
    }
  }
  return malformed("a value must be of a known encoding");
}

Result<void> RecordReader::take_account(std::string_view balance, std::string_view nonce,
                                        std::string_view code_id, Record& record) const {
  table::EthereumAccount account;
  auto wei = table::parse_uint128(balance);
  if (!wei) return malformed("in the balance, " + wei.error().message);
  account.balance = *wei;
  if (!nonce.empty()) {
    auto number = table::parse_uint128(nonce);
    if (!number) return malformed("in the nonce, " + number.error().message);
    if (*number > std::numeric_limits<std::uint64_t>::max()) {
      return malformed("a nonce must be at most 2^64 - 1");
    }
    account.nonce = static_cast<std::uint64_t>(*number);
  }
  if (!code_id.empty()) {
    auto number = table::parse_uint128(code_id);
    if (!number) return malformed("in the code id, " + number.error().message);
    if (*number > std::numeric_limits<std::uint32_t>::max()) {
      return malformed("a code id must be at most 2^32 - 1");
    }
    account.code_id = static_cast<std::uint32_t>(*number);
  }
  record.value.resize(ethereum_account_value_bytes);
  table::encode_account(account, table::EthereumAccountValue(record.value));
  return {};
}

// After a field: whether another follows. REQUIRES: c was just taken.
Result<bool> RecordReader::end_field(int c) {
  if (c == ',') return true;
  if (c == '\n' || c == at_end) return false;
  if (c == '\r') {
    auto after = peek();
    if (!after) return forward_error(after);
    if (*after == at_end) return false;
    if (*after == '\n') {
      auto newline = get();
      if (!newline) return forward_error(newline);
      return false;
    }
    return malformed("a carriage return must be followed by a line feed, or be inside quotes");
  }
  return malformed("a closing quote must be followed by a comma or the end of the line");
}

Result<void> RecordReader::read_quoted_field(std::string& field) {
  for (;;) {
    auto c = get();
    if (!c) return forward_error(c);
    if (*c == at_end) return malformed("a quoted field must end with a quote");
    if (*c == '"') {
      auto after = peek();
      if (!after) return forward_error(after);
      if (*after != '"') return {};
      auto second = get();
      if (!second) return forward_error(second);
    }
    field.push_back(static_cast<char>(*c));
  }
}

// The fields of the next record that is not an empty line, or false at the end.
Result<bool> RecordReader::read_fields() {
  for (;;) {
    record_line_ = line_;
    record_bytes_ = 0;
    auto c = peek();
    if (!c) return forward_error(c);
    if (*c == at_end) return false;

    field_count_ = 0;
    bool more = true;
    bool quoted = false;
    while (more) {
      if (field_count_ == max_fields) {
        return malformed("a record must have at most " + std::to_string(max_fields) + " fields");
      }
      std::string& field = fields_[field_count_];
      field.clear();
      ++field_count_;
      c = get();
      if (!c) return forward_error(c);
      if (*c == '"') {
        quoted = true;
        auto read = read_quoted_field(field);
        if (!read) return forward_error(read);
        c = get();
        if (!c) return forward_error(c);
      } else {
        while (*c != ',' && *c != '\n' && *c != '\r' && *c != at_end) {
          if (*c == '"') return malformed("a field with a quote in it must be quoted as a whole");
          field.push_back(static_cast<char>(*c));
          c = get();
          if (!c) return forward_error(c);
        }
      }
      auto another = end_field(*c);
      if (!another) return another;
      more = *another;
    }
    const bool empty_line = field_count_ == 1 && fields_[0].empty() && !quoted;
    if (!empty_line) return true;
  }
}

bool RecordReader::is_header() const {
  if (syntax_.header == CsvHeader::absent) return false;
  if (syntax_.header == CsvHeader::present) return true;
  const std::string first = ascii_lower_case(fields_[0]);
  const bool names_key = first == "address" || first == "key";
  if (syntax_.value == ValueKind::ethereum_account) return names_key;  // neither is an address
  if (syntax_.keys_only) return names_key;
  return names_key && field_count_ == 2 && ascii_lower_case(fields_[1]) == "value";
}

Result<bool> RecordReader::next_csv(Record& record) {
  auto more = read_fields();
  if (!more || !*more) return more;
  if (std::exchange(first_record_, false) && is_header()) {
    skipped_header_ = true;
    more = read_fields();
    if (!more || !*more) return more;
  }
  auto key = take_key(fields_[0], record);
  if (!key) return forward_error(key);
  if (syntax_.keys_only) {
    if (field_count_ != 1) return malformed("a record must be a key and nothing else");
    record.value.clear();
    return true;
  }
  Result<void> value;
  if (syntax_.value == ValueKind::ethereum_account) {
    if (field_count_ < 2) {
      return malformed(
          "a record must be an address and a balance, then a nonce and a code id if known");
    }
    value = take_account(fields_[1], field_count_ > 2 ? fields_[2] : std::string_view{},
                         field_count_ > 3 ? fields_[3] : std::string_view{}, record);
  } else {
    if (field_count_ != 2) return malformed("a record must be a key and a value");
    value = take_bytes(fields_[1], record);
  }
  if (!value) return forward_error(value);
  return true;
}

// The next line that is not empty, without its end, in text_; or false at the end.
Result<bool> RecordReader::read_line() {
  for (;;) {
    record_line_ = line_;
    record_bytes_ = 0;
    text_.clear();
    auto c = get();
    if (!c) return forward_error(c);
    if (*c == at_end) return false;
    while (*c != '\n' && *c != at_end) {
      text_.push_back(static_cast<char>(*c));
      c = get();
      if (!c) return forward_error(c);
    }
    if (text_.ends_with('\r')) text_.pop_back();
    if (!text_.empty()) return true;
  }
}

Result<bool> RecordReader::next_json(Record& record) {
  auto more = read_line();
  if (!more || !*more) return more;
  auto document = protocol::parse_json(text_, max_record_bytes, max_json_values_in_record);
  if (!document) return malformed(document.error().message);
  auto members = syntax_.keys_only ? protocol::require_members(*document, {"key"})
                                   : protocol::require_members(*document, {"key", "value"});
  if (!members) return malformed(members.error().message);
  const json& key = (*document)["key"];
  if (!key.is_string()) return malformed("\"key\" must be a string");
  auto taken = take_key(key.get_ref<const std::string&>(), record);
  if (!taken) return forward_error(taken);
  if (syntax_.keys_only) {
    record.value.clear();
    return true;
  }
  const json& value = (*document)["value"];

  if (syntax_.value == ValueKind::bytes) {
    if (!value.is_string()) return malformed("\"value\" must be a string");
    taken = take_bytes(value.get_ref<const std::string&>(), record);
  } else if (value.is_object()) {
    members = protocol::require_members(value, {"balance"}, {"nonce", "code_id"});
    if (!members) return malformed(members.error().message);
    const auto balance = number_text(value["balance"]);
    const auto nonce = value.contains("nonce") ? number_text(value["nonce"]) : "0";
    const auto code_id = value.contains("code_id") ? number_text(value["code_id"]) : "0";
    if (!balance || !nonce || !code_id) {
      return malformed(
          "balance, nonce and code_id must be whole numbers, as JSON numbers below 2^64 "
          "or as strings");
    }
    taken = take_account(*balance, *nonce, *code_id, record);
  } else {
    const auto balance = number_text(value);
    if (!balance) {
      return malformed(
          "\"value\" must be a balance in wei, as a string or a whole number below 2^64, "
          "or an object with a balance");
    }
    taken = take_account(*balance, {}, {}, record);
  }
  if (!taken) return forward_error(taken);
  return true;
}

}  // namespace gyre::snapshot
