// A server with both of its listeners in this process: real sockets, real sources of snapshots, an
// image in host memory and, if asked for, one on a device that fails when told to.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "harness/protocol/query_codec.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/server/admin_server.hpp"
#include "harness/server/compactor.hpp"
#include "harness/server/public_listener.hpp"
#include "harness/server/source_origin.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/support/test_device.hpp"
#include "tests/support/test_directory.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {

// What a test may want different, set before the server starts.
struct AdministeredSettings {
  std::string token = "a-token-of-many-characters";
  bool with_device = false;
  std::uint64_t memory_limit_bytes = 0;
  HttpLimits http;
  QueryLimits queries;
  // A test on a loaded machine waits for what it holds itself, never for time to pass.
  RotationLimits rotations{.lock_timeout = std::chrono::hours(1)};
  WriterLimits writer;
  source::SourcePolicy sources;
};

class AdministeredServer {
 public:
  static constexpr Geometry geometry{600, 100, 4};

  using Change = std::function<void(AdministeredSettings&)>;
  explicit AdministeredServer(const Change& change = [](AdministeredSettings&) {})
      : settings(changed(change, directory)),
        cpu(CpuBackend::create({.kernel = "portable",
                                .executor = "pool",
                                .threads = 1,
                                .memory_limit_bytes = settings.memory_limit_bytes})
                .value()),
        epochs("0123456789abcdef", RetentionPolicy{}, retirer_),
        writer(epochs, crypto::sha256, settings.writer),
        origin_(settings.sources),
        compactor_(writer, std::chrono::hours(1)),
        rotations(environment(), settings.rotations, epochs.boot()),
        resources_(rotations, writer, epochs, compactor_, metrics_),
        queries_(epochs, 0, settings.queries),
        public_(epochs, queries_, metrics_, settings.http, StreamLimits{}, nullptr) {
    auto socket = ListeningSocket::open({"127.0.0.1", 0});
    if (!socket) throw std::runtime_error(socket.error().message);
    port_ = socket->bound.port;
    AdminConfiguration configuration;
    configuration.listen = {"127.0.0.1", 0};
    configuration.token = settings.token;
    auto started =
        AdminServer::start(configuration, resources_, [this] { return metrics_.text({}); });
    if (!started) throw std::runtime_error(started.error().message);
    admin_ = std::move(*started);
    admin_port_ =
        static_cast<std::uint16_t>(std::stoi(admin_->url().substr(admin_->url().rfind(':') + 1)));
    if (!public_.start(std::move(*socket))) throw std::runtime_error("the listener did not start");
  }
  ~AdministeredServer() {
    at_seal.open();
    at_commit.open();
    rotations.stop();
  }
  AdministeredServer(const AdministeredServer&) = delete;
  AdministeredServer& operator=(const AdministeredServer&) = delete;

  // Requests on connections of their own, as the admin where that is needed.
  [[nodiscard]] RawResponse get(const std::string& path) const {
    return ask(port_, get_request(path)).value();
  }
  [[nodiscard]] RawResponse post(const std::string& path, const std::string& body,
                                 std::string_view type = "application/json") const {
    return ask(port_, post_request(path, type, body)).value();
  }
  [[nodiscard]] RawResponse admin_get(const std::string& path) const {
    return ask(admin_port_, get_request(path, authorization())).value();
  }
  [[nodiscard]] RawResponse admin_post(const std::string& path, const std::string& body,
                                       const std::string& headers = "") const {
    return ask(admin_port_, post_request(path, "application/json", body, authorization() + headers))
        .value();
  }
  [[nodiscard]] RawResponse admin_delete(const std::string& path) const {
    return ask(admin_port_, "DELETE " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
                                authorization() + "\r\n")
        .value();
  }
  [[nodiscard]] std::string authorization() const {
    return "Authorization: Bearer " + settings.token + "\r\n";
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::uint16_t admin_port() const noexcept { return admin_port_; }

  // A query for one row, with a key for that party and that many records.
  [[nodiscard]] RawResponse query(const EpochChoice& epoch = CurrentEpoch{}, std::uint8_t party = 0,
                                  std::uint64_t records = geometry.rows) {
    const protocol::QueryRequest request{epoch, {make_keys(records, 0, random_)[party]}};
    return post("/query", protocol::encode(request, protocol::Encoding::json));
  }
  [[nodiscard]] RawResponse update(const UpdateBatch& batch) const {
    return admin_post("/admin/updates", protocol::encode(batch, protocol::Encoding::json));
  }

  [[nodiscard]] static TestSnapshot snapshot(unsigned number) {
    return TestSnapshot(number, 0, 0, geometry);
  }
  // Puts its rows into the directory of local sources.
  void publish(const TestSnapshot& snapshot) const {
    directory.write(snapshot.manifest.file, snapshot.rows);
  }
  [[nodiscard]] static std::string request_for(const TestSnapshot& snapshot,
                                               const std::string& url) {
    return protocol::encode_snapshot_request(
        {protocol::RawSnapshot{url, snapshot.manifest.sha256, snapshot.manifest.metadata}, false});
  }
  [[nodiscard]] static std::string request_for(const TestSnapshot& snapshot) {
    return request_for(snapshot, "file:///" + snapshot.manifest.file);
  }
  // What the server answers to a rotation to the snapshot.
  [[nodiscard]] RawResponse rotate(const TestSnapshot& snapshot) const {
    publish(snapshot);
    return admin_post("/admin/snapshot", request_for(snapshot));
  }
  // The same, where it must succeed.
  void install(const TestSnapshot& snapshot) const {
    const RawResponse response = rotate(snapshot);
    if (response.status != 200) throw std::runtime_error(response.body);
  }

  const TestDirectory directory;  // the root of local sources
  const AdministeredSettings settings;
  const std::unique_ptr<CpuBackend> cpu;
  TestDevice device;
  Gate at_seal;
  Gate at_commit;
  // Asked before memory for an image is reserved, and instead of making it durable. They may fail.
  std::function<Result<void>()> on_stage = [] { return Result<void>(); };
  std::function<Result<void>()> on_commit = [] { return Result<void>(); };

 private:
  static AdministeredSettings changed(const Change& change, const TestDirectory& directory) {
    AdministeredSettings settings;
    settings.sources.local_root = directory.path();
    change(settings);
    return settings;
  }

  RotationEnvironment environment() {
    std::vector<Backend*> backends;
    if (settings.with_device) backends.push_back(&device.backend);
    backends.push_back(cpu.get());
    return RotationEnvironment{epochs,
                               writer,
                               origin_,
                               [this, stage = stage_in(backends)](const Geometry& asked)
                                   -> Result<std::unique_ptr<ImagesStaging>> {
                                 if (auto go_on = on_stage(); !go_on) return forward_error(go_on);
                                 auto inside = stage(asked);
                                 if (!inside) return forward_error(inside);
                                 return std::make_unique<GatedStaging>(std::move(*inside), at_seal);
                               },
                               [this] {
                                 epochs.drop_other_bases();
                                 retirer_.drain();
                               },
                               [this] {
                                 at_commit.pass();
                                 return on_commit();
                               }};
  }

  Retirer retirer_;

 public:
  EpochTable epochs;
  EpochWriter writer;

 private:
  SourceOrigin origin_;
  Compactor compactor_;

 public:
  RotationService rotations;

 private:
  Metrics metrics_;
  AdminResources resources_;
  QueryService queries_;
  PublicListener public_;
  std::unique_ptr<AdminServer> admin_;
  std::uint16_t port_ = 0;
  std::uint16_t admin_port_ = 0;
  SeededRandom random_{1};
};

}  // namespace gyre::server
