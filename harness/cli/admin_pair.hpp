// What the commands that an admin gives have in common: their options, and connecting.
#pragma once

#include <boost/program_options.hpp>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/cli/options.hpp"
#include "harness/client/admin_client.hpp"

namespace gyre::cli {

// Adds --to, --token-file, --ca-file and --connect-timeout.
void add_admin_options(Options& options);

// Clients of one or two different servers' admin listeners in the order of the --to, not connected
// yet, or the code to exit with after a sentence on standard error.
[[nodiscard]] std::variant<std::vector<client::AdminClient>, int> connect_to_admins(
    std::string_view command, const boost::program_options::variables_map& values);

}  // namespace gyre::cli
