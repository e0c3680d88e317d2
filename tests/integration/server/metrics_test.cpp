// GET /metrics: well-formed, true to what happened, and nothing in it that is nobody's business.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "backends/cuda/cuda_device.hpp"
#include "backends/device/device_backend.hpp"
#include "core/bytes.hpp"
#include "harness/protocol/base64.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/protocol/update_codec.hpp"
#include "harness/server/admin_server.hpp"
#include "harness/server/server_readings.hpp"
#include "tests/integration/server/raw_connection.hpp"
#include "tests/support/emulated_gpu.hpp"
#include "tests/support/test_keys.hpp"
#include "tests/unit/server/rotation_fixture.hpp"

namespace gyre::server {
namespace {

using protocol::Encoding;
using Labels = std::map<std::string, std::string>;

const std::string token = "a-token-of-many-characters";
const std::string as_admin = "Authorization: Bearer " + token + "\r\n";

// What a scraper makes of the text; what is no exposition throws.
class Exposition {
 public:
  explicit Exposition(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("# HELP ")) {
        family_ = word(line, 7);
        expect(types.count(family_) == 0, line);
        expect(line.size() > 7 + family_.size() + 1, line);
      } else if (line.starts_with("# TYPE ")) {
        expect(word(line, 7) == family_, line);
        types[family_] = line.substr(7 + family_.size() + 1);
      } else {
        read_sample(line);
      }
    }
    expect(text.ends_with("\n"), "the end");
  }

  // 0 for what has not happened yet.
  [[nodiscard]] double value(const std::string& name, const Labels& labels = {}) const {
    const auto found = samples.find({name, labels});
    return found == samples.end() ? 0 : found->second;
  }
  [[nodiscard]] double sum(const std::string& name) const {
    double total = 0;
    for (const auto& [sample, value] : samples) {
      if (sample.first == name) total += value;
    }
    return total;
  }

  std::map<std::string, std::string> types;  // by family
  std::map<std::pair<std::string, Labels>, double> samples;

 private:
  static void expect(bool holds, const std::string& where) {
    if (!holds) throw std::runtime_error("no exposition: " + where);
  }
  static std::string word(const std::string& line, std::size_t from) {
    return line.substr(from, line.find(' ', from) - from);
  }
  void read_sample(const std::string& line) {
    const std::size_t name_end = line.find_first_of("{ ");
    expect(name_end != std::string::npos, line);
    const std::string name = line.substr(0, name_end);
    const std::string& type = types.at(family_);
    const bool part =
        type == "histogram" &&
        (name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count");
    expect(part || (type != "histogram" && name == family_), line);
    Labels labels;
    std::size_t at = name_end;
    while (line[at] != ' ' && line[at] != '}') {
      const std::size_t equals = line.find("=\"", at);
      const std::size_t end = line.find('"', equals + 2);
      expect(end != std::string::npos, line);
      expect(labels
                 .emplace(line.substr(at + 1, equals - at - 1),
                          line.substr(equals + 2, end - equals - 2))
                 .second,
             line);
      at = end + 1;
    }
    if (line[at] == '}') ++at;
    std::size_t used = 0;
    const double number = std::stod(line.substr(at + 1), &used);
    expect(at + 1 + used == line.size(), line);
    expect(samples.emplace(std::pair(name, labels), number).second, line);
  }

  std::string family_;
};

// A whole server: both listeners, rotations from an origin of the test's.
class MetricsTest : public ::testing::Test {
 protected:
  // With images on that device too, and before those of the CPU, if there is one.
  explicit MetricsTest(Backend* device = nullptr)
      : backend_(
            CpuBackend::create({.kernel = "portable", .executor = "pool", .threads = 1}).value()),
        backends_(device == nullptr ? std::vector<Backend*>{backend_.get()}
                                    : std::vector<Backend*>{device, backend_.get()}) {
    ServerConfiguration configuration;
    configuration.residencies.clear();
    for (const Backend* backend : backends_)
      configuration.residencies.emplace_back(backend->name());
    configuration.listen = {"127.0.0.1", 0};
    configuration.queries.max_keys = 4;
    server_ = std::move(Server::start(configuration).value());
    auto origin = std::make_unique<FakeOrigin>();
    origin_ = origin.get();
    administration_ = std::make_unique<Administration>(
        server_->epochs(), server_->retirer(), server_->metrics(), backends_, HostImages::unchecked,
        std::move(origin), AdministrationLimits{});
    AdminConfiguration admin;
    admin.listen = {"127.0.0.1", 0};
    admin.token = token;
    admin_ = std::move(AdminServer::start(admin, administration_->resources(), [this] {
                         return server_->metrics().text(
                             read_server(*server_, *administration_, backends_));
                       }).value());
    admin_port_ =
        static_cast<std::uint16_t>(std::stoi(admin_->url().substr(admin_->url().rfind(':') + 1)));
  }
  ~MetricsTest() override {
    origin_->at_open.open();
    administration_->stop();
  }

  [[nodiscard]] std::string text() {
    return ask(admin_port_, get_request("/metrics", as_admin)).value().body;
  }
  [[nodiscard]] Exposition scrape() { return Exposition(text()); }

  // For what is given back, or moves on, a moment after somebody was answered.
  void expect_soon(const std::string& name, double wanted, const Labels& labels = {}) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    double found = scrape().value(name, labels);
    while (found != wanted && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      found = scrape().value(name, labels);
    }
    EXPECT_EQ(found, wanted) << name;
  }

  // Rotates to it over HTTP; the status.
  int rotate_to(const TestSnapshot& snapshot) {
    return post("/admin/snapshot", protocol::encode_snapshot_request(snapshot.by_manifest()));
  }
  int post(const std::string& path, const std::string& body) {
    return ask(admin_port_, post_request(path, "application/json", body, as_admin)).value().status;
  }
  int update(std::uint64_t seq, const std::vector<unsigned>& tables = {0}) {
    return post("/admin/updates", protocol::encode(test_batch(seq, tables), Encoding::json));
  }
  // A rotation is counted a moment after those who waited for it were answered.
  [[nodiscard]] Exposition scrape_after_rotations(double rotations) {
    for (;;) {
      Exposition scraped = scrape();
      if (scraped.sum("gyre_rotations_total") >= rotations) return scraped;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  [[nodiscard]] std::vector<dpf::Key> keys(std::size_t count, std::uint8_t party = 0) {
    std::vector<dpf::Key> made;
    for (std::size_t i = 0; i < count; ++i) {
      made.push_back(make_keys(rotation_geometry.rows, i, random_)[party]);
    }
    return made;
  }
  int query(std::vector<dpf::Key> asked, const std::string& path = "/query") {
    return ask(server_->address().port,
               post_request(path, "application/octet-stream",
                            encode(protocol::QueryRequest{CurrentEpoch{}, std::move(asked)},
                                   Encoding::binary)))
        .value()
        .status;
  }

  std::unique_ptr<CpuBackend> backend_;
  const std::vector<Backend*> backends_;
  std::unique_ptr<Server> server_;
  FakeOrigin* origin_ = nullptr;
  std::unique_ptr<Administration> administration_;
  std::unique_ptr<AdminServer> admin_;
  std::uint16_t admin_port_ = 0;
  SeededRandom random_{3};
};

TEST_F(MetricsTest, TheTextIsAnExpositionOfWhatTheDocumentationNames) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  EXPECT_EQ(update(1), 200);
  EXPECT_EQ(query(keys(1)), 200);
  EXPECT_EQ(post("/admin/rollback", "{}"), 400);
  EXPECT_EQ(post("/admin/rollback", protocol::encode_rollback_request({snapshot.id(), true})), 200);
  (void)scrape_after_rotations(1);
  const auto response = ask(admin_port_, get_request("/metrics", as_admin)).value();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "text/plain; version=0.0.4");
  const Exposition scraped(response.body);

  const std::set<std::string> known_types = {"counter", "gauge", "histogram"};
  const std::set<std::string> known_labels = {"kind",  "code", "state",  "phase",
                                              "owner", "boot", "party",  "base",
                                              "table", "le",   "device", "reason"};
  for (const auto& [sample, value] : scraped.samples) {
    EXPECT_TRUE(std::isfinite(value)) << sample.first;
    EXPECT_GE(value, 0) << sample.first;
    for (const auto& [label, text] : sample.second)
      EXPECT_EQ(known_labels.count(label), 1U) << label;
  }
  std::ifstream file(GYRE_SOURCE_ROOT "/docs/http.md");
  const std::string documentation{std::istreambuf_iterator<char>(file), {}};
  std::set<std::string> documented;
  for (std::size_t at = 0; (at = documentation.find("`gyre_", at)) != std::string::npos; ++at) {
    documented.insert(
        documentation.substr(at + 1, documentation.find_first_of("`{", at + 1) - at - 1));
  }
  std::set<std::string> exposed;
  for (const auto& [family, type] : scraped.types) {
    EXPECT_EQ(known_types.count(type), 1U) << family;
    exposed.insert(family);
  }
  EXPECT_EQ(exposed, documented);
}

// A server with a GPU that is lost, or has an error that its memory could not correct: to CUDA both
// are errors of whatever is asked for next.
struct Gpu {
  std::shared_ptr<EmulatedGpu> gpu = std::make_shared<EmulatedGpu>();
  // Passes find what they need in the GPU's memory, but for overlays.
  DeviceBackend gpu_backend{
      std::make_shared<cuda::CudaDevice>(gpu, cuda::PassLimits{.batch = 1, .overlay_bytes = 0})};
};
class LostGpuTest : private Gpu, public MetricsTest {
 protected:
  LostGpuTest() : MetricsTest(&gpu_backend) {}

  std::string answers() {
    return ask(server_->address().port,
               post_request(
                   "/query", "application/octet-stream",
                   encode(protocol::QueryRequest{CurrentEpoch{}, asked_}, Encoding::binary)))
        .value()
        .body;
  }
  nlohmann::json health() {
    const auto response = ask(server_->address().port, get_request("/health")).value();
    EXPECT_EQ(response.status, 200);
    return nlohmann::json::parse(response.body);
  }
  EmulatedGpu::Faults& faults() { return gpu->faults; }
  void lose_its_image() { faults().lost = true; }
  void fill_the_gpu() { faults().capacity_bytes = gpu->used_bytes(); }

  const std::vector<dpf::Key> asked_ = keys(3);
};

TEST_F(LostGpuTest, TheCpusImageGoesOnAndEverybodyIsToldWhy) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  ASSERT_EQ(update(1), 200);
  EXPECT_EQ(health()["status"], "ok");
  const std::string before = answers();
  Exposition scraped = scrape();
  EXPECT_EQ(scraped.value("gyre_epoch_degraded"), 0);
  EXPECT_EQ(scraped.sum("gyre_device_failures_total"), 0);

  lose_its_image();
  EXPECT_EQ(answers(), before);
  EXPECT_EQ(answers(), before);
  EXPECT_EQ(health()["status"], "degraded");
  EXPECT_EQ(health()["images"],
            nlohmann::json({{"failed", {"cuda"}}, {"missing", nlohmann::json::array()}}));
  scraped = scrape();
  EXPECT_EQ(scraped.value("gyre_epoch_degraded"), 1);
  // Once: it is not asked again.
  EXPECT_EQ(scraped.value("gyre_device_failures_total", {{"device", "cuda"},
                                                         {"code", "device_failed"},
                                                         {"reason", "the emulated GPU is lost"}}),
            1);
  EXPECT_EQ(scraped.value("gyre_queries_total", {{"kind", "row"}, {"code", "ok"}}), 3);
}

TEST_F(LostGpuTest, AGpuWithoutRoomForAPassIsADegradedOneAndAnswersAreRightAllTheSame) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  answers();
  fill_the_gpu();
  const std::string before = answers();
  EXPECT_EQ(health()["status"], "ok");

  ASSERT_EQ(update(1), 200);
  const std::string without_room = answers();
  EXPECT_NE(without_room, before);
  EXPECT_EQ(health()["status"], "degraded");
  EXPECT_EQ(health()["images"],
            nlohmann::json({{"failed", {"cuda"}}, {"missing", nlohmann::json::array()}}));
  const Exposition scraped = scrape();
  EXPECT_EQ(scraped.value("gyre_epoch_degraded"), 1);
  EXPECT_EQ(scraped.value("gyre_device_failures_total", {{"device", "cuda"},
                                                         {"code", "device_out_of_memory"},
                                                         {"reason", "the emulated GPU is full"}}),
            1);
  EXPECT_EQ(answers(), without_room);
  EXPECT_EQ(scraped.value("gyre_queries_total", {{"kind", "row"}, {"code", "ok"}}), 3);
}

TEST_F(MetricsTest, HistogramsAreCumulative) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(query(keys(1)), 200);
  const Exposition scraped = scrape_after_rotations(1);
  std::map<std::pair<std::string, Labels>, std::map<double, double>> buckets;
  for (const auto& [sample, value] : scraped.samples) {
    const auto& [name, labels] = sample;
    if (!name.ends_with("_bucket")) continue;
    Labels others = labels;
    others.erase("le");
    buckets[{name.substr(0, name.size() - 7), others}][std::stod(labels.at("le"))] = value;
  }
  EXPECT_EQ(buckets.size(), 2 + protocol::rotation_phases);
  for (const auto& [histogram, counts] : buckets) {
    double before = 0;
    for (const auto& [bound, count] : counts) {
      EXPECT_GE(count, before);
      before = count;
    }
    EXPECT_TRUE(std::isinf(counts.rbegin()->first));
    EXPECT_EQ(before, scraped.value(histogram.first + "_count", histogram.second));
  }
}

TEST_F(MetricsTest, QueriesCountByKindAndCodeAndAnswersByKey) {
  const auto queries = [&](const char* kind, const char* code) {
    return scrape().value("gyre_queries_total", {{"kind", kind}, {"code", code}});
  };
  EXPECT_EQ(query(keys(1)), 503);
  EXPECT_EQ(queries("row", "no_epoch"), 1);
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  EXPECT_EQ(query(keys(3)), 200);
  EXPECT_EQ(query(keys(2)), 200);
  EXPECT_EQ(query(keys(1), "/query/page"), 200);
  EXPECT_EQ(query(keys(1, /*party=*/1)), 400);
  EXPECT_EQ(query(keys(1, /*party=*/1)), 400);
  EXPECT_EQ(query(keys(5), "/query/page"), 413);
  const Exposition scraped = scrape();
  EXPECT_EQ(queries("row", "ok"), 2);
  EXPECT_EQ(queries("page", "ok"), 1);
  EXPECT_EQ(queries("row", "wrong_party"), 2);
  EXPECT_EQ(queries("page", "request_too_large"), 1);
  EXPECT_EQ(scraped.sum("gyre_queries_total"), 7);
  EXPECT_EQ(scraped.value("gyre_answers_total", {{"kind", "row"}}), 5);
  EXPECT_EQ(scraped.value("gyre_answers_total", {{"kind", "page"}}), 1);
  EXPECT_EQ(scraped.value("gyre_query_seconds_count", {{"kind", "row"}}), 2);
  EXPECT_GT(scraped.value("gyre_query_seconds_sum", {{"kind", "row"}}), 0);
  EXPECT_GE(scraped.value("gyre_passes_total"), 1);
  expect_soon("gyre_memory_bytes", 0, {{"owner", "answers"}});
}

TEST_F(MetricsTest, RotationsCountByOutcomeWithBytesAndPhases) {
  const TestSnapshot first(0), missing(1), cancelled(2);
  first.publish_at(*origin_);
  const auto rotations = [](const Exposition& scraped, const char* state, const char* code) {
    return scraped.value("gyre_rotations_total", {{"state", state}, {"code", code}});
  };
  ASSERT_EQ(rotate_to(first), 200);
  Exposition scraped = scrape_after_rotations(1);
  EXPECT_EQ(rotations(scraped, "published", "ok"), 1);
  EXPECT_EQ(scraped.value("gyre_ingested_bytes_total"), first.rows.size());
  for (const char* phase :
       {"lock", "open", "stream", "digest", "seal", "validate", "commit", "publish", "retire"}) {
    EXPECT_EQ(scraped.value("gyre_rotation_phase_seconds_count", {{"phase", phase}}), 1) << phase;
  }
  EXPECT_EQ(scraped.value("gyre_memory_bytes", {{"owner", "cpu"}}), backend_->memory_used_bytes());
  EXPECT_GT(backend_->memory_used_bytes(), first.rows.size() - 1);

  ASSERT_EQ(rotate_to(first), 200);
  EXPECT_EQ(rotate_to(missing), 404);
  scraped = scrape_after_rotations(3);
  EXPECT_EQ(rotations(scraped, "unchanged", "ok"), 1);
  EXPECT_EQ(rotations(scraped, "failed", "not_found"), 1);
  EXPECT_EQ(scraped.value("gyre_rotation_phase_seconds_count", {{"phase", "open"}}), 3);
  EXPECT_EQ(scraped.value("gyre_rotation_phase_seconds_count", {{"phase", "stream"}}), 1);
  EXPECT_EQ(scraped.value("gyre_ingested_bytes_total"), first.rows.size());
  EXPECT_EQ(scraped.value("gyre_rotations_running"), 0);

  origin_->at_open.close();
  const auto rotation = administration_->rotations().start(cancelled.raw()).value();
  origin_->at_open.wait_for_arrival();
  EXPECT_EQ(scrape().value("gyre_rotations_running"), 1);
  rotation->cancel();
  rotation->wait();
  scraped = scrape_after_rotations(4);
  EXPECT_EQ(rotations(scraped, "cancelled", "cancelled"), 1);
  EXPECT_EQ(scraped.sum("gyre_rotations_total"), 4);
}

TEST_F(MetricsTest, BatchesAndRollbacksAreCountedAndTheEpochFollows) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  EXPECT_EQ(scrape().samples.count({"gyre_epoch_generation", {}}), 0U);
  EXPECT_EQ(update(1), 503);
  ASSERT_EQ(rotate_to(snapshot), 200);
  EXPECT_EQ(update(1), 200);
  EXPECT_EQ(update(2), 200);
  EXPECT_EQ(update(2), 200);
  EXPECT_EQ(update(9), 409);
  Exposition scraped = scrape();
  const auto batches = [&](const char* code) {
    return scraped.value("gyre_batches_total", {{"code", code}});
  };
  EXPECT_EQ(batches("ok"), 2);
  EXPECT_EQ(batches("resent"), 1);
  EXPECT_EQ(batches("sequence_gap"), 1);
  EXPECT_EQ(scraped.sum("gyre_batches_total"), 5);
  EXPECT_EQ(scraped.value("gyre_batch_rows_total"), 2);
  EXPECT_EQ(scraped.value("gyre_overlay_rows"), 2);
  EXPECT_EQ(scraped.value("gyre_overlay_batches"), 2);
  EXPECT_EQ(scraped.value("gyre_epoch_seq"), 2);
  EXPECT_EQ(scraped.value("gyre_epoch_generation"), 3);
  EXPECT_EQ(scraped.value("gyre_epochs_retained"), 2);
  const Labels info = {{"boot", server_->epochs().boot()},
                       {"party", "0"},
                       {"base", to_hex(snapshot.manifest.content_id)},
                       {"table", to_hex(snapshot.manifest.metadata.table)}};
  EXPECT_EQ(scraped.value("gyre_epoch_info", info), 1);

  const std::string back = protocol::encode_rollback_request({snapshot.id(), true});
  EXPECT_EQ(post("/admin/rollback", back), 200);
  scraped = scrape();
  EXPECT_EQ(scraped.value("gyre_rollbacks_total", {{"code", "ok"}}), 1);
  EXPECT_EQ(scraped.value("gyre_epoch_generation"), 4);
  EXPECT_EQ(scraped.value("gyre_epoch_seq"), 0);
  EXPECT_EQ(scraped.value("gyre_overlay_rows"), 0);
}

TEST_F(MetricsTest, LeasesAreCountedAsLongAsSomebodyHoldsThem) {
  const TestSnapshot first(0), second(1);
  first.publish_at(*origin_);
  second.publish_at(*origin_);
  const auto two_images = static_cast<double>(2 * first.rows.size());
  ASSERT_EQ(rotate_to(first), 200);
  expect_soon("gyre_leases", 0);
  {
    const Lease lease = *server_->epochs().current();
    const Lease copy = lease;
    expect_soon("gyre_leases", 2);
    ASSERT_EQ(rotate_to(second), 200);
    server_->epochs().drop_other_bases();
    // Nobody can ask that epoch any more, but its memory is not free.
    EXPECT_EQ(scrape().value("gyre_epochs_retained"), 0);
    expect_soon("gyre_leases", 2);
    EXPECT_GE(scrape().value("gyre_memory_bytes", {{"owner", "cpu"}}), two_images);
  }
  server_->retirer().drain();
  expect_soon("gyre_leases", 0);
  EXPECT_LT(scrape().value("gyre_memory_bytes", {{"owner", "cpu"}}), two_images);
}

TEST_F(MetricsTest, ConnectionsAndStreamsAreSeen) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  RawConnection stream(server_->address().port), idle(server_->address().port);
  stream.send(get_request("/epoch/stream"));
  ASSERT_TRUE(stream.receive_until("\n\n"));
  idle.send(get_request("/health"));
  ASSERT_TRUE(idle.receive());
  while (server_->listener().http().connections().count(Phase::idle) != 1) {
    std::this_thread::yield();
  }
  expect_soon("gyre_connections", 1, {{"phase", "streaming"}});
  expect_soon("gyre_connections", 1, {{"phase", "idle"}});
  const Exposition scraped = scrape();
  EXPECT_EQ(scraped.value("gyre_connections_accepted_total"), 2);
  EXPECT_EQ(scraped.value("gyre_streams"), 1);
  EXPECT_EQ(scraped.value("gyre_streams_begun_total"), 1);
}

TEST_F(MetricsTest, OnlyAdminsReadItAndNothingThatWasSentIsInIt) {
  const TestSnapshot snapshot(0);
  snapshot.publish_at(*origin_);
  ASSERT_EQ(rotate_to(snapshot), 200);
  const auto asked = keys(2);
  EXPECT_EQ(query(asked), 200);
  const std::string path = "/a-path-that-was-made-up";
  EXPECT_EQ(ask(admin_port_, get_request(path, as_admin))->status, 404);
  EXPECT_EQ(post("/admin/snapshot", R"({"manifest_url": "https://secret-host/x"})"), 404);
  const std::string everything = text();
  std::vector<std::string> secrets = {token, path.substr(1), "secret-host", "127.0.0.1", "origin"};
  for (const dpf::Key& key : asked) {
    const auto bytes = dpf::serialize(key);
    secrets.push_back(protocol::to_base64(bytes).substr(16, 24));
    secrets.push_back(to_hex(bytes).substr(32, 32));
  }
  for (const std::string& secret : secrets) {
    EXPECT_EQ(everything.find(secret), std::string::npos) << secret;
  }

  const auto stranger = ask(admin_port_, get_request("/metrics"));
  EXPECT_EQ(stranger->status, 401);
  EXPECT_EQ(stranger->body.find("gyre_"), std::string::npos);
  EXPECT_EQ(ask(admin_port_, post_request("/metrics", "text/plain", "", as_admin))->status, 405);
  EXPECT_EQ(ask(server_->address().port, get_request("/metrics", as_admin))->status, 404);
}

}  // namespace
}  // namespace gyre::server
