#include "harness/server/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <exception>
#include <sstream>

namespace gyre::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;

constexpr std::string_view no_failure = "ok";

// A query waits in line, then scans a table: from memory of a few MiB to many GiB.
const Histogram::BucketBoundaries query_seconds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
// A phase is over at once, or reads a table over a network.
const Histogram::BucketBoundaries phase_seconds = {0.001, 0.01, 0.1, 0.5, 1,   2.5, 5,
                                                   10,    30,   60,  300, 900, 3600};

std::string_view name_of(QueryKind kind) noexcept {
  return kind == QueryKind::row ? "row" : "page";
}

Family<Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Histogram>& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

void add(Counter& counter, std::uint64_t value) {
  counter.Increment(static_cast<double>(value));
}

prometheus::MetricFamily family_of(const MetricReading& reading) {
  prometheus::MetricFamily family;
  family.name = reading.name;
  family.help = reading.help;
  family.type =
      reading.ever_increasing ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  for (const MetricReading::Value& value : reading.values) {
    prometheus::ClientMetric metric;
    for (const auto& [label, text] : value.labels) metric.label.push_back({label, text});
    (reading.ever_increasing ? metric.counter.value : metric.gauge.value) = value.value;
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

// What every answered query counts in is looked up once; whatever else is counted is rare.
struct Metrics::Families {
  struct OfKind {
    OfKind(Families& families, QueryKind kind)
        : answered(families.query(kind, no_failure)),
          answers(families.answers.Add({{"kind", std::string(name_of(kind))}})),
          seconds(families.query_seconds_by_kind.Add({{"kind", std::string(name_of(kind))}},
                                                     query_seconds)) {}
    Counter& answered;
    Counter& answers;
    Histogram& seconds;
  };

  Families() {
    for (const auto state : {protocol::RotationState::published, protocol::RotationState::unchanged,
                             protocol::RotationState::cancelled}) {
      const bool cancelled = state == protocol::RotationState::cancelled;
      rotation(state, cancelled ? name(ErrorCode::cancelled) : no_failure);
    }
  }

  Counter& query(QueryKind kind, std::string_view code) {
    return queries.Add({{"kind", std::string(name_of(kind))}, {"code", std::string(code)}});
  }
  Counter& rotation(protocol::RotationState state, std::string_view code) {
    return rotations.Add(
        {{"state", std::string(protocol::name(state))}, {"code", std::string(code)}});
  }
  OfKind& of(QueryKind kind) { return kind == QueryKind::row ? rows : pages; }

  prometheus::Registry registry;
  Family<Counter>& queries =
      counters(registry, "gyre_queries_total", "Queries whose request came whole, by outcome.");
  Family<Counter>& answers =
      counters(registry, "gyre_answers_total", "Keys that were answered, several to a query.");
  Family<Histogram>& query_seconds_by_kind =
      histograms(registry, "gyre_query_seconds",
                 "From a query's whole request to its answers, of those that were answered.");
  Family<Counter>& rotations =
      counters(registry, "gyre_rotations_total", "Rotations that have ended, by outcome.");
  Family<Histogram>& seconds_by_phase =
      histograms(registry, "gyre_rotation_phase_seconds",
                 "Time in each phase that a rotation entered, of those that have ended.");
  Counter& ingested_bytes =
      counters(registry, "gyre_ingested_bytes_total",
               "Bytes of rows that rotations staged, of those that have ended.")
          .Add({});
  Counter& replayed = counters(registry, "gyre_replayed_batches_total",
                               "Batches that rotations put on top of a new base.")
                          .Add({});
  Counter& discarded = counters(registry, "gyre_discarded_batches_total",
                                "Batches that rotations were told to drop.")
                           .Add({});
  Family<Counter>& rollbacks =
      counters(registry, "gyre_rollbacks_total", "Rollbacks that were asked for, by outcome.");
  Family<Counter>& batches =
      counters(registry, "gyre_batches_total", "Update batches that came, by outcome.");
  Counter& batch_rows =
      counters(registry, "gyre_batch_rows_total", "Rows of batches that were applied.").Add({});
  OfKind rows{*this, QueryKind::row};
  OfKind pages{*this, QueryKind::page};
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}

Metrics::~Metrics() = default;

void Metrics::count_answered_query(QueryKind kind, std::size_t answers, double seconds) noexcept {
  Families::OfKind& of_kind = families_->of(kind);
  of_kind.answered.Increment();
  add(of_kind.answers, answers);
  of_kind.seconds.Observe(seconds);
}

void Metrics::count_refused_query(QueryKind kind, ErrorCode code) noexcept try {
  families_->query(kind, name(code)).Increment();
} catch (const std::exception&) {
}

void Metrics::count_rotation(const protocol::RotationDocument& rotation) noexcept try {
  const std::string_view code = rotation.error ? rotation.error->code : no_failure;
  families_->rotation(rotation.state, code).Increment();
  for (const protocol::PhaseTime& time : rotation.phases) {
    families_->seconds_by_phase
        .Add({{"phase", std::string(protocol::name(time.phase))}}, phase_seconds)
        .Observe(time.seconds);
  }
  add(families_->ingested_bytes, rotation.bytes);
  add(families_->replayed, rotation.replayed);
  add(families_->discarded, rotation.discarded);
} catch (const std::exception&) {
}

void Metrics::count_rollback(std::optional<ErrorCode> failure) noexcept try {
  families_->rollbacks.Add({{"code", std::string(failure ? name(*failure) : no_failure)}})
      .Increment();
} catch (const std::exception&) {
}

void Metrics::count_batch(bool resent, std::uint64_t rows) noexcept try {
  families_->batches.Add({{"code", resent ? "resent" : std::string(no_failure)}}).Increment();
  if (!resent) add(families_->batch_rows, rows);
} catch (const std::exception&) {
}

void Metrics::count_refused_batch(ErrorCode code) noexcept try {
  families_->batches.Add({{"code", std::string(name(code))}}).Increment();
} catch (const std::exception&) {
}

std::string Metrics::text(const std::vector<MetricReading>& readings) const {
  std::vector<prometheus::MetricFamily> families = families_->registry.Collect();
  for (const MetricReading& reading : readings) families.push_back(family_of(reading));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace gyre::server
