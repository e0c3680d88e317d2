// gyre lookup: what keys stand for, without either server learning which keys.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/bytes.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/server_pair.hpp"
#include "harness/client/pir_client.hpp"
#include "harness/table/account.hpp"
#include "harness/table/keyed_row.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;
using client::LookupResult;

constexpr std::string_view command = "lookup";
constexpr int exit_absent = 3;
constexpr std::size_t max_keys = 100'000;

// Adds the lines of standard input, up to the bounds. Empty lines are no keys.
Result<void> read_keys(std::istream& in, std::vector<std::string>& keys) {
  std::string line;
  for (int c = in.get(); c != std::istream::traits_type::eof(); c = in.get()) {
    if (c == '\n') {
      if (!line.empty()) keys.push_back(std::move(line));
      line.clear();
      if (keys.size() > max_keys) break;
    } else if (c != '\r') {
      if (line.size() == table::max_key_bytes) {
        return fail(ErrorCode::malformed_input, "a key on standard input may have at most " +
                                                    std::to_string(table::max_key_bytes) +
                                                    " bytes");
      }
      line.push_back(static_cast<char>(c));
    }
  }
  if (!line.empty()) keys.push_back(std::move(line));
  return {};
}

Result<std::vector<std::string>> collect_keys(const po::variables_map& values) {
  std::vector<std::string> keys;
  bool read_input = false;
  if (values.count("key") != 0) {
    for (const std::string& word : values["key"].as<std::vector<std::string>>()) {
      if (word != "-") {
        keys.push_back(word);
      } else if (!read_input) {
        read_input = true;
        if (auto read = read_keys(std::cin, keys); !read) return forward_error(read);
      }
    }
  }
  if (keys.empty()) {
    return fail(ErrorCode::bad_configuration, "at least one KEY is needed, or - to read keys");
  }
  if (keys.size() > max_keys) {
    return fail(ErrorCode::bad_configuration, "at most 100000 keys can be looked up at once");
  }
  return keys;
}

// Text that cannot drive a terminal.
std::string printable(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const auto c = static_cast<char>(byte);
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text;
}

// The value without its zero padding, if all of it can be shown.
std::optional<std::string> as_text(std::span<const std::byte> value) {
  while (!value.empty() && value.back() == std::byte{0}) value = value.first(value.size() - 1);
  std::string text = printable(value);
  const bool exact =
      std::equal(value.begin(), value.end(), text.begin(),
                 [](std::byte byte, char c) { return static_cast<char>(byte) == c; });
  if (text.empty() || !exact) return std::nullopt;
  return text;
}

const Cuckoo3Layout& layout_of(const LookupResult& result) {
  return std::get<Cuckoo3Layout>(result.epoch->metadata.layout);
}

bool is_account(const LookupResult& result) {
  return layout_of(result).value == ValueKind::ethereum_account && result.value &&
         result.value->size() == ethereum_account_value_bytes;
}

table::EthereumAccount account_of(const LookupResult& result) {
  return table::decode_account(std::span(*result.value).first<ethereum_account_value_bytes>());
}

std::string key_text(const LookupResult& result, std::span<const std::byte> key) {
  return layout_of(result).value == ValueKind::ethereum_account ? "0x" + to_hex(key)
                                                                : printable(key);
}

void print(const LookupResult& result, std::span<const std::byte> key) {
  const bool address = layout_of(result).value == ValueKind::ethereum_account;
  std::cout << (address ? "address  " : "key      ") << key_text(result, key) << '\n';
  if (!result.value) {
    std::cout << "         not in the table\n";
  } else if (is_account(result)) {
    const auto account = account_of(result);
    std::cout << "balance  " << table::to_ether(account.balance) << " ("
              << table::to_decimal(account.balance) << " wei)\n"
              << "nonce    " << account.nonce << '\n'
              << "code id  " << account.code_id << (account.code_id == 0 ? " (no code)" : "")
              << '\n';
  } else {
    std::cout << "value    " << to_hex(*result.value) << '\n';
    if (const auto text = as_text(*result.value)) std::cout << "text     " << *text << '\n';
  }
}

void print_all(const std::vector<LookupResult>& results,
               const std::vector<std::vector<std::byte>>& keys) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    print(results[i], keys[i]);
    const bool last = i + 1 == results.size();
    if (last || results[i + 1].epoch != results[i].epoch) {
      std::cout << (i == 0 ? "" : "\n") << "as of    " << describe_epoch(*results[i].epoch) << '\n';
    }
    if (!last) std::cout << '\n';
  }
}

void print_json(const std::vector<LookupResult>& results,
                const std::vector<std::vector<std::byte>>& keys) {
  auto list = nlohmann::json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const LookupResult& result = results[i];
    const Metadata& metadata = result.epoch->metadata;
    nlohmann::json entry = {{"key", key_text(result, keys[i])},
                            {"found", result.value.has_value()},
                            {"epoch", result.epoch->id.text()},
                            {"block_number", nullptr},
                            {"state_root", nullptr}};
    if (metadata.block_number) entry["block_number"] = *metadata.block_number;
    if (metadata.state_root) entry["state_root"] = to_hex(*metadata.state_root);
    if (is_account(result)) {
      const auto account = account_of(result);
      entry["balance_wei"] = table::to_decimal(account.balance);
      entry["nonce"] = account.nonce;
      entry["code_id"] = account.code_id;
    } else if (result.value) {
      entry["value"] = to_hex(*result.value);
    }
    list.push_back(std::move(entry));
  }
  std::cout << nlohmann::json{{"results", std::move(list)}}.dump(2) << '\n';
}

}  // namespace

int run_lookup(const std::vector<std::string>& arguments) {
  Options options(
      std::string(command), "--server URL --server URL KEY...",
      "Looks up keys in the table that two servers hold, so that neither learns which keys: "
      "only how many.");
  add_server_options(options);
  options.add()("json", po::bool_switch(), "print one JSON document instead of text")(
      "key", po::value<std::vector<std::string>>()->composing()->value_name("KEY"),
      "what to look up: an address 0x... or a text, as the table has it; - reads one key a line "
      "from "
      "standard input");
  options.add_positional("key", -1);
  options.set_epilogue(
      "Exits with 0 if every key was found, 3 if one was not, 1 on failure, 2 for a wrong command "
      "line.\n"
      "That a key is not in the table is certain. A record shown belongs to another key with a "
      "probability\nbelow 2^-62. Do not let what was found decide what you look up next: both "
      "servers see "
      "that you ask.");
  auto parsed = options.parse(arguments);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);

  auto texts = collect_keys(values);
  if (!texts) {
    report_failure(command, texts.error().message);
    return exit_usage;
  }
  auto connected = connect_to_servers(command, values);
  if (const int* const code = std::get_if<int>(&connected)) return *code;
  auto& client = *std::get<std::unique_ptr<client::PirClient>>(connected);

  const auto* const layout = std::get_if<Cuckoo3Layout>(&client.epoch()->metadata.layout);
  if (layout == nullptr) {
    return report_failure(command,
                          "the servers' table has no keys; gyre fetch gets its rows by number");
  }
  std::vector<std::vector<std::byte>> keys;
  for (const std::string& text : *texts) {
    auto key = table::parse_key(layout->value, text);
    if (!key) {
      report_failure(command, key.error().message);
      return exit_usage;
    }
    keys.push_back(std::move(*key));
  }
  auto results = client.lookup(keys);
  if (!results) return report_query_failure(command, results.error());
  values["json"].as<bool>() ? print_json(*results, keys) : print_all(*results, keys);
  const bool all = std::all_of(results->begin(), results->end(),
                               [](const LookupResult& result) { return result.value.has_value(); });
  return all ? exit_success : exit_absent;
}

}  // namespace gyre::cli
