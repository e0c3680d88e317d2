#include "harness/client/pir_client.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "harness/scenario/seeded_random.hpp"
#include "harness/table/account.hpp"
#include "tests/support/code_of.hpp"
#include "tests/unit/client/fake_server.hpp"

namespace gyre::client {
namespace {

using testing::byte_of;
using testing::Content;
using testing::FakeServer;
using testing::FakeTransport;
using testing::make_content;
using testing::make_keyed_content;
using Reply = FakeServer::Reply;

ClientOptions quick() {
  ClientOptions options;
  options.first_backoff = std::chrono::milliseconds(0);
  return options;
}

// Two servers of the same contents and a way to connect to them.
struct Pair {
  explicit Pair(const std::vector<Content>& contents) : Pair(contents, contents) {}
  Pair(const std::vector<Content>& of_zero, const std::vector<Content>& of_one)
      : zero(0, of_zero), one(1, of_one) {}

  Result<std::unique_ptr<PirClient>> try_connect(const ClientOptions& options = quick(),
                                                 RandomSource* random = nullptr) {
    return PirClient::connect(std::make_unique<FakeTransport>("http://zero:80", zero),
                              std::make_unique<FakeTransport>("http://one:80", one), options,
                              random);
  }
  std::unique_ptr<PirClient> connect(const ClientOptions& options = quick(),
                                     RandomSource* random = nullptr) {
    auto client = try_connect(options, random);
    EXPECT_TRUE(client) << client.error().message;
    return client ? std::move(*client) : nullptr;
  }

  FakeServer zero;
  FakeServer one;
};

std::vector<std::byte> row_of(std::uint64_t salt, const Geometry& geometry, std::uint64_t row) {
  std::vector<std::byte> bytes(geometry.row_bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_of(salt, row, i);
  return bytes;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

protocol::QueryRequest decoded(const std::string& body) {
  auto request = protocol::decode_query_request(body, protocol::Encoding::binary, 1000);
  EXPECT_TRUE(request) << "a query must be of the documented form";
  return request.value_or(protocol::QueryRequest{});
}

Reply cut_off() {
  return fail(ErrorCode::unreachable, "the connection was cut");
}

constexpr Geometry small{256, 8, 2};

// Runs fetch(index 5) against a server 0 that replies to its first query as `first` says, and wants
// the error and that nobody was asked again.
void expect_final(Pair& pair, ErrorCode code) {
  const auto client = pair.connect();
  const std::uint64_t index = 5;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, code) << records.error().message;
  EXPECT_EQ(pair.zero.queries().size(), 1U) << "server 0 must not be asked again";
  EXPECT_EQ(pair.one.queries().size(), 1U) << "server 1 must not be asked again";
  EXPECT_EQ(pair.zero.seen().size(), 2U) << "one GET /epoch, one query";
}

RC_GTEST_PROP(PirClientFetch, RowsAndPagesAreThoseOfTheTable, ()) {
  const auto row_bytes = 4 * *rc::gen::inRange<std::uint32_t>(1, 10);
  const auto rows_per_page = *rc::gen::inRange<std::uint32_t>(1, 5);
  const auto pages = *rc::gen::inRange<std::uint64_t>(1, 400);
  const Geometry geometry{pages * rows_per_page, row_bytes, rows_per_page};
  const bool page = *rc::gen::arbitrary<bool>();
  const QueryKind kind = page ? QueryKind::page : QueryKind::row;
  const auto indices = *rc::gen::container<std::vector<std::uint64_t>>(
      rc::gen::inRange<std::uint64_t>(0, geometry.records(kind)));

  Pair pair({make_content(1, geometry)});
  auto options = quick();
  options.keys_per_request = *rc::gen::inRange<std::uint32_t>(3, 20);
  const auto records = pair.connect(options)->fetch(indices, kind);
  RC_ASSERT(records.has_value());
  RC_ASSERT(records->size() == indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::vector<std::byte> expected;
    const std::uint64_t rows = page ? rows_per_page : 1;
    for (std::uint64_t row = indices[i] * rows; row < (indices[i] + 1) * rows; ++row) {
      const auto bytes = row_of(1, geometry, row);
      expected.insert(expected.end(), bytes.begin(), bytes.end());
    }
    RC_ASSERT((*records)[i].bytes == expected);
    RC_ASSERT((*records)[i].epoch->id == make_content(1, small).entry.id);
  }
}

TEST(PirClientFetch, KeysHaveExactlyTheLevelsOfTheTableAndThePinnedEpoch) {
  for (const std::uint64_t rows : {1U, 128U, 129U, 256U, 257U, 1000U}) {
    Pair pair({make_content(1, Geometry{rows, 8, 1})});
    const std::vector<std::uint64_t> indices = {0, rows - 1};
    ASSERT_TRUE(pair.connect()->fetch(indices, QueryKind::row));
    for (const FakeServer* server : {&pair.zero, &pair.one}) {
      const auto queries = server->queries();
      ASSERT_EQ(queries.size(), 1U);
      const auto request = decoded(queries[0]);
      ASSERT_EQ(request.keys.size(), 2U);
      for (const auto& key : request.keys) {
        EXPECT_EQ(key.levels.size(), dpf::levels_for(rows)) << rows;
        EXPECT_EQ(key.party, server == &pair.zero ? 0 : 1);
      }
      ASSERT_TRUE(std::holds_alternative<EpochId>(request.epoch)) << "pinned, never \"current\"";
    }
  }
}

TEST(PirClientFetch, TheOrderOfTheTwoServersDoesNotMatter) {
  Pair pair({make_content(1, small)});
  auto client =
      PirClient::connect(std::make_unique<FakeTransport>("http://one:80", pair.one),
                         std::make_unique<FakeTransport>("http://zero:80", pair.zero), quick());
  ASSERT_TRUE(client);
  const std::uint64_t index = 200;
  const auto records = (*client)->fetch({&index, 1}, QueryKind::row);
  ASSERT_TRUE(records);
  EXPECT_EQ(records->front().bytes, row_of(1, small, 200));
}

TEST(PirClientFetch, ANumberPastTheEndIsAskedForLikeAnyOtherAndThenRefused) {
  Pair pair({make_content(1, small)});
  const std::vector<std::uint64_t> indices = {3, small.rows, 4};
  const auto records = pair.connect()->fetch(indices, QueryKind::row);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::malformed_input);
  ASSERT_EQ(pair.zero.queries().size(), 1U);
  EXPECT_EQ(decoded(pair.zero.queries()[0]).keys.size(), 3U);
}

TEST(PirClientFetch, NothingAskedForMeansNothingSent) {
  Pair pair({make_content(1, small)});
  const auto records = pair.connect()->fetch({}, QueryKind::row);
  ASSERT_TRUE(records);
  EXPECT_TRUE(records->empty());
  EXPECT_TRUE(pair.zero.queries().empty());
}

TEST(PirClientFetch, RequestsAreBoundedInKeysAndInAnswerBytes) {
  Pair pair({make_content(1, small)});
  auto options = quick();
  options.keys_per_request = 4;
  const std::vector<std::uint64_t> indices = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_TRUE(pair.connect(options)->fetch(indices, QueryKind::row));
  ASSERT_EQ(pair.one.queries().size(), 3U);
  EXPECT_EQ(decoded(pair.one.queries()[0]).keys.size(), 4U);
  EXPECT_EQ(decoded(pair.one.queries()[2]).keys.size(), 1U);

  Pair narrow({make_content(1, small)});
  options.max_answer_bytes = 2 * small.page_bytes();
  ASSERT_TRUE(narrow.connect(options)->fetch(indices, QueryKind::page));
  EXPECT_EQ(narrow.one.queries().size(), 5U) << "two pages a request";
}

TEST(PirClientFetch, CountsTraffic) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  const Traffic before = client->traffic(0);
  EXPECT_EQ(before.requests, 1U);
  EXPECT_EQ(before.bytes_up, 0U);
  EXPECT_GT(before.bytes_down, 0U);
  const std::uint64_t index = 9;
  ASSERT_TRUE(client->fetch({&index, 1}, QueryKind::row));
  for (const std::size_t server : {0U, 1U}) {
    const Traffic after = client->traffic(server);
    EXPECT_EQ(after.requests, 2U);
    EXPECT_EQ(after.bytes_up, (server == 0 ? pair.zero : pair.one).queries()[0].size());
    EXPECT_GT(after.bytes_down, before.bytes_down + small.row_bytes);
  }
}

// ---- Lookups

std::map<std::string, std::vector<std::byte>> some_values(std::size_t count, std::uint64_t salt) {
  std::map<std::string, std::vector<std::byte>> values;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::byte> value(ethereum_account_value_bytes);
    for (std::size_t j = 0; j < value.size(); ++j) value[j] = byte_of(salt, i, j);
    values["key " + std::to_string(i)] = value;
  }
  return values;
}

TEST(PirClientLookup, FindsWhatIsThereAndOnlyThat) {
  const auto values = some_values(60, 1);
  Pair pair({make_keyed_content(1, 300, ValueKind::bytes, values)});
  std::vector<std::vector<std::byte>> keys;
  for (const auto& [key, value] : values) {
    keys.push_back(bytes_of(key));
    keys.push_back(bytes_of("no such " + key));
  }
  const auto results = pair.connect()->lookup(keys);
  ASSERT_TRUE(results) << results.error().message;
  ASSERT_EQ(results->size(), keys.size());
  std::size_t i = 0;
  for (const auto& [key, value] : values) {
    ASSERT_TRUE((*results)[i].value) << key;
    EXPECT_EQ(*(*results)[i].value, value) << key;
    EXPECT_FALSE((*results)[i + 1].value) << "no such " << key;
    i += 2;
  }
}

TEST(PirClientLookup, AccountsDecode) {
  const table::EthereumAccount account{table::Uint128{200} << 64U, 7, 3};
  std::vector<std::byte> value(ethereum_account_value_bytes);
  table::encode_account(account, std::span(value).first<ethereum_account_value_bytes>());
  const std::string address(20, '\x11');
  Pair pair({make_keyed_content(1, 128, ValueKind::ethereum_account, {{address, value}})});
  const std::vector<std::vector<std::byte>> keys = {bytes_of(address)};
  const auto results = pair.connect()->lookup(keys);
  ASSERT_TRUE(results);
  ASSERT_TRUE(results->front().value);
  EXPECT_EQ(table::decode_account(
                std::span(*results->front().value).first<ethereum_account_value_bytes>()),
            account);
}

TEST(PirClientLookup, AllThreeCandidatesAreSentAlsoWhereTheyCoincide) {
  // In a table of one row all candidates are the same.
  for (const std::uint64_t rows : {1U, 2U, 200U}) {
    Pair pair({make_keyed_content(1, rows, ValueKind::bytes, some_values(1, 1))});
    const std::vector<std::vector<std::byte>> keys = {bytes_of("key 0"), bytes_of("absent")};
    const auto results = pair.connect()->lookup(keys);
    ASSERT_TRUE(results);
    EXPECT_TRUE((*results)[0].value) << rows;
    for (const FakeServer* server : {&pair.zero, &pair.one}) {
      const auto queries = server->queries();
      ASSERT_EQ(queries.size(), 1U) << "one request a server";
      EXPECT_EQ(decoded(queries[0]).keys.size(), 6U) << rows;
    }
  }
}

TEST(PirClientLookup, ATableWithoutKeysIsSaidSoAndNothingIsAsked) {
  Pair pair({make_content(1, small)});
  const std::vector<std::vector<std::byte>> keys = {bytes_of("key")};
  const auto results = pair.connect()->lookup(keys);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code, ErrorCode::bad_configuration);
  EXPECT_TRUE(pair.zero.queries().empty());
}

// One server may answer with anything of the right form: what the other sees must not change by a
// byte. Keys are drawn from one seed in both runs, so that equal means equal.
RC_GTEST_PROP(PirClientPrivacy, WhatOneServerAnswersNeverChangesWhatTheOtherSees, ()) {
  const auto values = some_values(20, 1);
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const bool lying_party_is_one = *rc::gen::arbitrary<bool>();
  std::vector<std::vector<std::byte>> keys;
  const auto count = *rc::gen::inRange<std::size_t>(0, 9);  // up to three requests
  for (const std::size_t i :
       *rc::gen::container<std::vector<std::size_t>>(count, rc::gen::inRange<std::size_t>(0, 40))) {
    keys.push_back(bytes_of("key " + std::to_string(i)));
  }
  // Zeros are the honest run; whole answers replaced, single bits flipped, tags made to look empty.
  const auto lies = *rc::gen::container<std::vector<std::uint8_t>>(
      rc::gen::element<std::uint8_t>(0, 1, 0x80, 0xff));

  const auto run = [&](bool honest) {
    Pair pair({make_keyed_content(1, 300, ValueKind::bytes, values)});
    FakeServer& liar = lying_party_is_one ? pair.one : pair.zero;
    FakeServer& watcher = lying_party_is_one ? pair.zero : pair.one;
    std::size_t at = 0;
    liar.on_query = [&](std::size_t, Reply reply) -> Reply {
      if (honest || lies.empty()) return reply;
      auto response = protocol::decode_query_response(
          {reinterpret_cast<const char*>(reply->body.data()), reply->body.size()},
          protocol::Encoding::binary, load_little_endian<std::uint32_t>(&reply->body[4]), 36);
      for (std::byte& byte : response->answers) {
        byte ^= static_cast<std::byte>(lies[at++ % lies.size()]);
      }
      const auto body = protocol::encode(*response, protocol::Encoding::binary);
      return FakeServer::ok("application/octet-stream", as_bytes(body));
    };
    scenario::SeededRandom random(seed);
    auto options = quick();
    options.keys_per_request = 9;
    const auto client = pair.connect(options, &random);
    const auto results = client->lookup(keys);
    const auto again = client->lookup(keys);
    RC_ASSERT(results.has_value() && again.has_value());
    return watcher.seen();
  };

  const auto honest = run(true);
  const auto lied_to = run(false);
  RC_ASSERT(honest.size() == lied_to.size());
  for (std::size_t i = 0; i < honest.size(); ++i) {
    RC_ASSERT(honest[i].path == lied_to[i].path);
    RC_ASSERT(honest[i].body == lied_to[i].body);
  }
}

TEST(PirClientPrivacy, PresentAndAbsentKeysLookAlike) {
  const auto values = some_values(20, 1);
  const auto run = [&](const std::string& key) {
    Pair pair({make_keyed_content(1, 300, ValueKind::bytes, values)});
    const std::vector<std::vector<std::byte>> keys = {bytes_of(key)};
    EXPECT_TRUE(pair.connect()->lookup(keys));
    std::vector<std::pair<std::string, std::size_t>> shapes;
    for (const auto& seen : pair.one.seen()) shapes.emplace_back(seen.path, seen.body.size());
    return shapes;
  };
  EXPECT_EQ(run("key 3"), run("absent"));
  EXPECT_EQ(run("key 3"), run("key 4"));
}

TEST(PirClientPrivacy, NoSeedIsEverSentTwice) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  const std::vector<std::uint64_t> indices(30, 7);
  ASSERT_TRUE(client->fetch(indices, QueryKind::row));
  ASSERT_TRUE(client->fetch(indices, QueryKind::row));
  std::set<std::pair<std::uint64_t, std::uint64_t>> seeds;
  for (const FakeServer* server : {&pair.zero, &pair.one}) {
    for (const auto& body : server->queries()) {
      for (const auto& key : decoded(body).keys) seeds.insert({key.seed.high, key.seed.low});
    }
  }
  EXPECT_EQ(seeds.size(), 120U);
}

// ---- Choosing the epoch

TEST(PirClientEpoch, SkewedServersAreAskedAboutWhatBothHold) {
  const Content old_content = make_content(1, small);
  const Content new_content = make_content(2, small);
  Pair pair({new_content, old_content}, {old_content});
  const auto client = pair.connect();
  EXPECT_EQ(client->epoch()->id, old_content.entry.id);
  const std::uint64_t index = 100;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_TRUE(records);
  EXPECT_EQ(records->front().bytes, row_of(1, small, 100));
}

TEST(PirClientEpoch, NothingInCommonIsAnErrorOnceAttemptsAreUsedUp) {
  Pair pair({make_content(1, small)}, {make_content(2, small)});
  const auto client = pair.try_connect();
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::no_epoch);
  EXPECT_EQ(pair.zero.seen().size(), 3U);
  EXPECT_EQ(pair.one.seen().size(), 3U);
}

TEST(PirClientEpoch, AServerThatCatchesUpMeanwhileIsWaitedFor) {
  Pair pair({make_content(2, small)}, {make_content(1, small)});
  pair.one.on_epoch = [&](std::size_t number, Reply reply) {
    if (number == 0) pair.one.replace({make_content(2, small), make_content(1, small)});
    return reply;
  };
  EXPECT_TRUE(pair.try_connect());
  EXPECT_EQ(pair.one.seen().size(), 2U);
}

TEST(PirClientEpoch, OneIdWithTwoDescriptionsIsADisagreementAndNotRetried) {
  Content other = make_content(1, small);
  other.entry.metadata.block_number = 12345;
  Pair pair({make_content(1, small)}, {other});
  const auto client = pair.try_connect();
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::servers_disagree);
  EXPECT_EQ(pair.zero.seen().size(), 1U);
}

TEST(PirClientEpoch, TwoServersOfOnePartyAreRefused) {
  Pair pair({make_content(1, small)});
  pair.one.document().party = 0;
  const auto client = pair.try_connect();
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::wrong_party);
  EXPECT_EQ(pair.zero.seen().size(), 1U);
  EXPECT_TRUE(pair.zero.queries().empty());
}

TEST(PirClientEpoch, ARefreshThatFailsLeavesTheClientAsItWas) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  const auto epoch = client->epoch();
  pair.zero.document().party = 1;  // both say 1 now
  EXPECT_EQ(code_of(client->refresh()), ErrorCode::wrong_party);
  EXPECT_EQ(client->epoch(), epoch);

  pair.zero.document().party = 0;
  const std::uint64_t index = 5;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->front().bytes, row_of(1, small, index));
}

TEST(PirClientEpoch, TwoTransportsToOneAddressAreRefusedUnasked) {
  Pair pair({make_content(1, small)});
  const auto client =
      PirClient::connect(std::make_unique<FakeTransport>("http://same:80", pair.zero),
                         std::make_unique<FakeTransport>("http://same:80", pair.one), quick());
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::bad_configuration);
  EXPECT_TRUE(pair.zero.seen().empty());
}

TEST(PirClientEpoch, AServerMayNotGoBackWithinOneBoot) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  pair.one.document().current.generation = "boot:7";
  ASSERT_TRUE(client->refresh());
  pair.one.document().current.generation = "boot:6";
  const auto refreshed = client->refresh();
  ASSERT_FALSE(refreshed);
  EXPECT_EQ(refreshed.error().code, ErrorCode::bad_answer);
  EXPECT_EQ(pair.one.seen().size(), 3U) << "not retried";

  pair.one.document().boot = "boot-2";
  pair.one.document().current.generation = "boot-2:1";
  EXPECT_TRUE(client->refresh()) << "a restarted server counts anew";
}

TEST(PirClientEpoch, AGenerationOfAnotherBootOrPastTheLargestNumberIsRefused) {
  for (const std::string generation : {"other:1", "boot:99999999999999999999"}) {
    Pair pair({make_content(1, small)});
    pair.zero.document().current.generation = generation;
    const auto client = pair.try_connect();
    ASSERT_FALSE(client) << generation;
    EXPECT_EQ(client.error().code, ErrorCode::bad_answer);
  }
}

TEST(PirClientEpoch, ADocumentThatIsNoneIsABadAnswerAndNotRetried) {
  for (const std::string body : {"", "{}", "nonsense", "[]"}) {
    Pair pair({make_content(1, small)});
    pair.one.on_epoch = [&](std::size_t, Reply) {
      return FakeServer::ok("application/json", as_bytes(body));
    };
    const auto client = pair.try_connect();
    ASSERT_FALSE(client) << body;
    EXPECT_EQ(client.error().code, ErrorCode::bad_answer);
    EXPECT_EQ(pair.one.seen().size(), 1U);
  }
}

// ---- Errors and retries

TEST(PirClientRetry, AnEpochThatIsGoneIsChosenAnewWithFreshKeysToBoth) {
  const Content first = make_content(1, small);
  const Content second = make_content(2, small);
  Pair pair({first});
  const auto client = pair.connect();
  // Each moves on after its first query: one still answers it, the other no longer can.
  pair.zero.on_query = [&](std::size_t number, Reply reply) {
    if (number != 0) return reply;
    pair.zero.replace({second, first});
    return FakeServer::problem(410, ErrorCode::epoch_gone);
  };
  pair.one.on_query = [&](std::size_t number, Reply reply) {
    if (number == 0) pair.one.replace({second, first});
    return reply;
  };
  const std::uint64_t index = 33;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_TRUE(records) << records.error().message;
  EXPECT_EQ(records->front().bytes, row_of(2, small, 33));
  EXPECT_EQ(records->front().epoch->id, second.entry.id);
  for (const FakeServer* server : {&pair.zero, &pair.one}) {
    const auto queries = server->queries();
    ASSERT_EQ(queries.size(), 2U);
    const auto before = decoded(queries[0]).keys[0];
    const auto after = decoded(queries[1]).keys[0];
    EXPECT_FALSE(before.seed == after.seed);
    EXPECT_FALSE(before.levels == after.levels);
  }
}

TEST(PirClientRetry, ATransportErrorIsRetriedWithFreshKeysAndCapped) {
  for (const bool zero_fails : {true, false}) {
    Pair pair({make_content(1, small)});
    const auto client = pair.connect();
    (zero_fails ? pair.zero : pair.one).on_query = [](std::size_t, Reply) { return cut_off(); };
    const std::uint64_t index = 1;
    const auto records = client->fetch({&index, 1}, QueryKind::row);
    ASSERT_FALSE(records);
    EXPECT_EQ(records.error().code, ErrorCode::unreachable);
    EXPECT_NE(records.error().message.find("3 attempts"), std::string::npos);
    for (const FakeServer* server : {&pair.zero, &pair.one}) {
      const auto queries = server->queries();
      ASSERT_EQ(queries.size(), 3U);
      EXPECT_NE(queries[0], queries[1]);
      EXPECT_NE(queries[1], queries[2]);
      EXPECT_EQ(queries[0].size(), queries[1].size());
    }
  }
}

TEST(PirClientRetry, PassingStatusesAreRetriedOthersAreNot) {
  const std::vector<std::pair<int, bool>> cases = {
      {400, false}, {404, false}, {405, false}, {408, true}, {413, false}, {429, true},
      {500, false}, {502, true},  {503, true},  {504, true}, {507, false}};
  for (const auto& [status, passing] : cases) {
    Pair pair({make_content(1, small)});
    const auto client = pair.connect();
    pair.one.on_query = [status = status](std::size_t number, Reply reply) -> Reply {
      return number == 0 ? FakeServer::problem(status, ErrorCode::queue_full) : reply;
    };
    const std::uint64_t index = 1;
    const auto records = client->fetch({&index, 1}, QueryKind::row);
    EXPECT_EQ(records.has_value(), passing) << status;
    EXPECT_EQ(pair.zero.queries().size(), passing ? 2U : 1U) << status;
    EXPECT_EQ(pair.one.queries().size(), passing ? 2U : 1U) << status;
    if (!records) {
      EXPECT_EQ(records.error().code, ErrorCode::server_refused) << status;
    }
  }
}

TEST(PirClientRetry, AFinalErrorOfOneOutweighsAPassingOneOfTheOther) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  pair.zero.on_query = [](std::size_t, Reply) { return cut_off(); };
  pair.one.on_query = [](std::size_t, Reply) {
    return FakeServer::problem(400, ErrorCode::key_domain_mismatch);
  };
  const std::uint64_t index = 1;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::server_refused);
  EXPECT_EQ(pair.zero.queries().size(), 1U);
}

TEST(PirClientRetry, WhatAServerWritesIsNotPassedOn) {
  Pair pair({make_content(1, small)});
  const auto client = pair.connect();
  pair.zero.on_query = [](std::size_t, Reply) {
    return FakeServer::problem(400, ErrorCode::key_domain_mismatch, "SECRET\x1b[31m");
  };
  const std::uint64_t index = 1;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().message.find("SECRET"), std::string::npos);
  EXPECT_NE(records.error().message.find("key_domain_mismatch"), std::string::npos);

  pair.zero.on_query = [](std::size_t, Reply) -> Reply {
    const std::string body = R"({"status": 400, "code": "code_of_tomorrow", "detail": "x"})";
    const auto bytes = as_bytes(body);
    return TransportResponse{400, "application/problem+json", {bytes.begin(), bytes.end()}};
  };
  const auto unknown = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message.find("code_of_tomorrow"), std::string::npos);
  EXPECT_NE(unknown.error().message.find("status 400"), std::string::npos);
}

TEST(PirClientRetry, ACallerGetsOptionsOutOfBoundsRefused) {
  Pair pair({make_content(1, small)});
  auto options = quick();
  options.attempts = 0;
  EXPECT_EQ(pair.try_connect(options).error().code, ErrorCode::bad_configuration);
  options = quick();
  options.attempts = 101;
  EXPECT_EQ(pair.try_connect(options).error().code, ErrorCode::bad_configuration);
  options = quick();
  options.keys_per_request = 2;
  EXPECT_EQ(pair.try_connect(options).error().code, ErrorCode::bad_configuration);
  options = quick();
  options.first_backoff = std::chrono::milliseconds(-1);
  EXPECT_EQ(pair.try_connect(options).error().code, ErrorCode::bad_configuration);
  EXPECT_TRUE(pair.zero.seen().empty());
}

// Takes an honest response apart, lets `change` loose on it and puts it together again.
auto with_response(void (*change)(protocol::QueryResponse&)) {
  return [change](std::size_t, const Reply& reply) -> Reply {
    auto response = protocol::decode_query_response(
        {reinterpret_cast<const char*>(reply->body.data()), reply->body.size()},
        protocol::Encoding::binary, 1, 8);
    change(*response);
    const auto body = protocol::encode(*response, protocol::Encoding::binary);
    return FakeServer::ok("application/octet-stream", as_bytes(body));
  };
}

TEST(PirClientBadAnswer, AnotherEpochCountOrSizeIsFinal) {
  const std::vector<void (*)(protocol::QueryResponse&)> changes = {
      [](protocol::QueryResponse& r) { r.epoch.seq += 1; },
      [](protocol::QueryResponse& r) { r.epoch.chain[0] ^= std::byte{1}; },
      [](protocol::QueryResponse& r) { r.answers.resize(16); },
      [](protocol::QueryResponse& r) { r.answer_bytes = 4; },
      [](protocol::QueryResponse& r) {
        r.answer_bytes = 12;
        r.answers.resize(12);
      },
      [](protocol::QueryResponse& r) { r.generation = "no generation"; },
  };
  for (const auto change : changes) {
    for (const bool zero_is_wrong : {true, false}) {
      Pair pair({make_content(1, small)});
      (zero_is_wrong ? pair.zero : pair.one).on_query = with_response(change);
      expect_final(pair, ErrorCode::bad_answer);
    }
  }
}

TEST(PirClientBadAnswer, WhatIsNoAnswerAtAllIsFinal) {
  const std::vector<std::function<Reply(std::size_t, Reply)>> replies = {
      [](std::size_t, const Reply&) { return FakeServer::ok("application/octet-stream", {}); },
      [](std::size_t, Reply reply) {
        reply->content_type = "application/json";
        return reply;
      },
      [](std::size_t, Reply reply) {
        reply->body.pop_back();
        return reply;
      },
      [](std::size_t, Reply reply) {
        reply->body.push_back(std::byte{0});
        return reply;
      },
      [](std::size_t, Reply reply) {
        reply->body[0] = std::byte{'X'};
        return reply;
      },
      [](std::size_t, Reply reply) {
        reply->status = 204;
        return reply;
      },
      [](std::size_t, Reply reply) {
        reply->status = 302;
        return reply;
      },
      [](std::size_t, const Reply&) -> Reply {
        return fail(ErrorCode::bad_answer, "longer than the question has");
      },
  };
  for (const auto& reply : replies) {
    Pair pair({make_content(1, small)});
    pair.one.on_query = reply;
    expect_final(pair, ErrorCode::bad_answer);
  }
}

TEST(PirClientBadAnswer, AnInsecureTransportIsFinal) {
  Pair pair({make_content(1, small)});
  pair.one.on_query = [](std::size_t, const Reply&) -> Reply {
    return fail(ErrorCode::insecure_transport, "a certificate of another");
  };
  expect_final(pair, ErrorCode::insecure_transport);
}

// ---- Both at once, and both awaited

// A gate that opens once; waiting on it gives up after a time that only a defect takes.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(PirClientConcurrency, BothServersAreAskedAtOnce) {
  Pair pair({make_content(1, small)});
  std::array<Gate, 2> epoch_asked;
  std::array<Gate, 2> query_asked;
  const auto meet = [](Gate& mine, Gate& other) {
    return [&mine, &other](std::size_t, Reply reply) -> Reply {
      mine.open();
      if (!other.wait())
        return fail(ErrorCode::internal, "the other server was not asked meanwhile");
      return reply;
    };
  };
  pair.zero.on_epoch = meet(epoch_asked[0], epoch_asked[1]);
  pair.one.on_epoch = meet(epoch_asked[1], epoch_asked[0]);
  pair.zero.on_query = meet(query_asked[0], query_asked[1]);
  pair.one.on_query = meet(query_asked[1], query_asked[0]);
  const std::uint64_t index = 1;
  const auto records = pair.connect()->fetch({&index, 1}, QueryKind::row);
  EXPECT_TRUE(records) << records.error().message;
}

TEST(PirClientConcurrency, AnAnswerIsAwaitedAlsoWhenTheOtherServerFailed) {
  for (const bool zero_fails : {true, false}) {
    Pair pair({make_content(1, small)});
    auto options = quick();
    options.attempts = 1;
    const auto client = pair.connect(options);
    Gate failed;
    std::atomic<bool> answered{false};
    (zero_fails ? pair.zero : pair.one).on_query = [&](std::size_t, const Reply&) {
      failed.open();
      return cut_off();
    };
    (zero_fails ? pair.one : pair.zero).on_query = [&](std::size_t, Reply reply) -> Reply {
      if (!failed.wait()) return fail(ErrorCode::internal, "never failed");
      answered = true;
      return reply;
    };
    const std::uint64_t index = 1;
    const auto records = client->fetch({&index, 1}, QueryKind::row);
    ASSERT_FALSE(records);
    EXPECT_EQ(records.error().code, ErrorCode::unreachable);
    EXPECT_TRUE(answered);
  }
}

TEST(PirClientRandom, ASourceThatFailsSendsNothing) {
  struct Broken final : RandomSource {
    Result<void> fill(std::span<std::byte>) override {
      return fail(ErrorCode::internal, "no random bytes");
    }
  } broken;
  Pair pair({make_content(1, small)});
  const auto client = pair.connect(quick(), &broken);
  const std::uint64_t index = 1;
  const auto records = client->fetch({&index, 1}, QueryKind::row);
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::internal);
  EXPECT_TRUE(pair.zero.queries().empty());
  EXPECT_TRUE(pair.one.queries().empty());
}

}  // namespace
}  // namespace gyre::client
