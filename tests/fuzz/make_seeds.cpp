// Writes inputs that are whole for every fuzz target, DIRECTORY/TARGET/…: what the fuzzers start
// from.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/dpf/generate.hpp"
#include "core/random_source.hpp"
#include "harness/crypto/sha256.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/problem_document.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/snapshot/manifest.hpp"

namespace gyre {
namespace {

using protocol::Encoding;

void write(const std::filesystem::path& directory, const std::string& name,
           std::string_view bytes) {
  std::filesystem::create_directories(directory);
  std::ofstream(directory / name, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

Metadata keyed_metadata() {
  Metadata metadata;
  metadata.geometry = Geometry{226, 36, 113};
  Cuckoo3Layout layout;
  layout.value = ValueKind::ethereum_account;
  layout.value_bytes = ethereum_account_value_bytes;
  metadata.layout = layout;
  metadata.block_number = 0;
  metadata.state_root = Bytes32{};
  return metadata;
}

Metadata indexed_metadata() {
  Metadata metadata;
  metadata.geometry = Geometry{256, 32, 128};
  return metadata;
}

void write_keys(const std::filesystem::path& directory) {
  SystemRandom random;
  for (const unsigned levels : {0U, 1U, 5U, dpf::max_levels}) {
    const auto bytes = dpf::serialize(dpf::generate(levels, 0, random).value()[levels % 2]);
    write(directory, std::to_string(levels) + "-levels",
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
}

void write_messages(const std::filesystem::path& directory) {
  SystemRandom random;
  const EpochId id{Bytes8{}, 7, Bytes8{}};
  const dpf::Key key = dpf::generate(2, 300, random).value()[0];
  const protocol::QueryRequest current{CurrentEpoch{}, {key}};
  const protocol::QueryRequest pinned{id, {key, key}};
  write(directory, "request-binary", "q" + encode(current, Encoding::binary));
  write(directory, "request-binary-pinned", "q" + encode(pinned, Encoding::binary));
  write(directory, "request-json", "Q" + encode(current, Encoding::json));
  write(directory, "request-json-pinned", "Q" + encode(pinned, Encoding::json));
  const protocol::QueryResponse response{id, "00ff:1", 4, std::vector<std::byte>(8)};
  write(directory, "response-binary", "a" + encode(response, Encoding::binary));
  write(directory, "response-json", "A" + encode(response, Encoding::json));
  const protocol::EpochEntry entry{id,        "00ff:1",         "2026-11-23T07:31:18.042Z",
                                   Bytes32{}, keyed_metadata(), {"cpu"}};
  protocol::EpochEntry older = entry;
  older.metadata = indexed_metadata();
  write(directory, "epoch-document",
        "E" + protocol::encode_epoch_document({0, "00ff", entry, {older}}));
  write(directory, "problem",
        "P" + protocol::encode_problem({ErrorCode::epoch_gone, "pick another"}));
  write(directory, "base64", "BZm9vYg==");
}

void write_requests(const std::filesystem::path& directory) {
  write(directory, "get", "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  write(directory, "post",
        "POST /query?x=y HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
  write(directory, "chunked",
        "POST /query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\nhello\r\n0\r\nTrailer: z\r\n\r\nGET / HTTP/1.0\r\n\r\n");
}

void write_manifests(const std::filesystem::path& directory) {
  for (const Metadata& metadata : {keyed_metadata(), indexed_metadata()}) {
    snapshot::Manifest manifest;
    manifest.metadata = metadata;
    manifest.file = "table.rows";
    manifest.chunk_digests.resize(snapshot::chunk_count(metadata.geometry));
    manifest.content_id = content_id(metadata, manifest.chunk_digests, crypto::sha256);
    const bool keyed = std::holds_alternative<Cuckoo3Layout>(metadata.layout);
    if (keyed) manifest.keys = 100;
    write(directory, keyed ? "keyed" : "indexed", snapshot::manifest_to_text(manifest));
  }
}

void write_updates(const std::filesystem::path& directory) {
  Bytes16 known{};
  known.back() = std::byte{1};
  Bytes16 unknown{};
  unknown.back() = std::byte{2};
  const UpdateBatch one{7, {{known, {3, 5}, std::vector<std::byte>(8)}}};
  const UpdateBatch two{8, {one.tables[0], {unknown, {9}, std::vector<std::byte>(36)}}};
  write(directory, "one-binary", "u" + encode(one, Encoding::binary));
  write(directory, "one-json", "U" + encode(one, Encoding::json));
  write(directory, "two-binary", "u" + encode(two, Encoding::binary));
  write(directory, "two-json", "U" + encode(two, Encoding::json));
  write(directory, "reply",
        "R" + protocol::encode_update_reply({7, EpochId{Bytes8{}, 7, Bytes8{}}, 2, false}));
}

void write_answers(const std::filesystem::path& directory) {
  write(directory, "length",
        "HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: 5\r\n\r\nhello");
  write(directory, "chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: z\r\n\r\n");
  write(directory, "neither", "HTTP/1.0 200 OK\r\nContent-Encoding: identity\r\n\r\nhello");
  write(directory, "redirect", "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n");
  write(directory, "url", "https://example.org:8443/a%20b/c?d=e");
  write(directory, "ipv6-url", "http://[2001:db8::1]/a");
  write(directory, "file-url", "file:///tables/a.rows");
}

void write_fault_plans(const std::filesystem::path& directory) {
  write(directory, "chain", "source.read=2*off->12.5%3*partial(7)->corrupt(9)");
  write(directory, "several", "publish=delay(20);\nquery.scan=0.01%return(device_failed)->pause");
  write(directory, "crash", "retire=1*crash; device.alloc=return");
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make-seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  gyre::write_keys(directory / "key-fuzzer");
  gyre::write_messages(directory / "message-fuzzer");
  gyre::write_requests(directory / "http-fuzzer");
  gyre::write_manifests(directory / "manifest-fuzzer");
  gyre::write_updates(directory / "update-fuzzer");
  gyre::write_answers(directory / "source-fuzzer");
  gyre::write_fault_plans(directory / "fault-plan-fuzzer");
}
