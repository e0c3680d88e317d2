// What `gyre serve` can be told, and what it makes of it.
#pragma once

#include <boost/program_options.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.hpp"
#include "core/error.hpp"
#include "core/staging_set.hpp"
#include "harness/cli/admin_serve_options.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/rotation_options.hpp"
#include "harness/server/server.hpp"

namespace gyre::cli {

struct ServeSettings {
  server::ServerConfiguration server;
  RotationSettings rotations;
  AdminSettings admin;
  std::string manifest;
  HostImages host_images = HostImages::unchecked;
  std::string ready_file;                      // empty: none
  std::string log_level;                       // of spdlog
  std::chrono::milliseconds drain_delay{0};    // between saying so and accepting no more
  std::chrono::milliseconds drain_timeout{0};  // for requests that have begun
};

void add_serve_options(Options& options);

// Errors: bad_configuration.
[[nodiscard]] Result<ServeSettings> read_serve_settings(
    const boost::program_options::variables_map& values);

// Where epochs are made resident. Images keep no backend alive: this must outlive them.
struct Backends {
  std::vector<std::unique_ptr<Backend>> preferred_first;  // devices, then the one in host memory

  [[nodiscard]] std::vector<Backend*> all() const;
  [[nodiscard]] std::vector<Backend*> devices() const;
  [[nodiscard]] std::vector<std::string> names() const;
};

// The backends that --backend and its companions ask for: a device comes with one in host memory
// behind it. Errors: bad_configuration, cpu_feature_missing, out_of_memory.
[[nodiscard]] Result<Backends> make_backends(const boost::program_options::variables_map& values);

}  // namespace gyre::cli
