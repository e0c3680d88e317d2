#include "harness/protocol/query_binary.hpp"

#include <sodium.h>

#include <algorithm>
#include <optional>

#include "core/bytes.hpp"
#include "harness/protocol/epoch_choice_text.hpp"

namespace gyre::protocol {
namespace {

constexpr std::string_view request_magic = "GYQ1";
constexpr std::string_view response_magic = "GYA1";

void append(std::string& out, std::span<const std::byte> bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void append_u32(std::string& out, std::uint32_t value) {
  std::array<std::byte, 4> bytes;
  store_little_endian(bytes.data(), value);
  append(out, bytes);
}

// REQUIRES: at most 255 bytes.
void append_short_text(std::string& out, std::string_view text) {
  out.push_back(static_cast<char>(static_cast<unsigned char>(text.size())));
  out.append(text);
}

// Takes fields off the front; nothing is taken that is not there.
class Fields {
 public:
  explicit Fields(std::string_view body) : rest_(body) {}

  [[nodiscard]] bool take_magic(std::string_view magic) {
    const auto taken = take(magic.size());
    return taken && *taken == magic;
  }
  [[nodiscard]] std::optional<std::uint32_t> take_u32() {
    const auto taken = take(4);
    if (!taken) return std::nullopt;
    return load_little_endian<std::uint32_t>(as_bytes(*taken).data());
  }
  [[nodiscard]] std::optional<std::string_view> take_short_text() {
    const auto length = take(1);
    if (!length) return std::nullopt;
    return take(static_cast<unsigned char>(length->front()));
  }
  [[nodiscard]] std::optional<std::string_view> take(std::size_t bytes) {
    if (rest_.size() < bytes) return std::nullopt;
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace

std::string encode_binary(const QueryRequest& request) {
  std::size_t key_bytes = 0;
  for (const dpf::Key& key : request.keys) {
    key_bytes += dpf::wire_bytes(static_cast<unsigned>(key.levels.size()));
  }
  std::string out(request_magic);
  // Room for everything at once: growing would leave copies of keys behind that nobody can wipe.
  out.reserve(out.size() + 4 + 1 + EpochId::max_text_bytes + key_bytes);
  append_u32(out, static_cast<std::uint32_t>(request.keys.size()));
  append_short_text(out, epoch_choice_text(request.epoch));
  for (const dpf::Key& key : request.keys) {
    auto bytes = dpf::serialize(key);
    append(out, bytes);
    ::sodium_memzero(bytes.data(), bytes.size());
  }
  return out;
}

Result<QueryRequest> decode_request_binary(std::string_view body, std::uint32_t max_keys) {
  Fields fields(body);
  if (!fields.take_magic(request_magic)) {
    return fail(ErrorCode::malformed_request, "a binary query must begin with GYQ1");
  }
  const auto count = fields.take_u32();
  const auto epoch_text = fields.take_short_text();
  if (!count || !epoch_text) {
    return fail(ErrorCode::malformed_request, "the query ends before its first key");
  }
  if (*count == 0) return fail(ErrorCode::malformed_request, "a query must have at least one key");
  if (*count > max_keys) {
    return fail(ErrorCode::request_too_large,
                "a query may have at most " + std::to_string(max_keys) + " keys");
  }
  auto epoch = parse_epoch_choice(*epoch_text);
  if (!epoch) return forward_error(epoch);

  QueryRequest request{*epoch, {}};
  std::span<const std::byte> rest = as_bytes(fields.rest());
  request.keys.reserve(std::min<std::size_t>(*count, rest.size() / dpf::wire_bytes(0)));
  for (std::uint32_t i = 0; i < *count; ++i) {
    auto parsed = dpf::parse_front(rest);
    if (!parsed) return forward_error(parsed);
    rest = rest.subspan(parsed->wire_bytes);
    request.keys.push_back(std::move(parsed->key));
  }
  if (!rest.empty()) {
    return fail(ErrorCode::malformed_request, "nothing may follow a query's last key");
  }
  return request;
}

std::string encode_binary_front(const QueryResponse& response) {
  std::string out(response_magic);
  append_u32(out, static_cast<std::uint32_t>(response.count()));
  append_u32(out, response.answer_bytes);
  append_short_text(out, response.epoch.text());
  append_short_text(out, response.generation);
  return out;
}

std::string encode_binary(const QueryResponse& response) {
  std::string out = encode_binary_front(response);
  out.reserve(out.size() + response.answers.size());
  append(out, response.answers);
  return out;
}

Result<QueryResponse> decode_response_binary(std::string_view body, std::uint32_t count,
                                             std::uint32_t answer_bytes) {
  const auto bad = [] {
    return fail(ErrorCode::bad_answer,
                "the server's answer is not of the form GYA1 with one answer a key");
  };
  Fields fields(body);
  if (!fields.take_magic(response_magic)) return bad();
  const auto stated_count = fields.take_u32();
  const auto stated_bytes = fields.take_u32();
  const auto id_text = fields.take_short_text();
  const auto generation = fields.take_short_text();
  if (!stated_count || !stated_bytes || !id_text || !generation) return bad();
  auto id = EpochId::parse(*id_text);
  if (!id || !is_generation(*generation) || *stated_count != count ||
      *stated_bytes != answer_bytes) {
    return bad();
  }
  const auto total = checked_multiply(count, answer_bytes);
  if (!total || fields.rest().size() != *total) return bad();
  const std::span<const std::byte> answers = as_bytes(fields.rest());
  return QueryResponse{
      *id, std::string(*generation), answer_bytes, {answers.begin(), answers.end()}};
}

}  // namespace gyre::protocol
