// An image that scans nothing: an answer is a function of its query, and a test decides when and
// how each pass ends and sees who was in it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <vector>

#include "core/backend.hpp"

namespace gyre {

// A key that is told from others by its seed; of no party and no domain.
inline dpf::Key numbered_key(std::uint64_t number) {
  dpf::Key key;
  key.seed.low = number;
  return key;
}

// What a scripted image answers.
inline std::vector<std::byte> scripted_answer(unsigned image, const Geometry& geometry,
                                              QueryKind kind, const dpf::Key& key,
                                              std::size_t batches) {
  std::vector<std::byte> answer(geometry.answer_bytes(kind));
  for (std::size_t i = 0; i < answer.size(); ++i) {
    answer[i] = static_cast<std::byte>(key.seed.low * 37 + (key.seed.low >> 8U) * 11 + i * 113 +
                                       batches * 71 + image * 151);
  }
  return answer;
}

// What of it comes from one of its parts: something for each, that is the answer when all are
// added.
inline std::vector<std::byte> scripted_part(std::vector<std::byte> answer, std::size_t part,
                                            std::size_t parts) {
  const auto share = [&](std::size_t of, std::size_t i) {
    return static_cast<std::byte>(of * 59 + i * 7 + 1);
  };
  for (std::size_t i = 0; i < answer.size(); ++i) {
    if (part + 1 < parts) {
      answer[i] = share(part, i);
      continue;
    }
    for (std::size_t other = 0; other + 1 < parts; ++other) answer[i] ^= share(other, i);
  }
  return answer;
}

// Thread-safe.
class ScriptedImage final : public Image {
 public:
  // What happens in pass number 0, 1, …, or part of one, on the thread that runs it.
  using Script = std::function<Result<void>(std::size_t pass)>;

  ScriptedImage(unsigned number, const Geometry& geometry, Script script = {},
                std::size_t parts = 1)
      : number_(number), geometry_(geometry), script_(std::move(script)), parts_(parts) {}

  // Lets that many more passes, or parts, end; without it all do. Before the first pass.
  void hold() const { allow_up_to(0); }
  void release(std::size_t passes) const { allow_up_to(allowed() + passes); }
  void release_all() const { allow_up_to(std::numeric_limits<std::size_t>::max()); }

  // Returns once that many passes, or parts of passes, have begun.
  void wait_for_passes(std::size_t passes) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return passes_.size() >= passes; });
  }
  // The keys' numbers of each pass, or part, that has begun, in their order.
  [[nodiscard]] std::vector<std::vector<std::uint64_t>> passes() const {
    const std::lock_guard lock(mutex_);
    return passes_;
  }
  // The bytes of all answers of each.
  [[nodiscard]] std::vector<std::size_t> answer_bytes() const {
    const std::lock_guard lock(mutex_);
    return answer_bytes_;
  }
  // Which part each of them was.
  [[nodiscard]] std::vector<std::size_t> parts_read() const {
    const std::lock_guard lock(mutex_);
    return parts_read_;
  }
  [[nodiscard]] std::size_t most_at_once() const {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
  }

  [[nodiscard]] const Geometry& geometry() const noexcept override { return geometry_; }
  [[nodiscard]] std::string_view residency() const noexcept override { return "scripted"; }
  [[nodiscard]] std::string_view kernel() const noexcept override { return "none"; }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept override { return 0; }
  [[nodiscard]] std::size_t parts() const noexcept override { return parts_; }
  [[nodiscard]] Result<void> answer(const Pass& pass, std::span<std::byte> answers) const override {
    std::vector<std::uint64_t> keys;
    for (const Query& query : pass.queries) keys.push_back(query.key->seed.low);
    std::size_t own = 0;
    {
      std::unique_lock lock(mutex_);
      own = passes_.size();
      passes_.push_back(std::move(keys));
      parts_read_.push_back(pass.part);
      answer_bytes_.push_back(answers.size());
      most_at_once_ = std::max(most_at_once_, ++running_);
      changed_.notify_all();
      changed_.wait(lock, [&] { return own < allowed_; });
    }
    Result<void> outcome = script_ ? script_(own) : Result<void>{};
    for (const Query& query : pass.queries) {
      auto answer =
          scripted_answer(number_, geometry_, query.kind, *query.key, query.overlay->batches());
      if (pass.part != Pass::whole_table) {
        answer = scripted_part(std::move(answer), pass.part, parts_);
      }
      std::copy(answer.begin(), answer.end(), answers.begin());
      answers = answers.subspan(answer.size());
    }
    const std::lock_guard lock(mutex_);
    --running_;
    return outcome;
  }
  [[nodiscard]] Result<void> read_rows(std::uint64_t, std::span<std::byte>) const override {
    return fail(ErrorCode::internal, "a scripted image has no rows");
  }
  [[nodiscard]] Result<std::shared_ptr<const Image>> with_updates(const Overlay&) const override {
    return fail(ErrorCode::internal, "a scripted image has no rows");
  }

 private:
  void allow_up_to(std::size_t passes) const {
    {
      const std::lock_guard lock(mutex_);
      allowed_ = passes;
    }
    changed_.notify_all();
  }
  [[nodiscard]] std::size_t allowed() const {
    const std::lock_guard lock(mutex_);
    return allowed_;
  }

  const unsigned number_;
  const Geometry geometry_;
  const Script script_;
  const std::size_t parts_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::vector<std::vector<std::uint64_t>> passes_;
  mutable std::vector<std::size_t> parts_read_;
  mutable std::vector<std::size_t> answer_bytes_;
  mutable std::size_t allowed_ = std::numeric_limits<std::size_t>::max();
  mutable std::size_t running_ = 0;
  mutable std::size_t most_at_once_ = 0;
};

}  // namespace gyre
