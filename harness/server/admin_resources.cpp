#include "harness/server/admin_resources.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ascii.hpp"
#include "harness/protocol/epoch_document.hpp"
#include "harness/protocol/rotation_document.hpp"
#include "harness/server/epoch_entry.hpp"

namespace gyre::server {
namespace {

// A source and a device notice within a fraction of a second that they should stop.
constexpr std::chrono::seconds patience_with_a_cancellation{10};

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool prefers_async(std::string_view prefer) noexcept {
  while (!prefer.empty()) {
    const auto comma = std::min(prefer.find(','), prefer.size());
    const auto preference = prefer.substr(0, comma);
    const auto word = trimmed(preference.substr(0, preference.find(';')));
    if (ascii_lower_case(word) == "respond-async") return true;
    prefer.remove_prefix(std::min(comma + 1, prefer.size()));
  }
  return false;
}

AdminResources::AdminResources(RotationService& rotations, EpochWriter& writer,
                               const EpochTable& epochs, Compactor& compactor, Metrics& metrics,
                               protocol::UpdateLimits update_limits)
    : rotations_(rotations),
      writer_(writer),
      epochs_(epochs),
      compactor_(compactor),
      metrics_(metrics),
      update_limits_(update_limits) {}

Result<AdminAnswer> AdminResources::post_snapshot(std::string_view body, std::string_view prefer) {
  auto request = protocol::decode_snapshot_request(body);
  if (!request) return forward_error(request);
  auto started = rotations_.start(std::move(*request));
  if (!started) return forward_error(started);
  const Rotation& rotation = **started;
  if (prefers_async(prefer)) {
    return AdminAnswer{202, protocol::encode_rotation(rotation.document()),
                       "/admin/rotations/" + rotation.id()};
  }
  rotation.wait();
  const protocol::RotationDocument document = rotation.document();
  if (!document.epoch) return tl::unexpected<Error>(rotation.error());
  return AdminAnswer{200, protocol::encode_rotation_answer(document)};
}

Result<AdminAnswer> AdminResources::get_rotations() const {
  std::vector<protocol::RotationDocument> documents;
  for (const auto& rotation : rotations_.list()) documents.push_back(rotation->document());
  return AdminAnswer{200, protocol::encode_rotations(documents)};
}

Result<AdminAnswer> AdminResources::get_rotation(std::string_view id) const {
  auto rotation = rotations_.find(id);
  if (!rotation) return forward_error(rotation);
  return AdminAnswer{200, protocol::encode_rotation((*rotation)->document())};
}

Result<AdminAnswer> AdminResources::delete_rotation(std::string_view id) const {
  auto rotation = rotations_.find(id);
  if (!rotation) return forward_error(rotation);
  (*rotation)->cancel();
  const bool ended = (*rotation)->wait_for(patience_with_a_cancellation);
  return AdminAnswer{ended ? 200 : 202, protocol::encode_rotation((*rotation)->document())};
}

Result<AdminAnswer> AdminResources::post_rollback(std::string_view body) {
  auto request = protocol::decode_rollback_request(body);
  if (!request) return forward_error(request);
  auto installed = rotations_.roll_back(*request);
  metrics_.count_rollback(installed ? std::nullopt : std::optional(installed.error().code));
  if (!installed) return forward_error(installed);
  nlohmann::json object = protocol::epoch_entry_to_json(describe(installed->lease));
  object["discarded"] = installed->discarded;
  return AdminAnswer{200, object.dump()};
}

Result<AdminAnswer> AdminResources::post_updates(std::string_view body,
                                                 protocol::Encoding encoding) {
  auto answer = apply_updates(body, encoding);
  if (!answer) metrics_.count_refused_batch(answer.error().code);
  return answer;
}

Result<AdminAnswer> AdminResources::apply_updates(std::string_view body,
                                                  protocol::Encoding encoding) {
  protocol::KnownTables known;
  for (const Lease& lease : epochs_.snapshot()) {
    const Metadata& metadata = lease.epoch().metadata;
    known.emplace(metadata.table, metadata.geometry.row_bytes);
  }
  auto batch = protocol::decode_update_batch(body, encoding, update_limits_, known);
  if (!batch) return forward_error(batch);
  auto applied = writer_.apply(*batch);
  if (!applied) return forward_error(applied);
  compactor_.nudge();
  std::uint64_t rows = 0;
  for (const TableUpdate& table : batch->tables) rows += table.rows.size();
  metrics_.count_batch(applied->resent, rows);
  return AdminAnswer{200, protocol::encode_update_reply(protocol::UpdateReply{
                              batch->seq, applied->id, rows, applied->resent})};
}

}  // namespace gyre::server
