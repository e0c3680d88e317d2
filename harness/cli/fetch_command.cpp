// gyre fetch: rows or pages by number, without either server learning which.
#include <charconv>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "core/bytes.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/server_pair.hpp"
#include "harness/client/pir_client.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;
using client::Record;

constexpr std::string_view command = "fetch";
constexpr std::size_t max_indices = 100'000;

Result<std::vector<std::uint64_t>> collect_indices(const po::variables_map& values) {
  std::vector<std::uint64_t> indices;
  if (values.count("index") != 0) {
    for (const std::string& word : values["index"].as<std::vector<std::string>>()) {
      std::uint64_t index = 0;
      const char* const end = word.data() + word.size();
      const auto [stopped, error] = std::from_chars(word.data(), end, index);
      if (error != std::errc{} || stopped != end) {
        return fail(ErrorCode::bad_configuration, "an INDEX must be a decimal number from 0 up");
      }
      indices.push_back(index);
    }
  }
  if (indices.empty()) return fail(ErrorCode::bad_configuration, "at least one INDEX is needed");
  if (indices.size() > max_indices) {
    return fail(ErrorCode::bad_configuration, "at most 100000 records can be fetched at once");
  }
  return indices;
}

bool write_raw(const std::vector<Record>& records, std::ostream& out) {
  for (const Record& record : records) {
    out.write(reinterpret_cast<const char*>(record.bytes.data()),
              static_cast<std::streamsize>(record.bytes.size()));
  }
  return static_cast<bool>(out.flush());
}

int print_raw(const std::vector<Record>& records, const std::string& path) {
  bool written = false;
  if (path == "-") {
    written = write_raw(records, std::cout);
  } else {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    written = file && write_raw(records, file);
  }
  if (!written)
    return report_failure(command, "what was fetched could not be written to the --raw file");
  return exit_success;
}

void print_text(const std::vector<Record>& records, const std::vector<std::uint64_t>& indices,
                QueryKind kind) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::cout << (kind == QueryKind::row ? "row " : "page ") << indices[i] << "  "
              << to_hex(records[i].bytes) << '\n';
    if (i + 1 == records.size() || records[i + 1].epoch != records[i].epoch) {
      std::cout << "as of " << describe_epoch(*records[i].epoch) << '\n';
    }
  }
}

void print_json(const std::vector<Record>& records, const std::vector<std::uint64_t>& indices,
                QueryKind kind) {
  auto list = nlohmann::json::array();
  for (std::size_t i = 0; i < records.size(); ++i) {
    list.push_back({{kind == QueryKind::row ? "row" : "page", indices[i]},
                    {"epoch", records[i].epoch->id.text()},
                    {"data", to_hex(records[i].bytes)}});
  }
  std::cout << nlohmann::json{{"results", std::move(list)}}.dump(2) << '\n';
}

}  // namespace

int run_fetch(const std::vector<std::string>& arguments) {
  Options options(
      std::string(command), "--server URL --server URL INDEX...",
      "Fetches rows or pages by number from two servers, so that neither learns which: only "
      "how many.");
  add_server_options(options);
  options.add()("page", po::bool_switch(), "fetch whole pages; INDEX is a page's number")(
      "json", po::bool_switch(), "print one JSON document instead of text")(
      "raw", po::value<std::string>()->value_name("FILE"),
      "write the bytes themselves, one record after another, to FILE (- for standard output)")(
      "index", po::value<std::vector<std::string>>()->composing()->value_name("INDEX"),
      "number of a row or page, from 0");
  options.add_positional("index", -1);
  options.set_epilogue(
      "Exits with 0 if everything was fetched, 1 on failure, 2 for a wrong command line.");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);

  auto indices = collect_indices(values);
  if (!indices) {
    report_failure(command, indices.error().message);
    return exit_usage;
  }
  auto connected = connect_to_servers(command, values);
  if (const int* const code = std::get_if<int>(&connected)) return *code;
  auto& client = *std::get<std::unique_ptr<client::PirClient>>(connected);

  const QueryKind kind = values["page"].as<bool>() ? QueryKind::page : QueryKind::row;
  auto records = client.fetch(*indices, kind);
  if (!records) return report_query_failure(command, records.error());
  if (values.count("raw") != 0) return print_raw(*records, values["raw"].as<std::string>());
  if (values["json"].as<bool>()) {
    print_json(*records, *indices, kind);
  } else {
    print_text(*records, *indices, kind);
  }
  return exit_success;
}

}  // namespace gyre::cli
