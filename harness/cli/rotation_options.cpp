#include "harness/cli/rotation_options.hpp"

#include <string>
#include <vector>

#include "harness/cli/option_reader.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

std::vector<std::string> list_of(const po::variables_map& values, const char* option) {
  if (values.count(option) == 0) return {};
  return values[option].as<std::vector<std::string>>();
}

}  // namespace

void add_rotation_options(Options& options) {
  const server::AdministrationLimits limits;
  const source::SourcePolicy sources;
  const auto text = [](const char* shape) { return po::value<std::string>()->value_name(shape); };
  const auto list = [](const char* shape) {
    return po::value<std::vector<std::string>>()->composing()->value_name(shape);
  };
  const auto number = [](std::uint64_t value) {
    return po::value<std::int64_t>()
        ->default_value(static_cast<std::int64_t>(value))
        ->value_name("N");
  };
  const auto seconds = [](std::chrono::milliseconds value) {
    return po::value<double>()
        ->default_value(static_cast<double>(value.count()) / 1000)
        ->value_name("SECONDS");
  };
  options.add()("source-host", list("HOST[:PORT]"),
                "snapshots may come from there, over https; may be given several times, none means "
                "none")("source-root", text("DIRECTORY"),
                        "snapshots may come from files in there, as file:///NAME")(
      "source-network", list("NETWORK"),
      "a private, loopback or link-local network that such a host may be in: 10.1.0.0/16")(
      "source-allow-plain", po::bool_switch(), "such a host may be asked over http too")(
      "source-ca-file", text("FILE"), "PEM certificates to trust besides the system's")(
      "source-connect-timeout", seconds(sources.connect_time), "name, TCP and TLS together")(
      "source-first-byte-timeout", seconds(sources.first_byte_time), "for an origin's answer")(
      "source-stall-timeout", seconds(sources.stall_time), "for the next 4 KiB of it")(
      "source-total-timeout", seconds(sources.total_time), "for all of it")(
      "max-snapshot-bytes", number(limits.rotations.max_snapshot_bytes), "rows of a new snapshot")(
      "max-key-levels", number(limits.rotations.max_key_levels),
      "a snapshot whose rows need longer keys is refused")(
      "rotation-lock-timeout", seconds(limits.rotations.lock_timeout),
      "how long a rotation waits for another one; then it gets 409")(
      "max-overlay-rows", number(limits.writer.max_overlay_rows),
      "updated rows on top of the images; a batch beyond gets 503")(
      "compact-at-rows", number(limits.writer.compact_at_rows),
      "from so many on they are folded into new images, in the background")(
      "max-batch-rows", number(limits.updates.max_rows), "rows of one batch, over all tables")(
      "max-update-log-bytes", number(limits.writer.max_log_bytes),
      "batches that are kept for a snapshot that is older than they");
}

Result<RotationSettings> read_rotation_settings(const po::variables_map& values) {
  RotationSettings settings;
  source::SourcePolicy& sources = settings.sources;
  sources.allowed_hosts = list_of(values, "source-host");
  sources.allowed_networks = list_of(values, "source-network");
  sources.allow_plain_http = values["source-allow-plain"].as<bool>();
  sources.local_root = text_of(values, "source-root");
  sources.ca_file = text_of(values, "source-ca-file");
  server::RotationLimits& rotations = settings.limits.rotations;
  WriterLimits& writer = settings.limits.writer;
  OptionReader reader(values);
  reader.seconds("source-connect-timeout", sources.connect_time);
  reader.seconds("source-first-byte-timeout", sources.first_byte_time);
  reader.seconds("source-stall-timeout", sources.stall_time);
  reader.seconds("source-total-timeout", sources.total_time);
  reader.number("max-snapshot-bytes", rotations.max_snapshot_bytes);
  reader.number("max-key-levels", rotations.max_key_levels, 0);
  reader.seconds("rotation-lock-timeout", rotations.lock_timeout, /*may_be_zero=*/true);
  reader.number("max-overlay-rows", writer.max_overlay_rows);
  reader.number("compact-at-rows", writer.compact_at_rows);
  reader.number("max-batch-rows", settings.limits.updates.max_rows);
  reader.number("max-update-log-bytes", writer.max_log_bytes);
  if (reader.error()) return tl::unexpected<Error>(*reader.error());
  sources.max_bytes = rotations.max_snapshot_bytes;
  if (auto checked = settings.limits.check(); !checked) return forward_error(checked);
  if (auto checked = sources.check(); !checked) return forward_error(checked);
  return settings;
}

}  // namespace gyre::cli
