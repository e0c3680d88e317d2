#include "core/metadata.hpp"

#include <string>

#include "core/bytes.hpp"

namespace gyre {
namespace {

constexpr std::uint32_t header_version = 1;

enum class LayoutCode : std::uint8_t { index = 0, cuckoo3 = 1 };

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename Enum>
void append_code(std::vector<std::byte>& out, Enum code) {
  out.push_back(static_cast<std::byte>(code));
}

void append_presence(std::vector<std::byte>& out, bool present) {
  out.push_back(present ? std::byte{1} : std::byte{0});
}

}  // namespace

std::string_view name(ValueKind kind) noexcept {
  switch (kind) {
    case ValueKind::bytes:
      return "bytes";
    case ValueKind::ethereum_account:
      return "ethereum-account";
  }
  return "unknown";
}

Result<void> check_consistent(const Metadata& metadata) {
  const Geometry& geometry = metadata.geometry;
  auto created = Geometry::create(geometry.rows, geometry.row_bytes, geometry.rows_per_page);
  if (!created) return forward_error(created);

  const auto* cuckoo = std::get_if<Cuckoo3Layout>(&metadata.layout);
  if (cuckoo == nullptr) return {};
  switch (cuckoo->value) {
    case ValueKind::bytes:
      if (std::uint64_t{tag_bytes} + cuckoo->value_bytes > geometry.row_bytes) {
        return fail(ErrorCode::geometry_mismatch,
                    "row_bytes must hold a tag of 8 bytes and value_bytes of value");
      }
      return {};
    case ValueKind::ethereum_account:
      if (cuckoo->value_bytes != ethereum_account_value_bytes ||
          geometry.row_bytes != tag_bytes + ethereum_account_value_bytes) {
        return fail(ErrorCode::geometry_mismatch,
                    "an ethereum-account table must have rows of 36 bytes and values of 28");
      }
      return {};
  }
  return fail(ErrorCode::geometry_mismatch, "the kind of value must be one of the documented ones");
}

std::vector<std::byte> canonical_header(const Metadata& metadata) {
  std::vector<std::byte> out;
  append(out, as_bytes("GYH1"));
  append_little_endian(out, header_version);
  append_little_endian(out, metadata.geometry.rows);
  append_little_endian(out, metadata.geometry.row_bytes);
  append_little_endian(out, metadata.geometry.rows_per_page);
  append(out, metadata.table);
  if (const auto* cuckoo = std::get_if<Cuckoo3Layout>(&metadata.layout)) {
    append_code(out, LayoutCode::cuckoo3);
    for (const Bytes16& seed : cuckoo->seeds) append(out, seed);
    append(out, cuckoo->tag_key);
    append_code(out, cuckoo->value);
    append_little_endian(out, cuckoo->value_bytes);
  } else {
    append_code(out, LayoutCode::index);
  }
  // An absent field keeps its width, so that every offset is fixed for a kind of layout.
  append_presence(out, metadata.block_number.has_value());
  append_little_endian(out, metadata.block_number.value_or(0));
  append_presence(out, metadata.state_root.has_value());
  append(out, metadata.state_root.value_or(Bytes32{}));
  append_little_endian(out, metadata.as_of_seq);
  return out;
}

}  // namespace gyre
