#include "fault_injection/contents.hpp"

#include <algorithm>
#include <utility>

#include "core/dpf/expand.hpp"

namespace gyre::fault_injection {

std::vector<std::byte> Content::answer(QueryKind kind, const dpf::Key& key) const {
  const Geometry& geometry = metadata.geometry;
  const std::uint64_t records = geometry.records(kind);
  std::vector<dpf::Block> leaves(static_cast<std::size_t>(dpf::leaves_for(records)));
  dpf::expand(dpf::best_expansion_kernel(), key, 0, leaves);
  const auto bits = std::as_bytes(std::span(leaves));
  std::vector<std::byte> sum(static_cast<std::size_t>(geometry.answer_bytes(kind)));
  for (std::uint64_t i = 0; i < records; ++i) {
    if ((std::to_integer<unsigned>(bits[i / 8]) >> (i % 8) & 1U) == 0) continue;
    const auto selected = record(kind, i);
    for (std::size_t b = 0; b < sum.size(); ++b) sum[b] ^= selected[b];
  }
  return sum;
}

std::span<const std::byte> Content::record(QueryKind kind, std::uint64_t index) const {
  const std::uint64_t bytes = metadata.geometry.answer_bytes(kind);
  return std::span(rows).subspan(static_cast<std::size_t>(index * bytes),
                                 static_cast<std::size_t>(bytes));
}

void Contents::add_base(const Bytes32& content_id, const Metadata& metadata,
                        std::vector<std::byte> rows) {
  add(Content{EpochId::of_base(content_id, metadata.as_of_seq), content_id, metadata,
              std::move(rows)});
}

void Contents::add_batch(const UpdateBatch& batch, std::optional<Bytes8> after) {
  const Link link{batch, after};
  if (std::find(links_.begin(), links_.end(), link) != links_.end()) return;
  links_.push_back(link);
  std::vector<std::shared_ptr<const Content>> before;
  for (const auto& [name, content] : by_name_) {
    if (link.follows(*content)) before.push_back(content);
  }
  for (const auto& content : before) add(applied(*content, batch));
}

void Contents::add(Content content) {
  const auto [place, is_new] = by_name_.try_emplace(content.id.text());
  if (!is_new) return;
  place->second = std::make_shared<const Content>(std::move(content));
  const auto added = place->second;
  for (const Link& link : links_) {
    if (link.follows(*added)) add(applied(*added, link.batch));
  }
}

Content Contents::applied(const Content& before, const UpdateBatch& batch) const {
  Content next = before;
  next.id = before.id.after(batch.seq, binary_form(batch), sha256_);
  const std::uint64_t row_bytes = before.metadata.geometry.row_bytes;
  for (const TableUpdate& part : batch.tables) {
    const bool fits = !part.rows.empty() && part.table == before.metadata.table &&
                      part.data.size() == part.rows.size() * row_bytes &&
                      part.rows.back() < before.metadata.geometry.rows;
    for (std::size_t i = 0; fits && i < part.rows.size(); ++i) {
      std::copy_n(part.data.begin() + static_cast<std::ptrdiff_t>(i * row_bytes), row_bytes,
                  next.rows.begin() + static_cast<std::ptrdiff_t>(part.rows[i] * row_bytes));
    }
  }
  return next;
}

const Content* Contents::find(const EpochId& id) const {
  const auto found = by_name_.find(id.text());
  return found == by_name_.end() ? nullptr : found->second.get();
}

std::vector<const Content*> Contents::that_answer(QueryKind kind, const dpf::Key& key,
                                                  std::span<const std::byte> answer) const {
  std::vector<const Content*> found;
  for (const auto& [name, content] : by_name_) {
    const Geometry& geometry = content->metadata.geometry;
    if (geometry.answer_bytes(kind) != answer.size()) continue;
    if (dpf::levels_for(geometry.records(kind)) > key.levels.size()) continue;
    if (std::ranges::equal(content->answer(kind, key), answer)) found.push_back(content.get());
  }
  return found;
}

}  // namespace gyre::fault_injection
