// gyre serve: answers queries on a snapshot as one of the two servers.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/elapsed.hpp"
#include "harness/cli/command.hpp"
#include "harness/cli/options.hpp"
#include "harness/cli/serve_options.hpp"
#include "harness/cli/termination.hpp"
#include "harness/server/admin_server.hpp"
#include "harness/server/administration.hpp"
#include "harness/server/promoter.hpp"
#include "harness/server/server.hpp"
#include "harness/server/server_readings.hpp"
#include "harness/server/source_origin.hpp"
#include "harness/snapshot/load.hpp"

namespace gyre::cli {
namespace {

namespace po = boost::program_options;

constexpr std::string_view command = "serve";

// For the right to replace images; a rotation would make the promoted ones old anyway.
constexpr std::chrono::seconds longest_promotion_wait{5};

// Between looks whether a device has room for an epoch now.
constexpr std::chrono::milliseconds promotion_pause{1000};

// Standard output is for the one line that says where the server is.
void log_to_standard_error(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("gyre");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

// Whole or not at all, for whoever waits for it, if a file was asked for.
Result<void> write_ready_file(const std::filesystem::path& path, const std::string& url) {
  if (path.empty()) return {};
  const std::filesystem::path partial = path.string() + ".partial";
  std::ofstream file(partial);
  file << url << '\n';
  file.close();
  std::error_code problem;
  if (file) std::filesystem::rename(partial, path, problem);
  if (!file || problem) return fail(ErrorCode::io_failed, "the ready file cannot be written");
  return {};
}

// Loads the snapshot and makes it current.
Result<void> publish_snapshot(const ServeSettings& settings, const Backends& backends,
                              EpochWriter& writer, const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  auto loaded =
      snapshot::load_snapshot(settings.manifest, backends.all(),
                              snapshot::Watch{[](const auto&) {}, stop}, settings.host_images);
  if (!loaded) return forward_error(loaded);
  const Geometry geometry = loaded->metadata.geometry;
  const EpochId id = EpochId::of_base(loaded->content_id, loaded->metadata.as_of_seq);
  for (const auto& image : loaded->images) {
    spdlog::info(
        "event=loaded epoch={} rows={} row_bytes={} rows_per_page={} residency={} kernel={} "
        "memory_bytes={} seconds={:.3f}",
        id.text(), geometry.rows, geometry.row_bytes, geometry.rows_per_page, image->residency(),
        image->kernel(), image->memory_bytes(), seconds_since(start));
  }
  if (loaded->needs_promotion) {
    spdlog::warn("event=no_room epoch={} detail=\"a device has no room for this epoch yet\"",
                 id.text());
  }
  auto lock = writer.lock_rotation(std::chrono::milliseconds(0), stop);
  if (!lock) return forward_error(lock);
  auto installed = writer.install(
      *lock, EpochWriter::Base{loaded->content_id, loaded->metadata, std::move(loaded->images)},
      /*discard_updates=*/false);
  if (!installed) return forward_error(installed);
  return {};
}

// Promotion, which leaves images alone while a rotation or compaction replaces them.
server::Promoter::Replace replace_with(EpochWriter& writer, std::stop_token stop) {
  return [&writer, stop = std::move(stop)](const Image& instead_of, Images images) -> Result<bool> {
    auto lock = writer.lock_rotation(longest_promotion_wait, stop);
    if (!lock && lock.error().code == ErrorCode::rotation_in_progress) return false;
    if (!lock) return forward_error(lock);
    return writer.replace_images(*lock, instead_of, std::move(images));
  };
}

// Until it is asked to stop.
Result<void> serve(const ServeSettings& settings, const Backends& backends,
                   Termination& termination) {
  auto started = server::Server::start(settings.server);
  if (!started) return forward_error(started);
  server::Server& server = **started;
  const std::string url = (server.tls() ? "https://" : "http://") + server.address().text();
  spdlog::info("event=listening url={} party={} backend={}", url, settings.server.party,
               backends.preferred_first.front()->name());

  server::Administration administration(
      server.epochs(), server.retirer(), server.metrics(), backends.all(), settings.host_images,
      std::make_unique<server::SourceOrigin>(settings.rotations.sources),
      settings.rotations.limits);
  auto published =
      publish_snapshot(settings, backends, administration.writer(), termination.token());
  if (!published && published.error().code == ErrorCode::cancelled) return {};
  if (!published) return published;
  server::Promoter promoter(server.epochs(), backends.devices(),
                            replace_with(administration.writer(), termination.token()));
  if (!backends.devices().empty()) promoter.start(promotion_pause);
  std::unique_ptr<server::AdminServer> admin;
  if (settings.admin.enabled) {
    const auto metrics = [&server, &administration, backends = backends.all()] {
      return server.metrics().text(server::read_server(server, administration, backends));
    };
    auto listening = server::AdminServer::start(settings.admin.configuration,
                                                administration.resources(), metrics);
    if (!listening) return forward_error(listening);
    admin = std::move(*listening);
    spdlog::info("event=admin_listening url={}", admin->url());
    if (auto written = write_ready_file(settings.admin.ready_file, admin->url()); !written) {
      return written;
    }
  }
  if (auto written = write_ready_file(settings.ready_file, url); !written) return written;
  std::cout << "ready " << url << std::endl;

  termination.wait();
  spdlog::info("event=draining delay_ms={} timeout_ms={}", settings.drain_delay.count(),
               settings.drain_timeout.count());
  server.listener().announce_drain();
  administration.stop();
  std::this_thread::sleep_for(settings.drain_delay);
  const auto deadline = std::chrono::steady_clock::now() + settings.drain_timeout;
  const bool finished = server.listener().drain(deadline);
  if (admin != nullptr) admin->drain(deadline);
  const server::HttpStatistics counts = server.listener().http().statistics();
  spdlog::info("event=stopped finished={} accepted={} evicted={} refused={}", finished,
               counts.accepted, counts.evicted, counts.refused);
  return {};
}

}  // namespace

int run_serve(const std::vector<std::string>& arguments) {
  Options options(
      std::string(command), "--snapshot MANIFEST --party 0|1 [OPTIONS]",
      "Loads a snapshot and answers private queries on it, as one of the two servers of a "
      "pair.\nThe other one must be run by somebody who does not collude with you.");
  add_serve_options(options);
  options.set_epilogue(
      "When queries are answered, one line \"ready URL\" appears on standard output; the log goes "
      "to "
      "standard error.\nSIGTERM or SIGINT: requests that have begun are finished, then it exits "
      "with 0. A second one ends it at once.\nExit codes: 0 stopped when asked to, 1 could not "
      "serve, 2 "
      "unusable options.");
  auto parsed = options.parse(arguments);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& values = std::get<po::variables_map>(parsed);
  auto settings = read_serve_settings(values);
  if (!settings) {
    report_failure(command, settings.error().message);
    return exit_usage;
  }
  log_to_standard_error(settings->log_level);
  Termination termination;  // before the backend's threads
  auto backends = make_backends(values);
  if (!backends) return report_failure(command, backends.error().message);
  settings->server.residencies = backends->names();
  const auto served = serve(*settings, *backends, termination);
  return served ? exit_success : report_failure(command, served.error().message);
}

}  // namespace gyre::cli
