#include "harness/protocol/query_json.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "harness/protocol/epoch_choice_text.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

// Both documents are one object of strings and one array of strings. Read event by event, nothing
// is kept that is not wanted, and nesting and number of items are bounded from the first byte on: a
// tree of the whole text could take twenty times its length.
class FlatReader : public nlohmann::json_sax<json> {
 public:
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  bool null() override { return refuse_type(); }
  bool boolean(bool) override { return refuse_type(); }
  bool number_integer(number_integer_t) override { return refuse_type(); }
  bool number_unsigned(number_unsigned_t) override { return refuse_type(); }
  bool number_float(number_float_t, const string_t&) override { return refuse_type(); }
  bool binary(binary_t&) override { return refuse_type(); }
  bool start_object(std::size_t) override {
    if (in_object_ || done_) return refuse_type();
    in_object_ = true;
    return true;
  }
  bool end_object() override {
    in_object_ = false;
    done_ = true;
    return true;
  }
  bool start_array(std::size_t) override {
    if (!in_object_ || in_array_ || !is_array_member(member_)) return refuse_type();
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool key(string_t& name) override {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (name != members_[i]) continue;
      if (seen_[i]) return refuse(malformed("a member of the JSON object occurs twice"));
      seen_[i] = true;
      member_ = i;
      return true;
    }
    return refuse(malformed("the JSON object has a member that is not known here"));
  }
  bool string(string_t& value) override {
    if (!in_object_ || is_array_member(member_) != in_array_) return refuse_type();
    return in_array_ ? item(value) : text(member_, value);
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    // The library's message quotes the input.
    return refuse(malformed("the body must be one JSON object in UTF-8"));
  }

 protected:
  // The last of the members is the array.
  explicit FlatReader(std::span<const std::string_view> members) : members_(members) {}

  virtual bool item(const std::string& value) = 0;
  virtual bool text(std::size_t member, const std::string& value) = 0;

  bool refuse(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
  }
  static Error malformed(std::string message) {
    return Error{ErrorCode::malformed_request, std::move(message)};
  }
  [[nodiscard]] bool complete() const {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!seen_[i]) return false;
    }
    return done_;
  }

 private:
  bool refuse_type() {
    return refuse(
        malformed("the body must be one JSON object of strings and one array of strings"));
  }
  [[nodiscard]] bool is_array_member(std::size_t member) const {
    return member + 1 == members_.size();
  }

  static constexpr std::size_t max_members = 3;
  std::span<const std::string_view> members_;
  std::array<bool, max_members> seen_{};
  std::size_t member_ = 0;
  bool in_object_ = false;
  bool in_array_ = false;
  bool done_ = false;
  std::optional<Error> error_;
};

constexpr std::array<std::string_view, 2> request_members = {"epoch", "keys"};

class RequestReader final : public FlatReader {
 public:
  explicit RequestReader(std::uint32_t max_keys)
      : FlatReader(request_members), max_keys_(max_keys) {}

  Result<QueryRequest> result() {
    if (error()) return tl::unexpected<Error>(*error());
    if (!complete()) {
      return fail(ErrorCode::malformed_request,
                  "a query must have the members \"epoch\" and \"keys\"");
    }
    if (request_.keys.empty()) {
      return fail(ErrorCode::malformed_request, "a query must have at least one key");
    }
    return std::move(request_);
  }

 private:
  bool text(std::size_t, const std::string& value) override {
    auto epoch = parse_epoch_choice(value);
    if (!epoch) return refuse(std::move(epoch.error()));
    request_.epoch = *epoch;
    return true;
  }
  bool item(const std::string& value) override {
    if (request_.keys.size() == max_keys_) {
      return refuse({ErrorCode::request_too_large,
                     "a query may have at most " + std::to_string(max_keys_) + " keys"});
    }
    if (value.size() > base64_characters(dpf::wire_bytes(dpf::max_levels))) {
      return refuse(malformed("a key is longer than any key can be"));
    }
    auto bytes = from_base64(value);
    if (!bytes) return refuse(std::move(bytes.error()));
    auto key = dpf::parse(*bytes);
    if (!key) return refuse(std::move(key.error()));
    request_.keys.push_back(std::move(*key));
    return true;
  }

  std::uint32_t max_keys_;
  QueryRequest request_;
};

constexpr std::array<std::string_view, 3> response_members = {"epoch", "generation", "answers"};

class ResponseReader final : public FlatReader {
 public:
  ResponseReader(std::uint32_t count, std::uint32_t answer_bytes)
      : FlatReader(response_members), count_(count) {
    response_.answer_bytes = answer_bytes;
  }

  Result<QueryResponse> result() {
    if (error() || !complete() || response_.count() != count_) {
      return fail(ErrorCode::bad_answer,
                  "the server's answer is not of the documented JSON form with one answer a key");
    }
    return std::move(response_);
  }

 private:
  bool text(std::size_t member, const std::string& value) override {
    if (response_members[member] == "generation") {
      if (!is_generation(value)) return refuse(malformed("not a generation"));
      response_.generation = value;
      return true;
    }
    auto id = EpochId::parse(value);
    if (!id) return refuse(std::move(id.error()));
    response_.epoch = *id;
    return true;
  }
  bool item(const std::string& value) override {
    if (response_.count() == count_ || value.size() != base64_characters(response_.answer_bytes)) {
      return refuse(malformed("not the answers that were asked for"));
    }
    auto bytes = from_base64(value);
    if (!bytes) return refuse(std::move(bytes.error()));
    if (bytes->size() != response_.answer_bytes)
      return refuse(malformed("an answer of another length"));
    response_.answers.insert(response_.answers.end(), bytes->begin(), bytes->end());
    return true;
  }

  std::uint32_t count_;
  QueryResponse response_;
};

}  // namespace

// Written by hand, since every part of both documents is of a safe alphabet, and an answer may be
// long: no tree, no second copy.
std::string encode_json(const QueryRequest& request) {
  std::string out = "{\"epoch\":\"" + epoch_choice_text(request.epoch) + "\",\"keys\":[";
  for (std::size_t i = 0; i < request.keys.size(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    append_base64(out, dpf::serialize(request.keys[i]));
    out += '"';
  }
  return out += "]}";
}

std::string encode_json(const QueryResponse& response) {
  std::string out = "{\"epoch\":\"" + response.epoch.text() + "\",\"generation\":\"" +
                    response.generation + "\",\"answers\":[";
  out.reserve(out.size() + 2 +
              response.count() * (3 + base64_characters(response.answer_bytes) + 1));
  const std::span<const std::byte> answers = response.answers;
  for (std::size_t i = 0; i < response.count(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    append_base64(out, answers.subspan(i * response.answer_bytes, response.answer_bytes));
    out += '"';
  }
  return out += "]}";
}

Result<QueryRequest> decode_request_json(std::string_view body, std::uint32_t max_keys) {
  RequestReader reader(max_keys);
  json::sax_parse(body.begin(), body.end(), &reader);
  return reader.result();
}

Result<QueryResponse> decode_response_json(std::string_view body, std::uint32_t count,
                                           std::uint32_t answer_bytes) {
  ResponseReader reader(count, answer_bytes);
  json::sax_parse(body.begin(), body.end(), &reader);
  return reader.result();
}

}  // namespace gyre::protocol
