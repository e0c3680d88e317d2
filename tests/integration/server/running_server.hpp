// A server of a small table in this process, on a free port.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "backends/reference/reference_backend.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/server/server.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/support/test_table.hpp"

namespace gyre::server {

class RunningServer {
 public:
  static constexpr Geometry geometry{600, 12, 4};
  static constexpr std::uint32_t max_keys = 4;

  using Change = std::function<void(ServerConfiguration&)>;
  explicit RunningServer(const Change& change = [](ServerConfiguration&) {}) {
    ServerConfiguration configuration;
    configuration.listen = {"127.0.0.1", 0};
    configuration.queries.max_keys = max_keys;
    change(configuration);
    party_ = configuration.party;
    auto started = Server::start(configuration);
    if (!started) throw std::runtime_error(started.error().message);
    server_ = std::move(*started);
  }

  // Makes the test table current, or an image of a test's own.
  void publish_table() { publish_image(test_image(backend_, 0, geometry)); }
  void publish_image(std::shared_ptr<const Image> image) {
    publish(server_->epochs(), test_epoch(0, std::move(image)));
  }

  [[nodiscard]] Server& server() { return *server_; }
  [[nodiscard]] const HttpListener& http() { return server_->listener().http(); }
  [[nodiscard]] Backend& backend() { return backend_; }
  [[nodiscard]] std::uint16_t port() const { return server_->address().port; }

  // A key for this server's party.
  [[nodiscard]] dpf::Key key(std::uint64_t index = 0, std::uint64_t records = geometry.rows) {
    return make_keys(records, index, random_)[party_];
  }
  // A whole query for the row of that number.
  [[nodiscard]] std::string query(std::uint64_t row = 0,
                                  protocol::Encoding encoding = protocol::Encoding::binary,
                                  std::string_view headers = "") {
    return post_request("/query", protocol::media_type(encoding),
                        protocol::encode({CurrentEpoch{}, {key(row)}}, encoding), headers);
  }
  // Whether it serves an honest client on a fresh connection.
  [[nodiscard]] bool answers() {
    const auto health = ask(port(), get_request("/health"));
    const auto answer = ask(port(), query());
    return health && health->status == 200 && answer && answer->status == 200;
  }

 private:
  ReferenceBackend backend_;
  std::unique_ptr<Server> server_;
  std::uint8_t party_ = 0;
  SeededRandom random_{1};
};

}  // namespace gyre::server
