// gyre snapshot build: a snapshot from CSV, JSON lines or raw rows.
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/random_source.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/option_values.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/snapshot_commands.hpp"
#include "harness/cli/snapshot_monitor.hpp"
#include "harness/snapshot/build.hpp"
#include "harness/snapshot/describe.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

enum class Format { by_name, csv, json_lines, raw };
enum class LayoutKind { keyed, index };

Result<Format> input_format(const po::variables_map& values, const std::string& input) {
  auto format = word_option<Format>(values, "format",
                                    {{"auto", Format::by_name},
                                     {"csv", Format::csv},
                                     {"jsonl", Format::json_lines},
                                     {"raw", Format::raw}});
  if (!format || *format != Format::by_name) return format;
  const std::string extension = std::filesystem::path(input).extension().string();
  if (extension == ".csv") return Format::csv;
  if (extension == ".jsonl" || extension == ".ndjson") return Format::json_lines;
  return bad_option("format", "csv, jsonl or raw; the name of the input does not tell");
}

Result<snapshot::Output> output_option(const po::variables_map& values) {
  const std::filesystem::path path = values["output"].as<std::string>();
  snapshot::Output output{path.parent_path(), path.filename().string()};
  if (output.directory.empty()) output.directory = ".";
  return output;
}

Result<snapshot::Origin> origin_options(const po::variables_map& values) {
  snapshot::Origin origin;
  auto as_of_seq = number_option<std::uint64_t>(values, "as-of-seq");
  if (!as_of_seq) return forward_error(as_of_seq);
  origin.as_of_seq = as_of_seq->value_or(0);
  auto block_number = number_option<std::uint64_t>(values, "block-number");
  if (!block_number) return forward_error(block_number);
  origin.block_number = *block_number;
  auto state_root = hex_option<Bytes32>(values, "state-root");
  if (!state_root) return forward_error(state_root);
  origin.state_root = *state_root;
  auto table = hex_option<Bytes16>(values, "table-id");
  if (!table) return forward_error(table);
  origin.table = *table;
  auto rows_per_page = number_option<std::uint32_t>(values, "rows-per-page");
  if (!rows_per_page) return forward_error(rows_per_page);
  origin.rows_per_page = *rows_per_page;
  return origin;
}

Result<void> refuse(const po::variables_map& values, std::initializer_list<const char*> options,
                    std::string_view why) {
  for (const char* const option : options) {
    if (values.count(option) != 0) {
      return fail(ErrorCode::bad_configuration,
                  "--" + std::string(option) + " is not for " + std::string(why));
    }
  }
  return {};
}

Result<snapshot::KeyedBuild> keyed_build(const po::variables_map& values, Format format) {
  auto refused =
      refuse(values, {"row-bytes"}, "a table of keys; --value-bytes says how long values are");
  if (!refused) return forward_error(refused);
  if (format == Format::raw) {
    return fail(ErrorCode::bad_configuration,
                "raw rows have no keys; with --format raw say --layout index");
  }
  snapshot::KeyedBuild build;
  build.syntax.format =
      format == Format::csv ? snapshot::InputFormat::csv : snapshot::InputFormat::json_lines;
  auto value = word_option<ValueKind>(
      values, "value",
      {{"bytes", ValueKind::bytes}, {"ethereum-account", ValueKind::ethereum_account}});
  if (!value) return forward_error(value);
  build.syntax.value = *value;
  auto encoding =
      word_option<snapshot::ValueEncoding>(values, "value-encoding",
                                           {{"text", snapshot::ValueEncoding::text},
                                            {"hex", snapshot::ValueEncoding::hex},
                                            {"base64", snapshot::ValueEncoding::base64}});
  if (!encoding) return forward_error(encoding);
  build.syntax.encoding = *encoding;
  if (*value == ValueKind::ethereum_account) {
    refused = refuse(values, {"value-encoding", "value-bytes"}, "ethereum-account values");
    if (!refused) return forward_error(refused);
  }
  auto header = word_option<snapshot::CsvHeader>(values, "header",
                                                 {{"auto", snapshot::CsvHeader::automatic},
                                                  {"yes", snapshot::CsvHeader::present},
                                                  {"no", snapshot::CsvHeader::absent}});
  if (!header) return forward_error(header);
  build.syntax.header = *header;
  auto value_bytes = number_option<std::uint32_t>(values, "value-bytes");
  if (!value_bytes) return forward_error(value_bytes);
  build.value_bytes = *value_bytes;
  build.load = values["load"].as<double>();
  return build;
}

Result<snapshot::IndexedBuild> indexed_build(const po::variables_map& values, Format format) {
  auto refused =
      refuse(values, {"value", "value-bytes", "value-encoding", "header"}, "rows found by number");
  if (!refused) return forward_error(refused);
  if (format != Format::raw) {
    return fail(ErrorCode::bad_configuration,
                "rows found by number are read as they are; with --layout index say --format raw");
  }
  auto row_bytes = number_option<std::uint32_t>(values, "row-bytes");
  if (!row_bytes) return forward_error(row_bytes);
  if (!*row_bytes) return bad_option("row-bytes", "given with --layout index");
  snapshot::IndexedBuild build;
  build.row_bytes = **row_bytes;
  return build;
}

Result<snapshot::Built> build(const po::variables_map& values, SnapshotMonitor& monitor) {
  const auto input = values["input"].as<std::string>();
  auto output = output_option(values);
  if (!output) return forward_error(output);
  auto origin = origin_options(values);
  if (!origin) return forward_error(origin);
  auto layout = word_option<LayoutKind>(
      values, "layout", {{"cuckoo3", LayoutKind::keyed}, {"index", LayoutKind::index}});
  if (!layout) return forward_error(layout);
  auto format = input_format(values, input);
  if (!format) return forward_error(format);

  SystemRandom random;
  const snapshot::Watch watch = monitor.watch();
  if (*layout == LayoutKind::index) {
    auto job = indexed_build(values, *format);
    if (!job) return forward_error(job);
    job->input = input;
    job->output = *output;
    job->origin = *origin;
    return snapshot::build_indexed(*job, random, watch);
  }
  auto job = keyed_build(values, *format);
  if (!job) return forward_error(job);
  job->input = input;
  job->output = *output;
  job->origin = *origin;
  return snapshot::build_keyed(*job, random, watch);
}

}  // namespace

int run_snapshot_build(const std::vector<std::string>& arguments) {
  Options options(
      "snapshot build", "--input FILE --output DIR/NAME [OPTIONS]",
      "Builds DIR/NAME.rows and DIR/NAME.manifest.json, which servers need, and for a table "
      "of keys\nDIR/NAME.builder, which names every key and stays with you.");
  const auto text = [] { return po::value<std::string>(); };
  options.add()("input", text()->required()->value_name("FILE"),
                "what to build from; - for standard input")(
      "output", text()->required()->value_name("DIR/NAME"),
      "where the files go; none may be there")(
      "format", text()->value_name("auto|csv|jsonl|raw"),
      "auto (the default) goes by the input's name: .csv, .jsonl or .ndjson")(
      "layout", text()->value_name("cuckoo3|index"),
      "rows found by key (the default) or by number")("value",
                                                      text()->value_name("bytes|ethereum-account"),
                                                      "what a key's value is; default bytes")(
      "value-encoding", text()->value_name("text|hex|base64"),
      "how the input writes bytes; default text")("value-bytes", text()->value_name("N"),
                                                  "bytes of each value; default the longest one's")(
      "header", text()->value_name("auto|yes|no"),
      "whether the first CSV line names the columns; auto (the default): if it begins with "
      "\"address\" or "
      "\"key\"")("load",
                 po::value<double>()->default_value(snapshot::max_load, "0.85")->value_name("X"),
                 "keys per row at most, up to 0.85")("row-bytes", text()->value_name("N"),
                                                     "bytes of each row, with --layout index")(
      "rows-per-page", text()->value_name("N"), "default as many as fit 4,096 bytes, at least 1")(
      "table-id", text()->value_name("HEX"), "32 hex digits that name the table; default random")(
      "as-of-seq", text()->value_name("N"), "last batch of the update feed in the rows; default 0")(
      "block-number", text()->value_name("N"), "block whose state the rows are; default has none")(
      "state-root", text()->value_name("HEX"), "64 hex digits; default has none");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;

  SnapshotMonitor monitor;
  const auto built = build(std::get<po::variables_map>(parsed), monitor);
  monitor.end();
  if (!built) {
    report_failure("snapshot build", built.error().message);
    return built.error().code == ErrorCode::bad_configuration ? exit_usage : exit_failure;
  }
  if (built->skipped_header) std::cout << "The first line of the input was taken as a header.\n";
  std::cout << snapshot::describe(built->manifest);
  return exit_success;
}

}  // namespace gyre::cli
