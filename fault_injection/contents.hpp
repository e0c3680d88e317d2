// What every name of an epoch stands for: a model that knows bases and batches, and nothing of
// images, overlays or servers. Answers and descriptions are held against it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "core/dpf/key.hpp"
#include "core/epoch_id.hpp"
#include "core/geometry.hpp"
#include "core/metadata.hpp"
#include "core/update_batch.hpp"

namespace gyre::fault_injection {

struct Content {
  EpochId id;
  Bytes32 content_id{};  // of the base
  Metadata metadata;
  std::vector<std::byte> rows;

  // The XOR of the records that the key selects. REQUIRES: a key of enough levels.
  [[nodiscard]] std::vector<std::byte> answer(QueryKind kind, const dpf::Key& key) const;
  [[nodiscard]] std::span<const std::byte> record(QueryKind kind, std::uint64_t index) const;
};

// Knows every epoch that its bases and batches can lead to, whether a server went there or not: for
// small tables and short feeds. Not thread-safe.
class Contents {
 public:
  explicit Contents(Sha256 sha256) : sha256_(sha256) {}

  void add_base(const Bytes32& content_id, const Metadata& metadata, std::vector<std::byte> rows);
  // Also one that was refused: a server that took it all the same is to be recognised. `after`: the
  // chain that it came upon, if that is known; else it may follow any. Where many batches compete
  // for a number it must be known: there are too many feeds that might be otherwise.
  void add_batch(const UpdateBatch& batch, std::optional<Bytes8> after = std::nullopt);

  // Null: nothing leads to an epoch of that name.
  [[nodiscard]] const Content* find(const EpochId& id) const;
  // All epochs that answer that key so, in the order of their names.
  [[nodiscard]] std::vector<const Content*> that_answer(QueryKind kind, const dpf::Key& key,
                                                        std::span<const std::byte> answer) const;

 private:
  void add(Content content);
  [[nodiscard]] Content applied(const Content& before, const UpdateBatch& batch) const;

  struct Link {
    UpdateBatch batch;
    std::optional<Bytes8> after;

    [[nodiscard]] bool follows(const Content& content) const {
      return content.id.seq + 1 == batch.seq && (!after || *after == content.id.chain);
    }
    friend bool operator==(const Link&, const Link&) = default;
  };
  const Sha256 sha256_;
  std::vector<Link> links_;
  std::map<std::string, std::shared_ptr<const Content>> by_name_;
};

}  // namespace gyre::fault_injection
