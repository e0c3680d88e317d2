// What `gyre serve` can be told about rotations and updates.
#pragma once

#include <boost/program_options.hpp>

#include "core/error.hpp"
#include "harness/cli/options.hpp"
#include "harness/server/administration.hpp"
#include "harness/source/policy.hpp"

namespace gyre::cli {

struct RotationSettings {
  server::AdministrationLimits limits;
  source::SourcePolicy sources;
};

void add_rotation_options(Options& options);

// Errors: bad_configuration.
[[nodiscard]] Result<RotationSettings> read_rotation_settings(
    const boost::program_options::variables_map& values);

}  // namespace gyre::cli
