#include "harness/protocol/update_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <utility>

#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

// Read event by event, so that a row costs what its bytes cost: a tree of the whole text could take
// twenty times its length.
class BatchReader final : public nlohmann::json_sax<json> {
 public:
  explicit BatchReader(const UpdateLimits& limits) : limits_(limits) {}

  Result<UpdateBatch> result() {
    if (error_) return tl::unexpected<Error>(*error_);
    if (place_ != Place::after || !has_seq_ || !has_tables_) {
      return fail(ErrorCode::malformed_request,
                  "a batch must have the members \"seq\" and \"tables\"");
    }
    std::sort(batch_.tables.begin(), batch_.tables.end(),
              [](const TableUpdate& a, const TableUpdate& b) { return a.table < b.table; });
    return std::move(batch_);
  }

  bool null() override { return refuse_type(); }
  bool boolean(bool) override { return refuse_type(); }
  bool number_integer(number_integer_t) override { return refuse_type(); }
  bool number_float(number_float_t, const string_t&) override { return refuse_type(); }
  bool binary(binary_t&) override { return refuse_type(); }

  bool number_unsigned(number_unsigned_t number) override {
    if (member_ == Member::seq) {
      batch_.seq = number;
    } else if (member_ == Member::row) {
      batch_.tables.back().rows.push_back(number);
    } else {
      return refuse_type();
    }
    member_ = Member::none;
    return true;
  }

  bool string(string_t& value) override {
    if (member_ != Member::data) return refuse_type();
    member_ = Member::none;
    return take_data(value);
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::before:
        place_ = Place::batch;
        return true;
      case Place::batch:
        if (member_ != Member::tables) return refuse_type();
        member_ = Member::none;
        place_ = Place::tables;
        return true;
      case Place::rows:
        if (rows_ == limits_.max_rows) {
          return refuse({ErrorCode::request_too_large,
                         "a batch may have at most " + std::to_string(limits_.max_rows) + " rows"});
        }
        ++rows_;
        has_row_ = has_data_ = false;
        place_ = Place::row;
        return true;
      default:
        return refuse_type();
    }
  }

  bool end_object() override {
    switch (place_) {
      case Place::batch:
        place_ = Place::after;
        return true;
      case Place::tables:
        place_ = Place::batch;
        return true;
      case Place::row:
        if (!has_row_ || !has_data_) {
          return refuse(malformed("a row of a batch must have the members \"row\" and \"data\""));
        }
        place_ = Place::rows;
        return true;
      default:
        return refuse_type();
    }
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tables || member_ != Member::table) return refuse_type();
    member_ = Member::none;
    place_ = Place::rows;
    return true;
  }

  bool end_array() override {
    place_ = Place::tables;
    return true;
  }

  bool key(string_t& name) override {
    switch (place_) {
      case Place::batch:
        if (name == "seq") return begin(Member::seq, has_seq_);
        if (name == "tables") return begin(Member::tables, has_tables_);
        break;
      case Place::tables:
        return begin_table(name);
      case Place::row:
        if (name == "row") return begin(Member::row, has_row_);
        if (name == "data") return begin(Member::data, has_data_);
        break;
      default:
        break;
    }
    return refuse(malformed("a batch has a member that is not known here"));
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    // The library's message quotes the input.
    return refuse(malformed("a batch must be one JSON object in UTF-8"));
  }

 private:
  // Which object or array is being read.
  enum class Place { before, batch, tables, rows, row, after };
  // Whose value comes next.
  enum class Member { none, seq, tables, table, row, data };

  static Error malformed(std::string message) {
    return Error{ErrorCode::malformed_request, std::move(message)};
  }
  bool refuse(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
  }
  bool refuse_type() {
    return refuse(malformed(
        "a batch must be {\"seq\": number, \"tables\": {table id: [{\"row\": number, \"data\": "
        "base64}, ...]}}"));
  }

  bool begin(Member member, bool& seen) {
    if (std::exchange(seen, true)) return refuse_repetition();
    member_ = member;
    return true;
  }
  bool refuse_repetition() {
    return refuse(malformed("a member of a batch occurs twice in one object"));
  }

  bool begin_table(const std::string& name) {
    TableUpdate part;
    // from_hex takes capitals too.
    const bool lower =
        std::none_of(name.begin(), name.end(), [](char c) { return c < 'a' && c > '9'; });
    if (!lower || !from_hex(name, part.table)) {
      return refuse(malformed("the tables of a batch must be named by 32 lower-case hex digits"));
    }
    for (const TableUpdate& other : batch_.tables) {
      if (other.table == part.table) return refuse_repetition();
    }
    if (batch_.tables.size() == limits_.max_tables) {
      return refuse(
          {ErrorCode::request_too_large,
           "a batch may have rows for at most " + std::to_string(limits_.max_tables) + " tables"});
    }
    batch_.tables.push_back(std::move(part));
    member_ = Member::table;
    return true;
  }

  bool take_data(const std::string& value) {
    TableUpdate& part = batch_.tables.back();
    // The member "row" may come after "data": the rows that are whole have this many bytes each.
    const auto same_length = [&](std::size_t bytes) {
      return part.data.empty() || bytes == row_bytes_;
    };
    if (value.size() > base64_characters(Geometry::max_row_bytes)) return refuse_length();
    auto bytes = from_base64(value);
    if (!bytes) return refuse(std::move(bytes.error()));
    if (bytes->empty() || bytes->size() % 4 != 0 || bytes->size() > Geometry::max_row_bytes ||
        !same_length(bytes->size())) {
      return refuse_length();
    }
    row_bytes_ = bytes->size();
    part.data.insert(part.data.end(), bytes->begin(), bytes->end());
    return true;
  }
  bool refuse_length() {
    return refuse(malformed("all rows of a table must have the table's row_bytes bytes"));
  }

  const UpdateLimits& limits_;
  UpdateBatch batch_;
  Place place_ = Place::before;
  Member member_ = Member::none;
  bool has_seq_ = false;
  bool has_tables_ = false;
  bool has_row_ = false;
  bool has_data_ = false;
  std::uint32_t rows_ = 0;     // over all tables
  std::size_t row_bytes_ = 0;  // of the table being read
  std::optional<Error> error_;
};

}  // namespace

// Written by hand, since every part is of a safe alphabet, and a batch may be long: no tree, no
// second copy.
std::string encode_json(const UpdateBatch& batch) {
  std::string out = "{\"seq\":" + std::to_string(batch.seq) + ",\"tables\":{";
  for (std::size_t i = 0; i < batch.tables.size(); ++i) {
    const TableUpdate& part = batch.tables[i];
    out += i == 0 ? "\"" : ",\"";
    out += to_hex(part.table) + "\":[";
    const std::size_t row_bytes = part.data.size() / part.rows.size();
    for (std::size_t j = 0; j < part.rows.size(); ++j) {
      out += j == 0 ? "{\"row\":" : ",{\"row\":";
      out += std::to_string(part.rows[j]) + ",\"data\":\"";
      append_base64(out, std::span(part.data).subspan(j * row_bytes, row_bytes));
      out += "\"}";
    }
    out += ']';
  }
  return out += "}}";
}

Result<UpdateBatch> decode_batch_json(std::string_view body, const UpdateLimits& limits) {
  BatchReader reader(limits);
  json::sax_parse(body.begin(), body.end(), &reader);
  return reader.result();
}

}  // namespace gyre::protocol
