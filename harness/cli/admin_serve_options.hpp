// What `gyre serve` can be told about its admin listener.
#pragma once

#include <boost/program_options.hpp>
#include <string>

#include "core/error.hpp"
#include "harness/cli/options.hpp"
#include "harness/server/admin_server.hpp"

namespace gyre::cli {

struct AdminSettings {
  bool enabled = false;  // asked for, or there is a token
  server::AdminConfiguration configuration;
  std::string ready_file;  // empty: none
};

void add_admin_serve_options(Options& options);

// Reads the token. Errors: bad_configuration, io_failed.
[[nodiscard]] Result<AdminSettings> read_admin_settings(
    const boost::program_options::variables_map& values);

}  // namespace gyre::cli
