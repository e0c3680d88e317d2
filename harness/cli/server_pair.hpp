// What the commands that ask two servers have in common: their options, and connecting.
#pragma once

#include <boost/program_options.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "core/error.hpp"
#include "harness/cli/options.hpp"
#include "harness/client/pir_client.hpp"

namespace gyre::cli {

// Adds --server, --ca-file, --connect-timeout, --timeout and --attempts.
void add_server_options(Options& options);

// A client that knows both servers' epochs, or the code to exit with after a sentence on standard
// error.
[[nodiscard]] std::variant<std::unique_ptr<client::PirClient>, int> connect_to_servers(
    std::string_view command, const boost::program_options::variables_map& values);

// The sentence of a lookup or fetch that failed, on standard error. Returns exit_failure.
int report_query_failure(std::string_view command, const Error& error);

// "epoch 0123456789abcdef-0-0000000000000000, block 0" for people.
[[nodiscard]] std::string describe_epoch(const protocol::EpochEntry& epoch);

}  // namespace gyre::cli
