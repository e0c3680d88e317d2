#include "core/staging_set.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "core/elapsed.hpp"

namespace gyre {

Result<StagingSet> StagingSet::create(std::span<Backend* const> backends, const Geometry& geometry,
                                      HostImages host_images) try {
  const auto is_host = [](const Backend* backend) { return backend->place() == Place::host; };
  if (std::none_of(backends.begin(), backends.end(), is_host)) {
    return fail(ErrorCode::bad_configuration,
                "a device needs a backend in host memory beside it, for when it fails");
  }
  StagingSet set;
  set.host_images_ = host_images;
  set.members_.reserve(backends.size());
  bool checks = host_images == HostImages::checked;
  for (Backend* backend : backends) {
    auto staging = backend->stage(geometry);
    if (staging) {
      checks = checks || backend->place() == Place::device;
      set.members_.push_back({backend->place(), std::move(*staging)});
    } else if (staging.error().code == ErrorCode::device_out_of_memory) {
      set.needs_promotion_ = true;
    } else {
      return forward_error(staging);
    }
  }
  if (checks) {
    auto check = SealCheck::create(geometry);
    if (!check) return forward_error(check);
    set.check_.emplace(std::move(*check));
  }
  return set;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for staging areas");
}

Result<void> StagingSet::write(std::uint64_t first_row, std::span<const std::byte> rows) {
  for (const Member& member : members_) {
    const auto begun = std::chrono::steady_clock::now();
    if (auto written = member.staging->write(first_row, rows); !written) {
      members_.clear();
      return written;
    }
    if (member.place == Place::host) continue;
    device_upload_.bytes += rows.size();
    device_upload_.seconds += seconds_since(begun);
  }
  if (members_.empty()) {
    return fail(ErrorCode::geometry_mismatch,
                "staging areas that failed or are sealed take no rows");
  }
  if (check_) check_->add(first_row, rows);
  return {};
}

Result<Images> StagingSet::seal() try {
  const std::vector<Member> members = std::exchange(members_, {});
  if (members.empty()) {
    return fail(ErrorCode::geometry_mismatch,
                "staging areas that failed or are sealed have no rows");
  }
  Images images;
  images.reserve(members.size());
  for (const Member& member : members) {
    const auto begun = std::chrono::steady_clock::now();
    auto image = member.staging->seal();
    if (!image) return forward_error(image);
    if (member.place == Place::device) device_upload_.seconds += seconds_since(begun);
    images.push_back(std::move(*image));
    if (member.place == Place::host && host_images_ == HostImages::unchecked) continue;
    if (auto same = check_sealed(*check_, member.place, *images.back()); !same) {
      return forward_error(same);
    }
  }
  return images;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "no memory for the list of an epoch's images");
}

}  // namespace gyre
