#include "core/epoch_table.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "core/fault_point.hpp"

namespace gyre {

// A published epoch as the table owns it. Its last owner hands it to the retire thread.
class EpochTable::Held final : public Retired {
 public:
  explicit Held(Epoch epoch) : published{std::move(epoch), {}, {}} {}
  PublishedEpoch published;  // changes only before it becomes visible
};

const Epoch& EpochTable::Prepared::epoch() const noexcept {
  return held_->published.epoch;
}

struct EpochTable::Retained {
  std::shared_ptr<const PublishedEpoch> published;
  std::chrono::steady_clock::time_point since;  // when it stopped being current
};

struct EpochTable::State {
  std::shared_ptr<const PublishedEpoch> current;
  std::vector<Retained> retained;  // the newest first; capacity: the policy's retain_epochs
  std::uint64_t publishes = 0;
};

EpochTable::EpochTable(std::string boot, RetentionPolicy policy, Retirer& retirer)
    : boot_(std::move(boot)),
      policy_(policy),
      retirer_(retirer),
      state_(std::make_shared<const State>()) {}

EpochTable::~EpochTable() = default;

std::shared_ptr<const EpochTable::State> EpochTable::state() const noexcept {
  const std::lock_guard lock(mutex_);
  return state_;
}

Result<std::shared_ptr<EpochTable::State>> EpochTable::allocate_state() const {
  try {
    auto state = std::make_shared<State>();
    state->retained.reserve(policy_.retain_epochs);
    return state;
  } catch (const std::length_error&) {
    return fail(ErrorCode::out_of_memory,
                "no memory can hold as many epochs as are to be retained");
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the next epoch");
  }
}

Result<EpochTable::Prepared> EpochTable::prepare(Epoch epoch) {
  GYRE_FAULT_POINT(epoch_alloc);
  if (epoch.images.empty()) {
    return fail(ErrorCode::wrong_epoch_content, "an epoch needs at least one image");
  }
  for (const auto& image : epoch.images) {
    if (image == nullptr || image->geometry() != epoch.metadata.geometry) {
      return fail(ErrorCode::wrong_epoch_content,
                  "every image of an epoch must have the geometry its metadata states");
    }
  }
  auto state = allocate_state();
  if (!state) return forward_error(state);
  try {
    auto unowned = std::make_unique<Held>(std::move(epoch));
    unowned->published.generation.boot = boot_;
    // If the control block cannot be allocated, shared_ptr's constructor calls the deleter itself.
    std::shared_ptr<Held> held(unowned.release(),
                               [&retirer = retirer_](Held* last) { retirer.retire(last); });
    return Prepared(std::move(held), std::move(*state));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "no memory for the next epoch");
  }
}

void EpochTable::carry_over(const State& before, const Keep& keep, State& next,
                            std::chrono::steady_clock::time_point now) const noexcept {
  const EpochId& current = next.current->epoch.id;
  // Bases are counted from the newest retained epoch on; a base beyond the policy's number is
  // dropped with all its epochs. There are few, so a linear look-back costs less than any
  // structure.
  std::size_t other_bases = 0;
  const auto admit = [&](const Retained& candidate) {
    const EpochId& id = candidate.published->epoch.id;
    if (id == current || next.retained.size() >= policy_.retain_epochs) return;
    if (candidate.published->generation.count > keep.up_to_generation) return;
    // In whole seconds: the policy's may be more than fit into finer units.
    const auto age = std::chrono::floor<std::chrono::seconds>(now - candidate.since);
    if (age >= policy_.retain_for) return;
    const bool of_current_base = id.base == current.base;
    if (!keep.other_bases && !of_current_base) return;
    const bool seen =
        std::any_of(next.retained.begin(), next.retained.end(),
                    [&](const Retained& kept) { return kept.published->epoch.id.base == id.base; });
    if (!of_current_base && !seen) {
      if (other_bases >= policy_.retain_bases) return;
      ++other_bases;
    }
    next.retained.push_back(candidate);  // within the reserved capacity: cannot throw
  };
  if (before.current != nullptr && before.current != next.current) {
    admit(Retained{before.current, now});
  }
  for (const Retained& kept : before.retained) admit(kept);
}

Lease EpochTable::publish(Prepared prepared) noexcept {
  return make_current(std::move(prepared), Keep{});
}

Lease EpochTable::roll_back(Prepared prepared, std::uint64_t earlier_generation) noexcept {
  return make_current(std::move(prepared), Keep{.up_to_generation = earlier_generation});
}

Lease EpochTable::make_current(Prepared prepared, const Keep& keep) noexcept {
  const auto now = std::chrono::steady_clock::now();
  PublishedEpoch& published = prepared.held_->published;
  State& next = *prepared.state_;
  std::shared_ptr<const State> before;  // released after the lock
  const std::shared_ptr<const PublishedEpoch> visible(prepared.held_, &published);
  GYRE_FAULT_POINT_WITHOUT_ERROR(publish);
  {
    const std::lock_guard lock(mutex_);
    next.publishes = state_->publishes + 1;
    published.generation.count = next.publishes;
    published.published_at = std::chrono::system_clock::now();
    next.current = visible;
    carry_over(*state_, keep, next, now);
    before = std::exchange(state_, std::move(prepared.state_));
  }
  published_.notify_all();
  return Lease(visible, leases_);
}

void EpochTable::replace_representation(Prepared prepared) noexcept {
  PublishedEpoch& replacement = prepared.held_->published;
  State& next = *prepared.state_;
  const std::shared_ptr<const PublishedEpoch> visible(prepared.held_, &replacement);
  std::shared_ptr<const State> before;
  {
    const std::lock_guard lock(mutex_);
    next.publishes = state_->publishes;
    bool replaced = false;
    using Published = std::shared_ptr<const PublishedEpoch>;
    const auto substitute = [&](const Published& old) -> Published {
      if (old == nullptr || old->epoch.id != replacement.epoch.id) return old;
      replacement.generation.count = old->generation.count;
      replacement.published_at = old->published_at;
      replaced = true;
      return Published(visible);
    };
    next.current = substitute(state_->current);
    for (const Retained& kept : state_->retained) {
      next.retained.push_back(Retained{substitute(kept.published), kept.since});
    }
    if (replaced) before = std::exchange(state_, std::move(prepared.state_));
  }
}

Result<Lease> EpochTable::lease(const EpochChoice& choice) const {
  GYRE_FAULT_POINT(query_lease);
  const std::shared_ptr<const State> now = state();
  if (now->current == nullptr) {
    return fail(ErrorCode::no_epoch,
                "this server has no epoch yet; try again when it has loaded one");
  }
  const auto* id = std::get_if<EpochId>(&choice);
  if (id == nullptr || now->current->epoch.id == *id) return Lease(now->current, leases_);
  const auto found =
      std::find_if(now->retained.begin(), now->retained.end(),
                   [&](const Retained& kept) { return kept.published->epoch.id == *id; });
  if (found == now->retained.end()) {
    return fail(ErrorCode::epoch_gone,
                "that epoch is neither current nor retained here; ask for /epoch and pick again");
  }
  return Lease(found->published, leases_);
}

std::optional<Lease> EpochTable::current() const noexcept {
  const std::shared_ptr<const State> now = state();
  if (now->current == nullptr) return std::nullopt;
  return Lease(now->current, leases_);
}

std::vector<Lease> EpochTable::snapshot() const {
  const std::shared_ptr<const State> now = state();
  std::vector<Lease> leases;
  if (now->current == nullptr) return leases;
  leases.reserve(1 + now->retained.size());
  leases.push_back(Lease(now->current, leases_));
  for (const Retained& kept : now->retained) leases.push_back(Lease(kept.published, leases_));
  return leases;
}

void EpochTable::expire(std::chrono::steady_clock::time_point now) noexcept {
  let_go(Keep{}, now);
}

void EpochTable::drop_other_bases() noexcept {
  let_go(Keep{.other_bases = false}, std::chrono::steady_clock::now());
}

Result<std::shared_ptr<EpochTable::State>> EpochTable::allocate_shorter_state() const {
  GYRE_FAULT_POINT(retain_alloc);
  return allocate_state();
}

void EpochTable::let_go(const Keep& keep, std::chrono::steady_clock::time_point now) noexcept {
  auto next = allocate_shorter_state();
  if (!next) return;  // the next call may have the memory
  std::shared_ptr<const State> before;
  {
    const std::lock_guard lock(mutex_);
    if (state_->current == nullptr || state_->retained.empty()) return;
    (*next)->current = state_->current;
    (*next)->publishes = state_->publishes;
    carry_over(*state_, keep, **next, now);
    before = std::exchange(state_, std::move(*next));
  }
}

bool EpochTable::wait_newer(std::uint64_t count, std::chrono::steady_clock::time_point deadline,
                            const std::stop_token& stop) const {
  std::unique_lock lock(mutex_);
  return published_.wait_until(lock, stop, deadline, [&] { return state_->publishes > count; });
}

}  // namespace gyre
