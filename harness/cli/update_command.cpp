// gyre update: changes of keys become batches of rows, for both servers.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "harness/cli/command.hpp"
#include "harness/cli/option_values.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/snapshot_monitor.hpp"
#include "harness/client/admin_client.hpp"
#include "harness/client/admin_token.hpp"
#include "harness/feed/delivery.hpp"
#include "harness/feed/directory_receiver.hpp"
#include "harness/feed/plan.hpp"
#include "harness/feed/server_receiver.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

using Receivers = std::vector<std::unique_ptr<feed::BatchReceiver>>;

constexpr const char* command = "update";
constexpr double longest_timeout_seconds = 3600;

Result<std::chrono::milliseconds> seconds_option(const po::variables_map& values,
                                                 const char* option) {
  const double seconds = values[option].as<double>();
  if (!(seconds >= 0.001 && seconds <= longest_timeout_seconds)) {
    return bad_option(option, "from 0.001 to 3600 seconds");
  }
  return std::chrono::milliseconds(std::llround(seconds * 1000));
}

Result<Receivers> servers(const po::variables_map& values, const std::vector<std::string>& urls) {
  client::HttpTransportOptions options;
  auto connect_timeout = seconds_option(values, "connect-timeout");
  if (!connect_timeout) return forward_error(connect_timeout);
  options.connect_timeout = *connect_timeout;
  auto timeout = seconds_option(values, "timeout");
  if (!timeout) return forward_error(timeout);
  options.ca_file = text_option(values, "ca-file").value_or("");
  options.client_certificate_file = text_option(values, "client-certificate").value_or("");
  options.client_key_file = text_option(values, "client-key").value_or("");
  auto token = client::read_admin_token(text_option(values, "token-file"));
  if (!token) return forward_error(token);

  std::vector<client::ResolvedServer> resolved;
  for (const std::string& url : urls) {
    auto address = client::ServerAddress::parse(url);
    if (!address) return forward_error(address);
    auto server = client::resolve(*address, *connect_timeout);
    if (!server) return forward_error(server);
    resolved.push_back(std::move(*server));
  }
  auto distinct = client::check_distinct(resolved[0], resolved[1]);
  if (!distinct) return forward_error(distinct);
  Receivers receivers;
  for (client::ResolvedServer& server : resolved) {
    auto client = client::AdminClient::create(std::move(server), options, *token);
    if (!client) return forward_error(client);
    receivers.push_back(std::make_unique<feed::ServerReceiver>(std::move(*client), *timeout));
  }
  return receivers;
}

Result<Receivers> receivers_of(const po::variables_map& values) {
  const auto urls = values.count("to") == 0 ? std::vector<std::string>{}
                                            : values["to"].as<std::vector<std::string>>();
  const auto directory = text_option(values, "out");
  if (urls.empty() == !directory || (!directory && urls.size() != 2)) {
    return fail(ErrorCode::bad_configuration,
                "say where the batches go: to both servers, each by a --to of its own, or to files "
                "by --out");
  }
  if (!directory) return servers(values, urls);
  Receivers receivers;
  receivers.push_back(std::make_unique<feed::DirectoryReceiver>(*directory));
  return receivers;
}

Result<snapshot::InputFormat> format_of(const po::variables_map& values, const std::string& path) {
  enum class Format { by_name, csv, json_lines };
  auto format = word_option<Format>(
      values, "format",
      {{"auto", Format::by_name}, {"csv", Format::csv}, {"jsonl", Format::json_lines}});
  if (!format) return forward_error(format);
  const std::string extension = std::filesystem::path(path).extension().string();
  if (*format == Format::csv || (*format == Format::by_name && extension == ".csv")) {
    return snapshot::InputFormat::csv;
  }
  if (*format == Format::json_lines || extension == ".jsonl" || extension == ".ndjson") {
    return snapshot::InputFormat::json_lines;
  }
  return bad_option("format", "csv or jsonl; the name of the input does not tell");
}

Result<feed::ChangeFiles> change_files(const po::variables_map& values) {
  feed::ChangeFiles files;
  if (const auto path = text_option(values, "input")) {
    auto format = format_of(values, *path);
    if (!format) return forward_error(format);
    files.puts = *path;
    files.puts_format = *format;
  }
  if (const auto path = text_option(values, "delete")) {
    auto format = format_of(values, *path);
    if (!format) return forward_error(format);
    files.deletions = *path;
    files.deletions_format = *format;
  }
  if (files.puts == "-" && files.deletions == "-") {
    return fail(ErrorCode::bad_configuration,
                "only one of --input and --delete can be standard input");
  }
  auto encoding =
      word_option<snapshot::ValueEncoding>(values, "value-encoding",
                                           {{"text", snapshot::ValueEncoding::text},
                                            {"hex", snapshot::ValueEncoding::hex},
                                            {"base64", snapshot::ValueEncoding::base64}});
  if (!encoding) return forward_error(encoding);
  files.encoding = *encoding;
  auto header = word_option<snapshot::CsvHeader>(values, "header",
                                                 {{"auto", snapshot::CsvHeader::automatic},
                                                  {"yes", snapshot::CsvHeader::present},
                                                  {"no", snapshot::CsvHeader::absent}});
  if (!header) return forward_error(header);
  files.header = *header;
  return files;
}

struct Job {
  std::filesystem::path manifest;
  std::filesystem::path state;
  feed::ChangeFiles files;
  std::uint32_t batch_rows = feed::default_batch_rows;
  std::optional<std::uint64_t> resend_from;
  unsigned attempts = 0;
  Receivers receivers;
};

// Everything that can be wrong with the words is found here, before anything changes.
Result<Job> prepare(const po::variables_map& values) {
  Job job;
  job.manifest = values["manifest"].as<std::string>();
  auto paths = feed::paths_beside(job.manifest);
  if (!paths) return forward_error(paths);
  job.state = text_option(values, "state").value_or(paths->state.string());
  auto files = change_files(values);
  if (!files) return forward_error(files);
  job.files = std::move(*files);
  auto batch_rows = number_option<std::uint32_t>(values, "batch-rows");
  if (!batch_rows) return forward_error(batch_rows);
  job.batch_rows = batch_rows->value_or(feed::default_batch_rows);
  if (job.batch_rows < feed::min_batch_rows || job.batch_rows > feed::max_batch_rows) {
    return bad_option("batch-rows", "from " + std::to_string(feed::min_batch_rows) + " to " +
                                        std::to_string(feed::max_batch_rows));
  }
  auto resend_from = number_option<std::uint64_t>(values, "resend-from");
  if (!resend_from) return forward_error(resend_from);
  job.resend_from = *resend_from;
  job.attempts = values["attempts"].as<unsigned>();
  if (job.attempts == 0) return bad_option("attempts", "at least 1");
  auto receivers = receivers_of(values);
  if (!receivers) return forward_error(receivers);
  job.receivers = std::move(*receivers);
  return job;
}

struct Outcome {
  std::uint64_t delivered = 0;  // batches
  std::uint64_t last_seq = 0;
  feed::PlanSummary plan;
};

Result<Outcome> run(const Job& job, SnapshotMonitor& monitor) {
  const snapshot::Watch watch = monitor.watch();
  auto state = feed::FeedState::open(job.state, job.manifest, watch);
  if (!state) return forward_error(state);
  feed::DeliveryOptions options;
  options.attempts = job.attempts;
  options.stop = watch.stop;
  std::uint64_t of_all = 0;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    watch.progress({"delivering batches", ++of_all, 0});
  };

  Outcome outcome;
  // What an earlier run left comes first.
  auto delivered = job.resend_from
                       ? feed::deliver_again(*state, job.receivers, *job.resend_from, options)
                       : feed::deliver(*state, job.receivers, options);
  if (!delivered) return forward_error(delivered);
  outcome.delivered = *delivered;
  auto plan = feed::plan_changes(*state, job.files, job.batch_rows, watch);
  if (!plan) return forward_error(plan);
  outcome.plan = *plan;
  delivered = feed::deliver(*state, job.receivers, options);
  if (!delivered) return forward_error(delivered);
  outcome.delivered += *delivered;
  auto last = state->last_seq();
  if (!last) return forward_error(last);
  outcome.last_seq = *last;
  return outcome;
}

void add_options(Options& options) {
  const auto text = [] { return po::value<std::string>(); };
  options.add()("manifest", text()->required()->value_name("FILE"),
                "NAME.manifest.json of the snapshot that the servers began with; NAME.builder and, "
                "before the first update, the rows file must lie beside it")(
      "input", text()->value_name("FILE"),
      "keys with their new values, in the columns of snapshot build; keys that are not in the "
      "table "
      "are added; - for standard input")(
      "delete", text()->value_name("FILE"),
      "keys to delete, one a record and nothing else; done before --input")(
      "format", text()->value_name("auto|csv|jsonl"),
      "auto (the default) goes by the input's name: .csv, .jsonl or .ndjson")(
      "value-encoding", text()->value_name("text|hex|base64"),
      "how the input writes bytes; default text")(
      "header", text()->value_name("auto|yes|no"),
      "whether the first CSV line names the columns; auto (the default): if it begins with "
      "\"address\" or \"key\"")("batch-rows", text()->value_name("N"),
                                "rows of a batch at most, from 64 to 65536; default 1000")(
      "to", po::value<std::vector<std::string>>()->composing()->value_name("URL"),
      "the admin listener of one of the two servers, http://HOST:PORT on this machine, "
      "https://HOST:PORT elsewhere; give it twice")(
      "out", text()->value_name("DIR"), "write the batches to files DIR/SEQ.batch instead")(
      "resend-from", text()->value_name("SEQ"),
      "first send all batches from this number on again, to servers that have lost them")(
      "state", text()->value_name("FILE"),
      "what the feed remembers between runs; default NAME.feed.db beside the manifest")(
      "token-file", text()->value_name("FILE"),
      "the admin token; without it, GYRE_ADMIN_TOKEN of the environment")(
      "ca-file", text()->value_name("FILE"),
      "trust the certificates in this PEM file instead of the system's")(
      "client-certificate", text()->value_name("FILE"),
      "PEM certificate to show a server that asks for one")(
      "client-key", text()->value_name("FILE"), "its private key")(
      "connect-timeout", po::value<double>()->default_value(5, "5")->value_name("SECONDS"),
      "longest wait for a connection")(
      "timeout", po::value<double>()->default_value(30, "30")->value_name("SECONDS"),
      "longest wait for a server to take a batch")(
      "attempts", po::value<unsigned>()->default_value(5)->value_name("N"),
      "how often to send a batch to a server that is not reached or busy");
}

}  // namespace

int run_update(const std::vector<std::string>& arguments) {
  Options options(
      command, "--manifest FILE [--input FILE] [--delete FILE] --to URL --to URL",
      "Changes, adds and deletes keys of a table that two servers hold: turns the changes "
      "into batches\nof rows and sends each to both.");
  add_options(options);
  options.set_epilogue(
      "Batches are kept in the state file before they are sent. If a run fails, the next one (also "
      "without\n--input) first sends the same batches to the server that lacks them; the same "
      "input "
      "again changes\nnothing twice. table_full: nothing was changed. The state file names every "
      "key: keep it private.");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto job = prepare(std::get<po::variables_map>(parsed));
  if (!job) {
    const bool usage = job.error().code == ErrorCode::bad_configuration ||
                       job.error().code == ErrorCode::unsupported_url;
    report_failure(command, job.error().message);
    return usage ? exit_usage : exit_failure;
  }
  SnapshotMonitor monitor;
  const auto outcome = run(*job, monitor);
  monitor.end();
  if (!outcome) return report_failure(command, outcome.error().message);
  const feed::PlanSummary& plan = outcome->plan;
  std::cout << plan.changed << " keys changed, " << plan.inserted << " added, " << plan.deleted
            << " deleted, " << plan.unchanged << " as they were; " << plan.moved
            << " moved to make room\n"
            << outcome->delivered << " batches delivered; the feed is at batch "
            << outcome->last_seq << '\n';
  return exit_success;
}

}  // namespace gyre::cli
