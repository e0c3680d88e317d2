#include "harness/scenario/rotate_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "core/elapsed.hpp"
#include "harness/scenario/download.hpp"
#include "harness/scenario/large_rotation.hpp"
#include "harness/scenario/open_load.hpp"
#include "harness/scenario/rotating_history.hpp"
#include "harness/scenario/seeded_random.hpp"
#include "harness/scenario/server_connections.hpp"
#include "harness/scenario/server_processes.hpp"
#include "harness/scenario/slow_origin.hpp"
#include "harness/scenario/temporary_directory.hpp"

namespace gyre::scenario {
namespace {

// Of the time that rotations are given, how much they take; the rest lies between them.
constexpr double rotating_share = 0.7;
// More than what is asked for, so that as many are left when some fall outside.
constexpr double sample_reserve = 1.15;

void pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

struct Window {
  double begin = 0;
  double end = 0;
};

// Everything of one run.
class RotateRun {
 public:
  RotateRun(const RotatePlan& plan, std::uint64_t seed, const ProgressReport& progress)
      : plan_(plan), seed_(seed), progress_(progress) {}

  [[nodiscard]] Result<RotateFigures> run(const std::filesystem::path& program);

 private:
  [[nodiscard]] LoadPlan load_plan(const ServerProcesses& servers, double per_second) const;
  [[nodiscard]] Result<double> measure_capacity(ServerProcesses& servers);
  // Lets the load run until so many more lookups are answered.
  [[nodiscard]] Result<void> wait_for_samples(const OpenLoad& load, ServerProcesses& servers,
                                              std::string_view phase) const;
  [[nodiscard]] Result<void> feed(Admins& feeder, Admins& rotator, OpenLoad& load,
                                  const std::string& origin);
  [[nodiscard]] Result<void> rotate(Admins& rotator, const std::string& origin, std::size_t base,
                                    OpenLoad& load);
  void judge(const OpenLoad& load, const Window& rest, const Window& beside);
  [[nodiscard]] Result<void> compare_ends(const ServerProcesses& servers);

  const RotatePlan& plan_;
  const std::uint64_t seed_;
  const ProgressReport& progress_;
  const RotatingHistory* history_ = nullptr;
  double seconds_per_rotation_ = 0;
  std::vector<Window> rotations_;
  std::vector<double> batch_seconds_;
  std::vector<double> rotation_seconds_;
  std::map<std::string, std::vector<double>> phase_seconds_;
  RotateFigures figures_;
};

LoadPlan RotateRun::load_plan(const ServerProcesses& servers, double per_second) const {
  LoadPlan load;
  load.keys = history_->keys();
  load.clients = plan_.clients;
  load.per_second = per_second;
  load.refresh_every = std::min(1.0, seconds_per_rotation_ / 4);
  load.seed = seed_;
  load.key = RotatingHistory::key;
  load.connect = [&servers] { return connect_clients(servers); };
  return load;
}

Result<double> RotateRun::measure_capacity(ServerProcesses& servers) {
  progress_("finding out what the pair can serve", 0, 0);
  auto load = OpenLoad::start(load_plan(servers, 0));
  if (!load) return forward_error(load);
  // As many as give a rate, but no fewer seconds than make it steady.
  const std::uint64_t enough = std::min<std::uint64_t>(plan_.samples, 1000);
  while ((*load)->answered() < enough || (*load)->now() < 1) {
    if (auto alive = servers.check_alive(); !alive) return forward_error(alive);
    pause(0.02);
  }
  const double rate = static_cast<double>((*load)->answered()) / (*load)->now();
  (*load)->stop();
  return rate;
}

Result<void> RotateRun::wait_for_samples(const OpenLoad& load, ServerProcesses& servers,
                                         std::string_view phase) const {
  const std::uint64_t begin = load.answered();
  const auto wanted = static_cast<std::uint64_t>(static_cast<double>(plan_.samples) * 1.02) + 1;
  while (load.answered() - begin < wanted) {
    progress_(phase, load.answered() - begin, wanted);
    if (auto alive = servers.check_alive(); !alive) return alive;
    pause(0.05);
  }
  return {};
}

Result<void> RotateRun::rotate(Admins& rotator, const std::string& origin, std::size_t base,
                               OpenLoad& load) {
  const nlohmann::json request = {
      {"manifest_url", "http://" + origin + "/" + history_->manifest_name(base)}};
  Window window{load.now(), 0};
  auto replies = rotator.post_both("/admin/snapshot", "application/json", request.dump());
  window.end = load.now();
  if (!replies) return forward_error(replies);
  rotations_.push_back(window);
  rotation_seconds_.push_back(window.end - window.begin);
  for (const nlohmann::json& reply : *replies) {
    if (!reply.is_object() || !reply.contains("phases")) continue;
    for (const auto& phase : reply["phases"]) {
      if (phase.contains("phase") && phase.contains("seconds")) {
        phase_seconds_[phase["phase"]].push_back(phase["seconds"]);
      }
    }
  }
  ++figures_.rotations;
  return {};
}

Result<void> RotateRun::feed(Admins& feeder, Admins& rotator, OpenLoad& load,
                             const std::string& origin) {
  const auto& batches = history_->batches();
  const double interval = seconds_per_rotation_ / rotating_share * plan_.rotations /
                          static_cast<double>(batches.size());
  const double begun = load.now();
  std::future<Result<void>> rotating;
  std::size_t base = 1;
  for (const UpdateBatch& batch : batches) {
    progress_("rotating and updating", batch.seq, batches.size());
    const double due = begun + interval * static_cast<double>(batch.seq);
    if (due > load.now()) pause(due - load.now());
    const auto bytes = binary_form(batch);
    const double sent = load.now();
    auto acknowledged =
        feeder.post_both("/admin/updates", "application/octet-stream",
                         std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    if (!acknowledged) return forward_error(acknowledged);
    batch_seconds_.push_back(load.now() - sent);
    ++figures_.batches;

    if (base <= plan_.rotations && batch.seq > history_->manifest(base).metadata.as_of_seq) {
      if (rotating.valid()) {
        if (auto done = rotating.get(); !done) return done;
      }
      rotating = std::async(std::launch::async, [this, &rotator, &origin, base, &load] {
        return rotate(rotator, origin, base, load);
      });
      ++base;
    }
  }
  if (rotating.valid()) return rotating.get();
  return {};
}

void RotateRun::judge(const OpenLoad& load, const Window& rest, const Window& beside) {
  std::vector<double> at_rest;
  std::vector<double> beside_download;
  std::vector<double> rotating;
  std::set<std::string> epochs;
  const auto within = [](const RecordedLookup& lookup, const Window& window) {
    return lookup.arrived < window.end && lookup.answered > window.begin;
  };
  for (const RecordedLookup& lookup : load.records()) {
    ++figures_.lookups;
    if (lookup.failure) {
      ++figures_.failed;
      if (figures_.first_failure.empty()) figures_.first_failure = lookup.failure->message;
      continue;
    }
    epochs.insert(lookup.epoch.text());
    const auto expected = history_->expected(lookup.epoch, lookup.key);
    if (!expected || !lookup.value || *lookup.value != expected->encode()) {
      ++figures_.inconsistent;
      if (figures_.first_inconsistency.empty()) {
        figures_.first_inconsistency = std::string(!expected ? "an epoch that the history has not: "
                                                   : !lookup.value ? "a key said to be absent in "
                                                                   : "another value than is in ") +
                                       lookup.epoch.text();
      }
    }
    const bool in_rotation =
        std::any_of(rotations_.begin(), rotations_.end(),
                    [&](const Window& window) { return within(lookup, window); });
    if (in_rotation) rotating.push_back(lookup.latency());
    if (lookup.arrived >= rest.begin && lookup.arrived < rest.end) {
      at_rest.push_back(lookup.latency());
    }
    if (lookup.arrived >= beside.begin && lookup.arrived < beside.end) {
      beside_download.push_back(lookup.latency());
    }
  }
  figures_.epochs_seen = epochs.size();
  figures_.gone = load.gone();
  figures_.at_rest = report::percentiles(std::move(at_rest));
  figures_.beside_download = report::percentiles(std::move(beside_download));
  figures_.rotating = report::percentiles(std::move(rotating));
  figures_.batch = report::percentiles(std::move(batch_seconds_));
  figures_.rotation = report::percentiles(std::move(rotation_seconds_));
  for (auto& [name, seconds] : phase_seconds_) {
    figures_.phases.emplace_back(name, report::percentiles(std::move(seconds)));
  }
}

Result<void> RotateRun::compare_ends(const ServerProcesses& servers) {
  auto client = connect_clients(servers);
  if (!client) return forward_error(client);
  // The newest epoch that both have is the last of the history, unless one was left behind.
  const auto& epoch = *(*client)->epoch();
  figures_.converged =
      epoch.id.base == EpochId::of_base(history_->manifest(plan_.rotations).content_id, 0).base &&
      epoch.id.seq == history_->batches().size() && history_->expected(epoch.id, 0).has_value();
  return {};
}

Result<RotateFigures> RotateRun::run(const std::filesystem::path& program) {
  SeededRandom random(seed_);
  const auto directory = TemporaryDirectory::create();
  if (!directory) return tl::unexpected<Error>(directory.error());
  const auto history =
      RotatingHistory::create({plan_.table_bytes, plan_.rotations, plan_.batches, plan_.batch_rows},
                              random, directory->path(), progress_);
  if (!history) return tl::unexpected<Error>(history.error());
  history_ = &*history;
  figures_.backend = plan_.backend;
  figures_.keys = history->keys();
  figures_.row_bytes = history->manifest(0).metadata.geometry.row_bytes;

  auto origin = SlowOrigin::start(directory->path());
  if (!origin) return forward_error(origin);
  progress_("starting two servers", 0, 0);
  const ServerSettings settings{program,
                                directory->path() / history->manifest_name(0),
                                plan_.backend,
                                directory->path(),
                                true,
                                (*origin)->host(),
                                {plan_.faults, seed_}};
  auto servers = ServerProcesses::start(settings);
  if (!servers) return forward_error(servers);
  auto feeder = Admins::connect(*servers);
  if (!feeder) return forward_error(feeder);
  auto rotator = Admins::connect(*servers);
  if (!rotator) return forward_error(rotator);

  auto capacity = measure_capacity(*servers);
  if (!capacity) return forward_error(capacity);
  figures_.capacity = *capacity;
  figures_.offered = *capacity * plan_.load_share;
  // A download so slow that enough lookups fall into the rotations.
  seconds_per_rotation_ =
      sample_reserve * static_cast<double>(plan_.samples) / figures_.offered / plan_.rotations;
  const auto bytes = static_cast<double>(history->manifest(0).metadata.geometry.bytes());
  (*origin)->set_rate(static_cast<std::uint64_t>(bytes / seconds_per_rotation_));

  auto load = OpenLoad::start(load_plan(*servers, figures_.offered));
  if (!load) return forward_error(load);
  Window rest{(*load)->now(), 0};
  if (auto waited = wait_for_samples(**load, *servers, "lookups at rest"); !waited) {
    return forward_error(waited);
  }
  rest.end = (*load)->now();
  Window beside{rest.end, rest.end};
  if (plan_.beside_download) {
    const std::uint64_t begin = (*load)->answered();
    while ((*load)->answered() - begin < plan_.samples) {
      progress_("lookups beside curl | sha256sum", (*load)->answered() - begin, plan_.samples);
      auto downloaded = download_and_digest((*origin)->url(history->manifest(1).file), 2,
                                            directory->path() / "download.log");
      if (!downloaded) return forward_error(downloaded);
      if (auto alive = servers->check_alive(); !alive) return forward_error(alive);
    }
    beside.end = (*load)->now();
  }
  if (auto fed = feed(*feeder, *rotator, **load, (*origin)->host()); !fed)
    return forward_error(fed);
  (*load)->stop();
  if (auto compared = compare_ends(*servers); !compared) return forward_error(compared);
  progress_("comparing every answer", 0, 0);
  judge(**load, rest, beside);
  if (auto stopped = servers->stop(); !stopped) return forward_error(stopped);
  return std::move(figures_);
}

}  // namespace

Result<RotateFigures> run_rotations(const RotatePlan& plan, std::uint64_t seed,
                                    const std::filesystem::path& program,
                                    const ProgressReport& progress) {
  auto figures = RotateRun(plan, seed, progress).run(program);
  if (!figures) return figures;
  if (plan.large_bytes > 0) {
    auto large =
        rotate_large(plan.large_bytes, plan.backend, plan.beside_download, seed, program, progress);
    if (!large) return forward_error(large);
    figures->large = *large;
  }
  return figures;
}

}  // namespace gyre::scenario
