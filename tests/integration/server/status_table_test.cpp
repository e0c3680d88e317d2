// Every error code, one by one, over HTTP: what provokes it, its status, and that the documentation
// says the same. A new code that is neither provoked here nor said to be no server's fails.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "harness/protocol/http_status.hpp"
#include "tests/integration/server/administered_server.hpp"
#include "tests/support/held_image.hpp"
#include "tests/support/hostile_origin.hpp"

namespace gyre::server {
namespace {

using std::chrono::milliseconds;
using Settings = AdministeredSettings;

constexpr ErrorCode all_codes[] = {
#define GYRE_CODE(code, meaning) ErrorCode::code,
    GYRE_ERROR_CODES(GYRE_CODE)
#undef GYRE_CODE
};

// Codes of commands and clients, and of what a server checks before it could happen: no response
// has them.
const std::set<ErrorCode> never_sent = {
    ErrorCode::wrong_epoch_content, ErrorCode::cpu_feature_missing, ErrorCode::table_full,
    ErrorCode::duplicate_key,       ErrorCode::malformed_input,     ErrorCode::unreachable,
    ErrorCode::timed_out,           ErrorCode::insecure_transport,  ErrorCode::servers_disagree,
    ErrorCode::bad_answer,          ErrorCode::server_refused,
};

Result<void> failing(ErrorCode code) {
  return fail(code, "it failed because the test wanted it to");
}

// A rotation from an origin that does what a test says.
RawResponse rotate_from(const std::function<void(OriginPeer&)>& origin_does) {
  HostileOrigin origin([&](OriginPeer& peer) {
    (void)peer.read_request();
    origin_does(peer);
  });
  const std::string host = "127.0.0.1:" + origin.port_text();
  const AdministeredServer server([&](Settings& settings) {
    settings.sources.allowed_hosts = {host};
    settings.sources.allowed_networks = {"127.0.0.0/8"};
    settings.sources.allow_plain_http = true;
    settings.sources.first_byte_time = milliseconds(200);
  });
  return server.admin_post(
      "/admin/snapshot",
      AdministeredServer::request_for(AdministeredServer::snapshot(0), "http://" + host + "/rows"));
}

// A rotation beside a device that is told to fail first.
RawResponse rotate_onto(const std::function<void(FaultyDevice&)>& device_does) {
  const AdministeredServer server([](Settings& settings) { settings.with_device = true; });
  device_does(*server.device.device);
  return server.rotate(AdministeredServer::snapshot(0));
}

// A rotation to files that are not what the request says.
RawResponse rotate_to_rows(std::string rows) {
  const AdministeredServer server;
  TestSnapshot snapshot = AdministeredServer::snapshot(0);
  snapshot.rows = std::move(rows);
  return server.rotate(snapshot);
}

RawResponse update_after(std::uint64_t accepted, const UpdateBatch& batch) {
  const AdministeredServer server;
  server.install(AdministeredServer::snapshot(0));
  for (std::uint64_t seq = 1; seq <= accepted; ++seq) {
    if (server.update(test_batch(seq, {0}, 5, 100)).status != 200) throw std::logic_error("batch");
  }
  return server.update(batch);
}

RawResponse cancelled_rotation() {
  AdministeredServer server;
  server.at_seal.close();
  auto answer = std::async(std::launch::async,
                           [&] { return server.rotate(AdministeredServer::snapshot(0)); });
  server.at_seal.wait_for_arrival();
  const auto listed = nlohmann::json::parse(server.admin_get("/admin/rotations").body);
  const std::string id = listed["rotations"][0]["id"];
  server.rotations.find(id).value()->cancel();
  server.at_seal.open();
  return answer.get();
}

RawResponse query_while_another_waits() {
  AdministeredServer server([](Settings& settings) {
    settings.queries.max_passes = 1;
    settings.queries.max_waiting = 0;
  });
  const auto held =
      std::make_shared<const HeldImage>(test_image(*server.cpu, 0, AdministeredServer::geometry));
  publish(server.epochs, test_epoch(0, held));
  auto first = std::async(std::launch::async, [&] {
    SeededRandom random(2);
    const protocol::QueryRequest request{
        CurrentEpoch{}, {make_keys(AdministeredServer::geometry.rows, 1, random)[0]}};
    return server.post("/query", protocol::encode(request, protocol::Encoding::json));
  });
  held->wait_for_passes(1);
  RawResponse refused = server.query();
  held->release();
  EXPECT_EQ(first.get().status, 200);
  return refused;
}

RawResponse guess_until_slowed_down() {
  const AdministeredServer server;
  RawResponse last;
  for (int i = 0; i < 40 && last.status != 429; ++i) {
    last = ask(server.admin_port(), get_request("/admin/rotations", "Authorization: Bearer x\r\n"))
               .value();
  }
  EXPECT_FALSE(last.header("retry-after").empty());
  return last;
}

// How each code comes about.
const std::map<ErrorCode, std::function<RawResponse()>>& provocations() {
  using Server = AdministeredServer;
  static const std::map<ErrorCode, std::function<RawResponse()>> all = {
      {ErrorCode::malformed_request, [] { return Server().post("/query", "{"); }},
      {ErrorCode::unsupported_url,
       [] {
         return Server().admin_post("/admin/snapshot",
                                    Server::request_for(Server::snapshot(0), "ftp://host/rows"));
       }},
      {ErrorCode::misaligned_size,
       [] { return rotate_to_rows(Server::snapshot(0).rows + std::string(50, 'x')); }},
      {ErrorCode::empty_snapshot, [] { return rotate_to_rows(""); }},
      {ErrorCode::key_domain_mismatch,
       [] {
         Server server;
         server.install(Server::snapshot(0));
         return server.query(CurrentEpoch{}, 0, /*records=*/128);
       }},
      {ErrorCode::wrong_party,
       [] {
         Server server;
         server.install(Server::snapshot(0));
         return server.query(CurrentEpoch{}, /*party=*/1);
       }},
      {ErrorCode::unauthorized,
       [] { return ask(Server().admin_port(), get_request("/admin/rotations")).value(); }},
      {ErrorCode::admin_not_configured,
       [] {
         const Server server([](Settings& settings) { settings.token.clear(); });
         return server.admin_get("/admin/rotations");
       }},
      {ErrorCode::source_not_allowed,
       [] {
         return Server().admin_post(
             "/admin/snapshot",
             Server::request_for(Server::snapshot(0), "https://elsewhere.example/rows"));
       }},
      {ErrorCode::not_found, [] { return Server().get("/no/such/thing"); }},
      {ErrorCode::method_not_allowed, [] { return Server().get("/query"); }},
      {ErrorCode::request_too_slow,
       [] {
         const Server server(
             [](Settings& settings) { settings.http.head_time = milliseconds(50); });
         RawConnection connection(server.port());
         connection.send("GET /health HTTP/1.1\r\n");
         return connection.receive().value();
       }},
      {ErrorCode::rotation_in_progress,
       [] {
         Server server(
             [](Settings& settings) { settings.rotations.lock_timeout = milliseconds(1); });
         const auto lock = server.writer.lock_rotation(milliseconds(0));
         return server.rotate(Server::snapshot(0));
       }},
      {ErrorCode::updates_would_be_lost,
       [] {
         const Server server;
         server.install(Server::snapshot(0));
         EXPECT_EQ(server.update(test_batch(1, {0}, 5, 100)).status, 200);
         return server.rotate(TestSnapshot(1, /*table_number=*/1, 0, Server::geometry));
       }},
      {ErrorCode::sequence_gap, [] { return update_after(0, test_batch(3, {0}, 5, 100)); }},
      {ErrorCode::sequence_conflict, [] { return update_after(1, test_batch(1, {0}, 7, 100)); }},
      {ErrorCode::cancelled, cancelled_rotation},
      {ErrorCode::epoch_gone,
       [] {
         Server server;
         server.install(Server::snapshot(0));
         return server.query(Server::snapshot(1).id());
       }},
      {ErrorCode::request_too_large,
       [] { return Server().admin_post("/admin/rollback", std::string(1U << 20U, ' ')); }},
      {ErrorCode::unsupported_media_type,
       [] { return Server().post("/query", "{}", "text/plain"); }},
      {ErrorCode::digest_mismatch,
       [] { return rotate_to_rows(std::string(Server::geometry.bytes(), 'x')); }},
      {ErrorCode::geometry_mismatch,
       [] { return rotate_to_rows(Server::snapshot(0).rows + std::string(100, 'x')); }},
      {ErrorCode::too_many_requests, guess_until_slowed_down},
      {ErrorCode::device_upload_failed,
       [] { return rotate_onto([](FaultyDevice& device) { device.fail_upload(0); }); }},
      {ErrorCode::device_failed,
       [] { return rotate_onto([](FaultyDevice& device) { device.refuse_memory(); }); }},
      {ErrorCode::image_corrupt,
       [] { return rotate_onto([](FaultyDevice& device) { device.flip_bit(1000, 3); }); }},
      {ErrorCode::source_failed,
       [] {
         return rotate_from([](OriginPeer& peer) {
           peer.send("HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n");
         });
       }},
      {ErrorCode::source_timed_out,
       [] { return rotate_from([](OriginPeer& peer) { peer.wait_until_closed(); }); }},
      {ErrorCode::internal,
       [] {
         Server server;
         server.on_stage = []() -> Result<void> { throw std::logic_error("a defect"); };
         return server.rotate(Server::snapshot(0));
       }},
      {ErrorCode::draining,
       [] {
         Server server;
         server.rotations.stop();
         return server.rotate(Server::snapshot(0));
       }},
      {ErrorCode::no_epoch, [] { return Server().get("/epoch"); }},
      {ErrorCode::queue_full, query_while_another_waits},
      {ErrorCode::overlay_full,
       [] {
         const Server server([](Settings& settings) {
           settings.writer.max_overlay_rows = 1;
           settings.writer.compact_at_rows = 1;
         });
         server.install(Server::snapshot(0));
         UpdateBatch batch = test_batch(1, {0}, 5, 100);
         batch.tables.front().rows = {5, 6};
         batch.tables.front().data.resize(200);
         return server.update(batch);
       }},
      {ErrorCode::out_of_memory,
       [] {
         const Server server([](Settings& settings) { settings.memory_limit_bytes = 4096; });
         return server.rotate(Server::snapshot(0));
       }},
      // A device without room leaves its image for later, so only a backend of another kind can say
      // this; and nothing is durable yet, so no disk can be full or broken.
      {ErrorCode::device_out_of_memory,
       [] {
         Server server;
         server.on_stage = [] { return failing(ErrorCode::device_out_of_memory); };
         return server.rotate(Server::snapshot(0));
       }},
      {ErrorCode::disk_full,
       [] {
         Server server;
         server.on_commit = [] { return failing(ErrorCode::disk_full); };
         return server.rotate(Server::snapshot(0));
       }},
      {ErrorCode::io_failed,
       [] {
         Server server;
         server.on_commit = [] { return failing(ErrorCode::io_failed); };
         return server.rotate(Server::snapshot(0));
       }},
      // What was right when the server started.
      {ErrorCode::bad_configuration,
       [] {
         const Server server;
         std::filesystem::remove_all(server.directory.path());
         return server.admin_post("/admin/snapshot", Server::request_for(Server::snapshot(0)));
       }},
  };
  return all;
}

class StatusTable : public testing::TestWithParam<ErrorCode> {};

TEST_P(StatusTable, HasWhatTheServerAnswers) {
  const ErrorCode code = GetParam();
  const auto provocation = provocations().find(code);
  ASSERT_NE(provocation == provocations().end(), never_sent.count(code) == 0)
      << "either a server answers with it, and this test provokes it, or none does";
  if (provocation == provocations().end()) return;
  const RawResponse response = provocation->second();
  EXPECT_EQ(response.code(), name(code)) << response.body;
  EXPECT_EQ(response.status, protocol::http_status(code));
  EXPECT_EQ(response.status == 503,
            !response.header("retry-after").empty() && response.status != 429);
}

INSTANTIATE_TEST_SUITE_P(, StatusTable, testing::ValuesIn(all_codes),
                         [](const auto& tested) { return std::string(name(tested.param)); });

std::string document(const std::string& file) {
  std::ifstream stream(std::string(GYRE_SOURCE_ROOT) + "/docs/" + file);
  std::ostringstream text;
  text << stream.rdbuf();
  if (text.str().empty()) throw std::runtime_error("docs/" + file + " is not there");
  return text.str();
}

// Codes by status, of all table rows that begin with a status.
std::set<std::pair<std::string, int>> documented_statuses() {
  std::set<std::pair<std::string, int>> all;
  std::istringstream lines(document("http.md"));
  const std::regex row(R"(^\| ([45][0-9][0-9]) \| ([^|]*)\|.*)");
  const std::regex code("`([a-z_]+)`");
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    const std::string codes = found[2];
    for (std::sregex_iterator at(codes.begin(), codes.end(), code), end; at != end; ++at) {
      all.emplace((*at)[1], std::stoi(found[1]));
    }
  }
  return all;
}

TEST(StatusTableInDocs, HttpHasEveryCodeThatAServerAnswersWithAndNoOther) {
  std::set<std::pair<std::string, int>> expected;
  for (const auto& [code, provoke] : provocations()) {
    expected.emplace(name(code), protocol::http_status(code));
  }
  EXPECT_EQ(documented_statuses(), expected);
}

// The design's list of statuses, independent of the function under test.
TEST(StatusTableInDocs, EveryStatusOfTheDesignIsThere) {
  std::set<int> statuses;
  for (const auto& [code, status] : documented_statuses()) statuses.insert(status);
  EXPECT_EQ(statuses, (std::set<int>{400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 429,
                                     500, 502, 503, 504, 507}));
}

TEST(StatusTableInDocs, OperationsSaysOfEveryCodeWhatToDo) {
  std::set<std::string> first_cells;
  std::istringstream lines(document("operations.md"));
  const std::regex row(R"(^\| `([a-z_]+)` \|[^|]*\|[^|]+\|[^|]+\|$)");
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_match(line, found, row)) first_cells.insert(found[1]);
  }
  std::set<std::string> expected;
  for (const ErrorCode code : all_codes) expected.emplace(name(code));
  EXPECT_EQ(first_cells, expected);
}

}  // namespace
}  // namespace gyre::server
