// A server in memory that answers as the documents say, by arithmetic that can be read at a glance;
// tests make it misbehave by replacing single exchanges.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.hpp"
#include "core/dpf/expand.hpp"
#include "core/dpf/key.hpp"
#include "harness/client/transport.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::client::testing {

// An epoch and its rows, row-major.
struct Content {
  protocol::EpochEntry entry;
  std::vector<std::byte> rows;
};

// A table of random-looking rows: byte j of row r is a function of (salt, r, j), so that a record
// of another epoch or row shows itself.
inline std::byte byte_of(std::uint64_t salt, std::uint64_t row, std::uint64_t offset) {
  std::uint64_t x = salt * 0x9e3779b97f4a7c15U + row * 0xbf58476d1ce4e5b9U + offset + 1;
  x = (x ^ (x >> 29U)) * 0x94d049bb133111ebU;
  return static_cast<std::byte>(x >> 56U);
}

inline Content make_content(std::uint64_t salt, const Geometry& geometry,
                            Layout layout = IndexLayout{}) {
  Content content;
  content.entry.base.fill(static_cast<std::byte>(salt));
  content.entry.id = EpochId::of_base(content.entry.base, 0);
  content.entry.generation = "boot:" + std::to_string(salt);
  content.entry.published_at = "2026-01-02T03:04:05Z";
  content.entry.metadata.geometry = geometry;
  content.entry.metadata.layout = std::move(layout);
  content.entry.metadata.block_number = salt;
  content.entry.resident = {"cpu"};
  content.rows.resize(geometry.bytes());
  for (std::uint64_t row = 0; row < geometry.rows; ++row) {
    for (std::uint64_t i = 0; i < geometry.row_bytes; ++i) {
      content.rows[row * geometry.row_bytes + i] = byte_of(salt, row, i);
    }
  }
  return content;
}

// A keyed table: each key in the first of its candidates that is free, empty rows all zero.
// REQUIRES: few keys.
inline Content make_keyed_content(std::uint64_t salt, std::uint64_t rows, ValueKind value,
                                  const std::map<std::string, std::vector<std::byte>>& values) {
  Cuckoo3Layout layout;
  for (std::size_t i = 0; i < layout.seeds.size(); ++i) {
    layout.seeds[i].fill(static_cast<std::byte>(salt + i + 1));
  }
  layout.tag_key.fill(static_cast<std::byte>(salt + 77));
  layout.value = value;
  layout.value_bytes = ethereum_account_value_bytes;
  const Geometry geometry{rows, tag_bytes + ethereum_account_value_bytes, 1};
  Content content = make_content(salt, geometry, layout);
  std::fill(content.rows.begin(), content.rows.end(), std::byte{0});
  for (const auto& [key, bytes] : values) {
    for (const std::uint64_t row : table::candidates(layout, rows, as_bytes(key))) {
      const auto place =
          std::span(content.rows).subspan(row * geometry.row_bytes, geometry.row_bytes);
      if (table::row_tag(place) != 0) continue;
      table::encode_row(table::tag(layout, as_bytes(key)), bytes, place);
      break;
    }
  }
  return content;
}

// What a server saw: the path, and the body of a query.
struct Seen {
  std::string path;
  std::string body;
};

class FakeServer {
 public:
  using Reply = Result<TransportResponse>;

  FakeServer(std::uint8_t party, std::vector<Content> contents) : contents_(std::move(contents)) {
    document_.party = party;
    document_.boot = "boot";
    describe();
  }

  // The document is made from the contents: the first is current.
  void replace(std::vector<Content> contents) {
    contents_ = std::move(contents);
    describe();
  }
  protocol::EpochDocument& document() { return document_; }

  // Called with the number of the query (0, 1, …) and the reply a server should give; what it
  // returns is given instead. The second concerns GET /epoch.
  std::function<Reply(std::size_t, Reply)> on_query;
  std::function<Reply(std::size_t, Reply)> on_epoch;

  Reply get(std::string_view path) {
    const std::size_t number = note(path, "");
    if (path != "/epoch") return problem(404, ErrorCode::not_found);
    const std::string body = protocol::encode_epoch_document(document_);
    return bend(on_epoch, number, ok("application/json", as_bytes(body)));
  }

  Reply post(std::string_view path, std::span<const std::byte> body) {
    const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
    const std::size_t number = note(path, text);
    return bend(on_query, number, answer(path, text));
  }

  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] std::vector<std::string> queries() const {
    std::vector<std::string> bodies;
    for (const Seen& one : seen()) {
      if (one.path != "/epoch") bodies.push_back(one.body);
    }
    return bodies;
  }

  static Reply ok(std::string content_type, std::span<const std::byte> body) {
    return TransportResponse{200, std::move(content_type), {body.begin(), body.end()}};
  }
  static Reply problem(int status, ErrorCode code, std::string detail = "as the test wants it") {
    const std::string body = protocol::encode_problem({code, std::move(detail)});
    const auto bytes = as_bytes(body);
    return TransportResponse{
        status, std::string(protocol::problem_media_type), {bytes.begin(), bytes.end()}};
  }

 private:
  void describe() {
    document_.retained.clear();
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      if (i == 0) {
        document_.current = contents_[i].entry;
      } else {
        document_.retained.push_back(contents_[i].entry);
      }
    }
  }

  std::size_t note(std::string_view path, std::string body) {
    const std::lock_guard lock(mutex_);
    seen_.push_back({std::string(path), std::move(body)});
    const auto same_kind = [&](const Seen& one) {
      return (one.path == "/epoch") == (path == "/epoch");
    };
    return static_cast<std::size_t>(std::count_if(seen_.begin(), seen_.end(), same_kind)) - 1;
  }

  static Reply bend(const std::function<Reply(std::size_t, Reply)>& change, std::size_t number,
                    Reply reply) {
    return change ? change(number, std::move(reply)) : reply;
  }

  Reply answer(std::string_view path, const std::string& body) const {
    auto request = protocol::decode_query_request(body, protocol::Encoding::binary, 1000);
    if (!request) return problem(400, request.error().code);
    const auto* const id = std::get_if<EpochId>(&request->epoch);
    const auto content = std::find_if(contents_.begin(), contents_.end(), [&](const Content& one) {
      return id != nullptr && one.entry.id == *id;
    });
    if (content == contents_.end()) return problem(410, ErrorCode::epoch_gone);

    const QueryKind kind = path == "/query/page" ? QueryKind::page : QueryKind::row;
    const Geometry& geometry = content->entry.metadata.geometry;
    const std::uint64_t records = geometry.records(kind);
    const std::uint64_t bytes = geometry.answer_bytes(kind);
    protocol::QueryResponse response{
        *id, content->entry.generation, static_cast<std::uint32_t>(bytes), {}};
    for (const dpf::Key& key : request->keys) {
      if (auto fits = dpf::check(key, document_.party, records); !fits) {
        return problem(400, fits.error().code);
      }
      std::vector<dpf::Block> leaves(dpf::leaves_for(records));
      dpf::expand(dpf::best_expansion_kernel(), key, 0, leaves);
      std::vector<std::byte> sum(bytes);
      for (std::uint64_t record = 0; record < records; ++record) {
        const dpf::Block& leaf = leaves[record / 128];
        const std::uint64_t half = record % 128 < 64 ? leaf.low : leaf.high;
        if ((half >> (record % 64) & 1U) == 0) continue;
        for (std::uint64_t i = 0; i < bytes; ++i) sum[i] ^= content->rows[record * bytes + i];
      }
      response.answers.insert(response.answers.end(), sum.begin(), sum.end());
    }
    const std::string encoded = protocol::encode(response, protocol::Encoding::binary);
    return ok("application/octet-stream", as_bytes(encoded));
  }

  std::vector<Content> contents_;
  protocol::EpochDocument document_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

// The client's end of a FakeServer, which must outlive it.
class FakeTransport final : public Transport {
 public:
  FakeTransport(std::string name, FakeServer& server) : name_(std::move(name)), server_(server) {}

  const std::string& server() const noexcept override { return name_; }
  Result<TransportResponse> get(std::string_view path, std::size_t max_body_bytes) override {
    return bounded(server_.get(path), max_body_bytes);
  }
  Result<TransportResponse> post(std::string_view path, std::string_view content_type,
                                 std::span<const std::byte> body,
                                 std::size_t max_body_bytes) override {
    if (content_type != "application/octet-stream") {
      return FakeServer::problem(415, ErrorCode::unsupported_media_type);
    }
    return bounded(server_.post(path, body), max_body_bytes);
  }

 private:
  static Result<TransportResponse> bounded(Result<TransportResponse> reply, std::size_t max_bytes) {
    if (reply && reply->body.size() > std::max(max_bytes, max_refusal_bytes)) {
      return fail(ErrorCode::bad_answer, "longer than the bound");
    }
    return reply;
  }

  std::string name_;
  FakeServer& server_;
};

}  // namespace gyre::client::testing
