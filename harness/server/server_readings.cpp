#include "harness/server/server_readings.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/bytes.hpp"
#include "harness/server/image_health.hpp"

namespace gyre::server {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Readings {
 public:
  template <typename Number>
  void gauge(const char* name, const char* help, Number value) {
    add({name, help, false, {}}, {}, static_cast<double>(value));
  }
  template <typename Number>
  void counter(const char* name, const char* help, Number value) {
    add({name, help, true, {}}, {}, static_cast<double>(value));
  }
  // Values for it are added by value().
  void begin(const char* name, const char* help, bool ever_increasing) {
    list_.push_back({name, help, ever_increasing, {}});
  }
  template <typename Number>
  void value(Labels labels, Number value) {
    list_.back().values.push_back({std::move(labels), static_cast<double>(value)});
  }
  std::vector<MetricReading> take() { return std::move(list_); }

 private:
  void add(MetricReading reading, Labels labels, double value) {
    list_.push_back(std::move(reading));
    list_.back().values.push_back({std::move(labels), value});
  }

  std::vector<MetricReading> list_;
};

void read_epochs(const EpochTable& epochs, std::uint8_t party,
                 const std::vector<Backend*>& backends, Readings& out) {
  std::vector<Lease> held = epochs.snapshot();
  const std::size_t retained = held.empty() ? 0 : held.size() - 1;
  if (!held.empty()) {
    const Lease& current = held.front();
    const Epoch& epoch = current.epoch();
    std::vector<std::string> wanted;
    wanted.reserve(backends.size());
    for (const Backend* backend : backends) wanted.emplace_back(backend->name());
    // No label has the batch: every few seconds there would be another series.
    out.begin("gyre_epoch_info", "The current epoch's base.", false);
    out.value({{"boot", current.generation().boot},
               {"party", std::to_string(party)},
               {"base", to_hex(epoch.content_id)},
               {"table", to_hex(epoch.metadata.table)}},
              1);
    out.gauge("gyre_epoch_generation", "The current epoch's generation: publishes since the start.",
              current.generation().count);
    out.gauge("gyre_epoch_seq", "The last batch in the current epoch.", epoch.id.seq);
    out.gauge("gyre_epoch_published_timestamp_seconds", "When the current epoch was published.",
              std::chrono::duration<double>(current.published_at().time_since_epoch()).count());
    out.gauge("gyre_epoch_degraded",
              "1 if the current epoch lacks a working image somewhere, as /health says.",
              image_health(epoch.images, wanted).degraded() ? 1 : 0);
    out.gauge("gyre_overlay_rows", "Rows of the current epoch's overlay.", epoch.overlay.rows());
    out.gauge("gyre_overlay_batches", "Batches of the current epoch's overlay.",
              epoch.overlay.batches());
  }
  held.clear();  // they would be counted
  out.gauge("gyre_epochs_retained", "Earlier epochs that can still be asked.", retained);
  out.gauge("gyre_leases", "Leases held on any epoch.", epochs.leases());
}

void read_connections(const HttpListener& http, Readings& out) {
  constexpr std::pair<Phase, const char*> phases[] = {
      {Phase::idle, "idle"},
      {Phase::lingering, "lingering"},
      {Phase::receiving_head, "receiving_head"},
      {Phase::receiving_body, "receiving_body"},
      {Phase::sending, "sending"},
      {Phase::working, "working"},
      {Phase::queued, "queued"},
      {Phase::streaming, "streaming"},
  };
  out.begin("gyre_connections", "Open connections of the public listener, by what they wait for.",
            false);
  for (const auto& [phase, name] : phases) {
    out.value({{"phase", name}}, http.connections().count(phase));
  }
  const HttpStatistics counts = http.statistics();
  out.counter("gyre_connections_accepted_total", "Connections that came.", counts.accepted);
  out.counter("gyre_connections_evicted_total", "Connections that were closed to make room.",
              counts.evicted);
  out.counter("gyre_connections_refused_total", "Connections for which there was no room.",
              counts.refused);
}

void read_streams(const StreamStatistics& counts, Readings& out) {
  out.gauge("gyre_streams", "Open streams of epochs.", counts.open);
  out.counter("gyre_streams_begun_total", "Streams that have begun.", counts.taken);
  out.counter("gyre_streams_refused_total", "Streams for which there was no room.", counts.refused);
  out.counter("gyre_streams_too_slow_total", "Streams cut off because nobody read them.",
              counts.too_slow);
  out.counter("gyre_stream_events_total", "Events sent, to all streams together.", counts.sent);
  out.counter("gyre_stream_events_left_out_total", "Generations that streams passed over.",
              counts.left_out);
}

void read_failures(const std::vector<Backend*>& backends, Readings& out) {
  out.begin("gyre_device_failures_total",
            "Passes and reads that a device did not do, for which another image was asked.", true);
  for (const Backend* backend : backends) {
    for (const BackendFailure& failure : backend->failures()) {
      out.value({{"device", std::string(backend->name())},
                 {"code", std::string(name(failure.code))},
                 {"reason", failure.reason}},
                static_cast<double>(failure.count));
    }
  }
}

void read_memory(const QueryService& queries, const std::vector<Backend*>& backends,
                 Readings& out) {
  out.begin("gyre_memory_bytes", "Memory in use, by owner: a backend, or answers not yet sent.",
            false);
  for (const Backend* backend : backends) {
    out.value({{"owner", std::string(backend->name())}}, backend->memory_used_bytes());
  }
  out.value({{"owner", "answers"}},
            queries.limits().answer_memory_bytes - queries.answer_memory_left());
}

}  // namespace

std::vector<MetricReading> read_server(Server& server, Administration& administration,
                                       const std::vector<Backend*>& backends) {
  Readings out;
  const QueryService& queries = server.queries();
  read_epochs(server.epochs(), queries.party(), backends, out);
  read_memory(queries, backends, out);
  read_failures(backends, out);
  out.gauge("gyre_queries_waiting", "Requests that wait to get into a pass.", queries.waiting());
  const PassStatistics passes = queries.passes();
  out.counter("gyre_passes_total", "Passes over an image; one of n parts counts as 1/n.",
              passes.passes);
  out.counter("gyre_passes_failed_total", "Passes and parts that no image answered.",
              passes.failed_passes);
  out.counter("gyre_pass_queries_total", "Queries that were in a whole pass.", passes.queries);
  out.counter("gyre_requests_left_total",
              "Requests whose client went away before they were answered.", passes.gone);
  read_connections(server.listener().http(), out);
  read_streams(server.listener().stream().statistics(), out);
  out.gauge("gyre_rotations_running", "Rotations under way, those that wait for the lock included.",
            administration.rotations().running());
  const Compactor::Counts compactions = administration.compactor().counts();
  out.begin("gyre_compactions_total", "Overlays folded into new images, by outcome.", true);
  out.value({{"code", "ok"}}, compactions.done);
  out.value({{"code", "failed"}}, compactions.failed);
  return out.take();
}

}  // namespace gyre::server
