#include "harness/scenario/throughput_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "backends/cpu/cpu_backend.hpp"
#include "backends/cpu/cpu_image.hpp"
#include "core/dpf/generate.hpp"
#include "core/elapsed.hpp"
#include "core/random_source.hpp"
#include "harness/bench/measure.hpp"
#include "harness/protocol/query_codec.hpp"
#include "harness/scenario/query_load.hpp"
#include "harness/server/server.hpp"

namespace gyre::scenario {
namespace {

constexpr std::size_t different_queries = 256;
constexpr std::size_t decoded_queries = 4;  // of them, held against the table
constexpr unsigned loaded_passes = 5;

// A synthetic table, the server that serves it, and queries with the answers that they must get.
struct Subject {
  std::unique_ptr<CpuBackend> backend;
  std::shared_ptr<const Image> image;
  std::unique_ptr<server::Server> server;
  std::vector<std::array<dpf::Key, 2>> keys;
  std::vector<PreparedQuery> queries;
};

Result<std::vector<std::byte>> answer(const Image& image, std::span<const dpf::Key* const> keys) {
  const Overlay none;
  std::vector<Query> queries;
  for (const dpf::Key* key : keys) {
    queries.push_back({.kind = QueryKind::row, .key = key, .overlay = &none});
  }
  const Pass pass{queries};
  std::vector<std::byte> answers(static_cast<std::size_t>(pass.answer_bytes(image.geometry())));
  if (auto answered = image.answer(pass, answers); !answered) return forward_error(answered);
  return answers;
}

std::string request_of(const dpf::Key& key) {
  const std::string body =
      protocol::encode(protocol::QueryRequest{CurrentEpoch{}, {key}}, protocol::Encoding::binary);
  return "POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The queries, each with the answer of a pass of its own, so that sharing passes is what is
// checked.
Result<void> prepare_queries(Subject& subject, std::uint64_t seed, const ProgressReport& progress) {
  const Geometry& geometry = subject.image->geometry();
  SystemRandom random;
  for (std::size_t i = 0; i < different_queries; ++i) {
    progress("making queries", i, different_queries);
    const std::uint64_t row = i * (geometry.rows / different_queries) + i % 7;
    auto keys = dpf::generate(dpf::levels_for(geometry.rows), row, random);
    if (!keys) return forward_error(keys);
    const dpf::Key* const own = keys->data();
    auto answered = answer(*subject.image, {&own, 1});
    if (!answered) return forward_error(answered);
    if (i < decoded_queries) {
      const dpf::Key* const other = &(*keys)[1];
      auto record = answer(*subject.image, {&other, 1});
      if (!record) return forward_error(record);
      for (std::size_t b = 0; b < record->size(); ++b) (*record)[b] ^= (*answered)[b];
      std::vector<std::byte> expected(geometry.row_bytes);
      bench::fill_synthetic(seed, row * geometry.row_bytes, expected);
      if (*record != expected) {
        return fail(ErrorCode::internal, "a scan of the scenario gave a wrong answer");
      }
    }
    subject.queries.push_back(
        {request_of(*own),
         std::string(reinterpret_cast<const char*>(answered->data()), answered->size())});
    subject.keys.push_back(std::move(*keys));
  }
  return {};
}

Result<Subject> prepare(const ThroughputPlan& plan, unsigned pass_parts, std::uint64_t seed,
                        const ProgressReport& progress) {
  progress("filling the table", 0, 1);
  Subject subject;
  CpuBackendOptions options;
  options.threads = plan.threads;
  options.parts = pass_parts;
  options.least_part_bytes = plan.least_part_bytes;
  auto backend = CpuBackend::create(options);
  if (!backend) return forward_error(backend);
  subject.backend = std::move(*backend);
  const std::uint32_t rows_per_page = Geometry::default_rows_per_page(plan.row_bytes);
  const std::uint64_t page_bytes = std::uint64_t{plan.row_bytes} * rows_per_page;
  const auto geometry = Geometry::create(plan.table_bytes / page_bytes * rows_per_page,
                                         plan.row_bytes, rows_per_page);
  if (!geometry) return tl::unexpected<Error>(geometry.error());
  auto image = bench::make_synthetic_image(*subject.backend, *geometry, seed);
  if (!image) return forward_error(image);
  subject.image = std::move(*image);

  server::ServerConfiguration configuration;
  configuration.listen = {"127.0.0.1", 0};
  configuration.http.idle_time = std::chrono::minutes(10);
  if (plan.max_pass_queries != 0) configuration.queries.max_pass_queries = plan.max_pass_queries;
  auto server = server::Server::start(configuration);
  if (!server) return forward_error(server);
  subject.server = std::move(*server);
  Epoch epoch;
  epoch.metadata.geometry = *geometry;
  epoch.images = {subject.image};
  auto prepared = subject.server->epochs().prepare(std::move(epoch));
  if (!prepared) return forward_error(prepared);
  subject.server->epochs().publish(std::move(*prepared));
  if (auto made = prepare_queries(subject, seed, progress); !made) return forward_error(made);
  return subject;
}

// A pass of so many queries, alone: the median of several.
Result<double> time_pass(const Subject& subject, std::size_t queries) {
  std::vector<const dpf::Key*> keys;
  for (std::size_t i = 0; i < queries; ++i) {
    keys.push_back(subject.keys[i % subject.keys.size()].data());
  }
  std::vector<double> seconds;
  for (unsigned i = 0; i < loaded_passes; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    if (auto answered = answer(*subject.image, keys); !answered) return forward_error(answered);
    seconds.push_back(seconds_since(begun));
  }
  return bench::spread_of(std::move(seconds)).median;
}

Result<ThroughputPoint> measure(const Subject& subject, const ThroughputPlan& plan,
                                unsigned clients, double per_second, std::uint64_t seed) {
  server::PassStatistics before;
  server::PassStatistics after;
  QueryLoadPlan load;
  load.ip = subject.server->address().host;
  load.port = subject.server->address().port;
  load.clients = clients;
  load.per_second = per_second;
  load.seconds = plan.seconds;
  load.seed = seed;
  load.queries = subject.queries;
  load.begun = [&] { before = subject.server->queries().passes(); };
  load.ended = [&] { after = subject.server->queries().passes(); };
  auto ran = run_query_load(load);
  if (!ran) return forward_error(ran);

  ThroughputPoint point;
  point.clients = clients;
  point.offered = per_second;
  point.per_second = static_cast<double>(ran->answered) / plan.seconds;
  point.wrong = ran->wrong;
  point.refused = ran->refused;
  point.first_refusal = ran->first_refusal;
  point.latency = report::percentiles(std::move(ran->latencies));
  point.passes = after.passes - before.passes;
  if (point.passes > 0) {
    point.mean_batch = static_cast<double>(after.queries - before.queries) / point.passes;
    point.mean_pass_seconds = (after.pass_seconds - before.pass_seconds) / point.passes;
  }
  auto loaded = time_pass(
      subject, std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(point.mean_batch))));
  if (!loaded) return forward_error(loaded);
  point.loaded_pass_seconds = *loaded;
  return point;
}

// Adds what was measured to the points.
Result<void> add_point(const Subject& subject, const ThroughputPlan& plan, unsigned clients,
                       double per_second, std::uint64_t seed,
                       std::vector<ThroughputPoint>& points) {
  auto measured = measure(subject, plan, clients, per_second, seed);
  if (!measured) return forward_error(measured);
  points.push_back(*measured);
  return {};
}

}  // namespace

double ThroughputFigures::gain() const noexcept {
  return closed.empty() || closed.front().per_second <= 0
             ? 0
             : closed.back().per_second / closed.front().per_second;
}

double ThroughputFigures::p99_in_passes() const noexcept {
  return closed.empty() || closed.back().loaded_pass_seconds <= 0
             ? 0
             : closed.back().latency.p99 / closed.back().loaded_pass_seconds;
}

unsigned ThroughputFigures::knee() const noexcept {
  unsigned clients = 0;
  double most = 0;
  for (const ThroughputPoint& point : closed) {
    const double power = point.latency.p50 > 0 ? point.per_second / point.latency.p50 : 0;
    if (power <= most) continue;
    most = power;
    clients = point.clients;
  }
  return clients;
}

bool ThroughputFigures::all_right() const noexcept {
  const auto right = [](const ThroughputPoint& point) {
    return point.wrong == 0 && point.refused == 0 && point.latency.samples > 0;
  };
  return std::all_of(closed.begin(), closed.end(), right) &&
         std::all_of(open.begin(), open.end(), right) &&
         std::all_of(closed_whole.begin(), closed_whole.end(), right) &&
         std::all_of(open_whole.begin(), open_whole.end(), right);
}

Result<ThroughputFigures> run_throughput(const ThroughputPlan& plan, std::uint64_t seed,
                                         const ProgressReport& progress) {
  auto subject = prepare(plan, plan.pass_parts, seed, progress);
  if (!subject) return forward_error(subject);
  std::optional<Subject> whole;
  if (plan.whole_passes_too) {
    auto prepared = prepare(plan, 1, seed, progress);
    if (!prepared) return forward_error(prepared);
    whole = std::move(*prepared);
  }
  ThroughputFigures figures;
  figures.table_bytes = subject->image->geometry().bytes();
  figures.row_bytes = plan.row_bytes;
  figures.kernel = subject->image->kernel();
  if (const auto* cpu = dynamic_cast<const cpu::CpuImage*>(subject->image.get())) {
    figures.expansion_kernel = cpu->expansion_kernel();
    figures.threads = cpu->executor().threads();
  }
  figures.pass_parts = subject->image->parts();
  figures.max_pass_queries = subject->server->queries().limits().max_pass_queries;
  for (const unsigned clients : plan.clients) {
    progress("asking", figures.closed.size(), plan.clients.size());
    // Whole passes and those in parts right after each other, in turns the first, lest the machine
    // is another one by then. What arrives by itself does so at a rate that both can serve.
    std::vector<bool> turns = {false};
    if (whole) turns.insert(figures.closed.size() % 2 == 0 ? turns.begin() : turns.end(), true);
    double offered = std::numeric_limits<double>::infinity();
    for (const bool of_whole : turns) {
      auto& closed = of_whole ? figures.closed_whole : figures.closed;
      auto added = add_point(of_whole ? *whole : *subject, plan, clients, 0, seed, closed);
      if (!added) return forward_error(added);
      offered = std::min(offered, closed.back().per_second * plan.open_share);
    }
    if (offered <= 0) continue;
    for (const bool of_whole : turns) {
      auto added = add_point(of_whole ? *whole : *subject, plan, clients, offered, seed,
                             of_whole ? figures.open_whole : figures.open);
      if (!added) return forward_error(added);
    }
  }
  progress("asking", figures.closed.size(), plan.clients.size());
  return figures;
}

}  // namespace gyre::scenario
