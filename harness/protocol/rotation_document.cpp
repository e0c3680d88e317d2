#include "harness/protocol/rotation_document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/protocol/json.hpp"

namespace gyre::protocol {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, rotation_phases> phase_names = {
#define GYRE_NAME(phase, meaning) #phase,
    GYRE_ROTATION_PHASES(GYRE_NAME)
#undef GYRE_NAME
};
constexpr std::array<std::string_view, rotation_states> state_names = {
#define GYRE_NAME(state) #state,
    GYRE_ROTATION_STATES(GYRE_NAME)
#undef GYRE_NAME
};

constexpr std::size_t max_word_bytes = 64;
constexpr std::size_t max_detail_bytes = 4096;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= max_word_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

tl::unexpected<Error> bad(std::string_view member) {
  return fail(ErrorCode::malformed_request,
              "\"" + std::string(member) + "\" is not of the documented form");
}

json phases_to_json(const std::vector<PhaseTime>& phases) {
  json list = json::array();
  for (const PhaseTime& time : phases) {
    list.push_back({{"phase", name(time.phase)}, {"seconds", time.seconds}});
  }
  return list;
}

json to_json(const RotationDocument& rotation) {
  json object = {{"id", rotation.id},
                 {"state", name(rotation.state)},
                 {"phase", name(rotation.phase)},
                 {"started_at", rotation.started_at},
                 {"bytes", rotation.bytes},
                 {"total_bytes", nullptr},
                 {"bytes_per_second", rotation.bytes_per_second},
                 {"phases", phases_to_json(rotation.phases)},
                 {"error", nullptr},
                 {"epoch", nullptr},
                 {"replayed", rotation.replayed},
                 {"discarded", rotation.discarded}};
  if (rotation.total_bytes) object["total_bytes"] = *rotation.total_bytes;
  if (rotation.error) {
    object["error"] = {{"code", rotation.error->code}, {"detail", rotation.error->detail}};
  }
  if (rotation.epoch) object["epoch"] = epoch_entry_to_json(*rotation.epoch);
  return object;
}

// A message is our own text, but a defect in one must not become an exception here.
std::string text_of(const json& document) {
  return document.dump(-1, ' ', true, json::error_handler_t::replace);
}

template <typename Enum, std::size_t Count>
Result<Enum> word_of(const json& object, std::string_view member,
                     const std::array<std::string_view, Count>& words) {
  auto text = string_member(object, member, max_word_bytes);
  if (!text) return forward_error(text);
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found == words.end()) return bad(member);
  return static_cast<Enum>(found - words.begin());
}

Result<double> measure_of(const json& object, std::string_view member) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_number()) return bad(member);
  const auto value = found->get<double>();
  if (!std::isfinite(value) || value < 0) return bad(member);
  return value;
}

Result<std::vector<PhaseTime>> phases_of(const json& list) {
  if (!list.is_array() || list.size() > rotation_phases) return bad("phases");
  std::vector<PhaseTime> phases;
  for (const json& element : list) {
    auto members = require_members(element, {"phase", "seconds"});
    if (!members) return forward_error(members);
    auto phase = word_of<RotationPhase>(element, "phase", phase_names);
    if (!phase) return forward_error(phase);
    auto seconds = measure_of(element, "seconds");
    if (!seconds) return forward_error(seconds);
    phases.push_back({*phase, *seconds});
  }
  return phases;
}

Result<RotationDocument::Failure> failure_of(const json& object) {
  auto members = require_members(object, {"code", "detail"});
  if (!members) return forward_error(members);
  auto code = string_member(object, "code", max_word_bytes);
  auto detail = string_member(object, "detail", max_detail_bytes);
  if (!code || !is_word(*code) || !detail) return bad("error");
  std::replace_if(
      detail->begin(), detail->end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return RotationDocument::Failure{std::move(*code), std::move(*detail)};
}

Result<void> read_numbers(const json& object, RotationDocument& rotation) {
  auto bytes = unsigned_member(object, "bytes");
  if (!bytes) return forward_error(bytes);
  rotation.bytes = *bytes;
  if (!object["total_bytes"].is_null()) {
    auto total = unsigned_member(object, "total_bytes");
    if (!total) return forward_error(total);
    rotation.total_bytes = *total;
  }
  auto rate = measure_of(object, "bytes_per_second");
  if (!rate) return forward_error(rate);
  rotation.bytes_per_second = *rate;
  auto replayed = unsigned_member(object, "replayed");
  if (!replayed) return forward_error(replayed);
  rotation.replayed = *replayed;
  auto discarded = unsigned_member(object, "discarded");
  if (!discarded) return forward_error(discarded);
  rotation.discarded = *discarded;
  return {};
}

Result<RotationDocument> from_json(const json& object) {
  auto members = require_members(
      object, {"id", "state", "phase", "started_at", "bytes", "total_bytes", "bytes_per_second",
               "phases", "error", "epoch", "replayed", "discarded"});
  if (!members) return forward_error(members);
  RotationDocument rotation;
  auto id = string_member(object, "id", max_rotation_id_bytes);
  auto started_at = string_member(object, "started_at", max_word_bytes);
  if (!id || !is_word(*id)) return bad("id");
  if (!started_at || !is_word(*started_at)) return bad("started_at");
  rotation.id = std::move(*id);
  rotation.started_at = std::move(*started_at);
  auto state = word_of<RotationState>(object, "state", state_names);
  if (!state) return forward_error(state);
  rotation.state = *state;
  auto phase = word_of<RotationPhase>(object, "phase", phase_names);
  if (!phase) return forward_error(phase);
  rotation.phase = *phase;
  auto phases = phases_of(object["phases"]);
  if (!phases) return forward_error(phases);
  rotation.phases = std::move(*phases);
  auto numbers = read_numbers(object, rotation);
  if (!numbers) return forward_error(numbers);
  if (!object["error"].is_null()) {
    auto failure = failure_of(object["error"]);
    if (!failure) return forward_error(failure);
    rotation.error = std::move(*failure);
  }
  if (!object["epoch"].is_null()) {
    auto epoch = epoch_entry_from_json(object["epoch"]);
    if (!epoch) return forward_error(epoch);
    rotation.epoch = std::move(*epoch);
  }
  return rotation;
}

}  // namespace

std::string_view name(RotationPhase phase) noexcept {
  return phase_names[static_cast<std::size_t>(phase)];
}
std::string_view name(RotationState state) noexcept {
  return state_names[static_cast<std::size_t>(state)];
}

std::string encode_rotation(const RotationDocument& rotation) {
  return text_of(to_json(rotation));
}

std::string encode_rotations(const std::vector<RotationDocument>& rotations) {
  json list = json::array();
  for (const RotationDocument& rotation : rotations) list.push_back(to_json(rotation));
  return text_of(json{{"rotations", std::move(list)}});
}

std::string encode_rotation_answer(const RotationDocument& rotation) {
  json object = epoch_entry_to_json(*rotation.epoch);
  object["rotation"] = rotation.id;
  object["state"] = name(rotation.state);
  object["phases"] = phases_to_json(rotation.phases);
  object["replayed"] = rotation.replayed;
  object["discarded"] = rotation.discarded;
  return text_of(object);
}

Result<RotationDocument> decode_rotation(std::string_view body) try {
  auto object = parse_json(body, max_rotation_document_bytes);
  if (object) {
    auto rotation = from_json(*object);
    if (rotation || rotation.error().code == ErrorCode::out_of_memory) return rotation;
    return fail(ErrorCode::bad_answer,
                "the server's rotation is not of the documented form: " + rotation.error().message);
  }
  if (object.error().code == ErrorCode::out_of_memory) return forward_error(object);
  return fail(ErrorCode::bad_answer, "the server's rotation is not of the documented form");
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::out_of_memory, "there is not enough memory to read a rotation");
}

}  // namespace gyre::protocol
