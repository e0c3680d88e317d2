// Random histories of batches, bases, rollbacks and compactions, held against a model that knows
// nothing of overlays: every epoch that a server still holds has exactly the rows it was published
// with.
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "tests/support/generators.hpp"
#include "tests/support/written_epochs.hpp"

namespace gyre {
namespace {

constexpr Geometry geometry{12, 4, 3};
constexpr std::uint8_t tables = 3;  // numbers 1 … 3

// A batch with rows for some tables.
UpdateBatch arbitrary_batch(std::uint64_t seq) {
  UpdateBatch batch{seq, {}};
  for (std::uint8_t table = 1; table <= tables; ++table) {
    if (*anywhere_in(0, 4) == 0) continue;
    std::vector<std::pair<std::uint64_t, std::uint8_t>> rows;
    for (std::uint64_t row = 0; row < geometry.rows; ++row) {
      if (*anywhere_in(0, 4) == 0)
        rows.emplace_back(row, static_cast<std::uint8_t>(*anywhere_in(0, 256)));
    }
    if (!rows.empty()) batch.tables.push_back(table_update(table, geometry.row_bytes, rows));
  }
  if (batch.tables.empty()) batch.tables.push_back(table_update(1, geometry.row_bytes, {{0, 1}}));
  return batch;
}

// A server as one would describe it: the rows of an epoch are its base's with the batches written
// over them.
struct Model {
  struct State {
    std::uint8_t table = 0;
    std::uint64_t seq = 0;
    Rows rows;
    std::vector<UpdateBatch> accepted;  // that the feed position stands on, in order; a base that
                                        // was ahead of the feed leaves a gap

    // Every batch after this one, up to the feed position, was accepted.
    [[nodiscard]] std::uint64_t reaches_back_to() const {
      std::uint64_t from = seq;
      for (auto batch = accepted.rbegin(); batch != accepted.rend(); ++batch) {
        if (batch->seq == from) --from;
      }
      return from;
    }
  };
  State current;
  std::map<std::string, State> by_id;

  static bool write(State& state, const UpdateBatch& batch) {
    for (const TableUpdate& part : batch.tables) {
      if (part.table != table_id(state.table)) continue;
      for (std::size_t i = 0; i < part.rows.size(); ++i) {
        std::copy_n(
            part.data.begin() + static_cast<std::ptrdiff_t>(i * geometry.row_bytes),
            geometry.row_bytes,
            state.rows.begin() + static_cast<std::ptrdiff_t>(part.rows[i] * geometry.row_bytes));
      }
      return true;
    }
    return false;
  }
};

void compare(const WrittenEpochs& epochs, const Model& model) {
  const auto held = epochs.table.snapshot();
  RC_ASSERT(rows_of(held.front().epoch()) == model.current.rows);
  RC_ASSERT(held.front().epoch().id.seq == model.current.seq);
  RC_ASSERT(held.front().epoch().metadata.table == table_id(model.current.table));
  for (const Lease& lease : held) {
    const auto known = model.by_id.find(lease.epoch().id.text());
    RC_ASSERT(known != model.by_id.end());
    RC_ASSERT(rows_of(lease.epoch()) == known->second.rows);
    RC_ASSERT(lease.epoch().metadata.table == table_id(known->second.table));
  }
}

RC_GTEST_PROP(EpochHistory, EveryEpochKeepsItsRows, ()) {
  WrittenEpochs epochs(
      {.max_overlay_rows = 200},
      {.retain_epochs = 6, .retain_for = std::chrono::hours(1), .retain_bases = 2});
  Model model;
  const auto remember = [&] { model.by_id[epochs.id().text()] = model.current; };
  model.current = {1, 5, constant_rows(geometry, 7), {}};
  RC_ASSERT(epochs.install(base_of(1, 5, geometry, model.current.rows)).has_value());
  remember();

  for (int step = *anywhere_in(1, 30); step > 0; --step) {
    switch (*anywhere_in(0, 8)) {
      default: {
        const UpdateBatch batch = arbitrary_batch(model.current.seq + 1);
        RC_ASSERT(epochs.writer.apply(batch).has_value());
        model.current.seq = batch.seq;
        model.current.accepted.push_back(batch);
        Model::write(model.current, batch);
        remember();
        break;
      }
      case 5: {  // another base, somewhere in the feed
        const auto table = static_cast<std::uint8_t>(*anywhere_in(1, tables + 1));
        const auto as_of = *anywhere_in<std::uint64_t>(3, model.current.seq + 3);
        const bool discard = *rc::gen::arbitrary<bool>();
        Model::State next{table,
                          as_of,
                          constant_rows(geometry, static_cast<std::uint8_t>(*anywhere_in(0, 256))),
                          {}};
        const auto base = base_of(table, as_of, geometry, next.rows);
        bool lost = as_of < model.current.seq && as_of < model.current.reaches_back_to();
        for (const UpdateBatch& batch : model.current.accepted) {
          if (batch.seq > as_of && !lost) lost = !Model::write(next, batch);
        }
        const auto installed = epochs.install(base, discard);
        RC_ASSERT(installed.has_value() == (!lost || discard));
        if (!installed) {
          RC_ASSERT(installed.error().code == ErrorCode::updates_would_be_lost);
          break;
        }
        next.accepted = model.current.accepted;
        if (lost) {
          RC_ASSERT(installed->discarded == model.current.seq - as_of);
          next.rows = rows_of({{}, {}, base.metadata, base.images, {}, {}});
          std::erase_if(next.accepted, [&](const UpdateBatch& batch) { return batch.seq > as_of; });
        } else {
          next.seq = std::max(as_of, model.current.seq);
          RC_ASSERT(installed->discarded == 0U);
        }
        model.current = next;
        remember();
        break;
      }
      case 6: {
        const auto held = epochs.table.snapshot();
        const Lease& target = held[*anywhere_in<std::size_t>(0, held.size())];
        const EpochId id = target.epoch().id;
        const auto back = epochs.roll_back(id, true);
        RC_ASSERT(back.has_value());
        for (const Lease& lease : held) {
          if (lease.generation().count <= target.generation().count) continue;
          if (lease.epoch().id == id) continue;
          RC_ASSERT(!epochs.table.lease(lease.epoch().id).has_value());
        }
        model.current = model.by_id.at(id.text());
        break;
      }
      case 7:
        RC_ASSERT(epochs.compact().has_value());
        break;
    }
    compare(epochs, model);
  }
}

// The same base and batches, the base coming at any point: one name and one content.
RC_GTEST_PROP(EpochHistory, TwoServersThatHoldTheSameNameItAlike, ()) {
  const auto count = *anywhere_in<std::uint64_t>(1, 8);
  std::vector<UpdateBatch> batches;
  for (std::uint64_t seq = 1; seq <= count; ++seq) {
    UpdateBatch batch{seq, {}};
    for (std::uint8_t table = 1; table <= 2; ++table) {
      batch.tables.push_back(table_update(table, geometry.row_bytes,
                                          {{*anywhere_in<std::uint64_t>(0, geometry.rows),
                                            static_cast<std::uint8_t>(*anywhere_in(0, 256))}}));
    }
    batches.push_back(batch);
  }
  const auto as_of = *anywhere_in<std::uint64_t>(0, count);
  const auto serve = [&](WrittenEpochs& epochs) {
    // The base was made at as_of, so it can come no earlier.
    const auto rotate_after = *anywhere_in<std::uint64_t>(as_of, count + 1);
    RC_ASSERT(epochs.install(base_of(1, 0, geometry, constant_rows(geometry, 1))).has_value());
    for (std::uint64_t seq = 0; seq <= count; ++seq) {
      if (seq > 0) RC_ASSERT(epochs.writer.apply(batches[seq - 1]).has_value());
      if (*anywhere_in(0, 3) == 0) RC_ASSERT(epochs.compact().has_value());
      if (seq == rotate_after) {
        RC_ASSERT(
            epochs.install(base_of(2, as_of, geometry, constant_rows(geometry, 2))).has_value());
      }
    }
  };
  WrittenEpochs first;
  WrittenEpochs second;
  serve(first);
  serve(second);
  RC_ASSERT(first.id() == second.id());
  RC_ASSERT(first.rows() == second.rows());
}

RC_GTEST_PROP(EpochHistory, DifferentContentNeverSharesAName, ()) {
  const auto count = *anywhere_in<std::uint64_t>(1, 5);
  const auto changed = *anywhere_in<std::uint64_t>(1, count + 1);
  WrittenEpochs first;
  WrittenEpochs second;
  for (WrittenEpochs* epochs : {&first, &second}) {
    RC_ASSERT(epochs->install(base_of(1, 0, geometry, constant_rows(geometry, 1))).has_value());
    for (std::uint64_t seq = 1; seq <= count; ++seq) {
      const auto value = static_cast<std::uint8_t>(seq == changed && epochs == &second ? 99 : seq);
      RC_ASSERT(epochs->writer.apply({seq, {table_update(1, 4, {{seq, value}})}}).has_value());
    }
  }
  RC_ASSERT(first.id() != second.id());
}

// Batches, bases and compactions from several threads, while others look: whatever they see belongs
// together. Every byte of an epoch's rows tells its table and its last batch.
TEST(EpochHistory, ReadersSeeOnlyWholeEpochs) {
  constexpr std::uint64_t last = 120;
  WrittenEpochs epochs(
      {}, {.retain_epochs = 8, .retain_for = std::chrono::hours(1), .retain_bases = 1});
  const auto value = [](std::uint8_t table, std::uint64_t seq) {
    return static_cast<std::uint8_t>(table * 128 + seq % 128);
  };
  const auto all_rows = [&](std::uint8_t table, std::uint64_t seq) {
    std::vector<std::pair<std::uint64_t, std::uint8_t>> rows;
    for (std::uint64_t row = 0; row < geometry.rows; ++row)
      rows.emplace_back(row, value(table, seq));
    return table_update(table, geometry.row_bytes, rows);
  };
  ASSERT_TRUE(epochs.install(base_of(0, 0, geometry, constant_rows(geometry, value(0, 0)))));

  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> looks = 0;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (std::uint64_t seq = 1; seq <= last; ++seq) {
      const auto applied = epochs.writer.apply({seq, {all_rows(0, seq), all_rows(1, seq)}});
      EXPECT_TRUE(applied) << applied.error().message;
      // Nobody is to miss everything.
      while (looks < seq) std::this_thread::yield();
    }
    over = true;
  });
  threads.emplace_back([&] {
    for (std::uint8_t table = 1; !over; table = table == 0 ? 1 : 0) {
      const std::uint64_t seq = epochs.id().seq;
      const auto installed =
          epochs.install(base_of(table, seq, geometry, constant_rows(geometry, value(table, seq))));
      EXPECT_TRUE(installed) << installed.error().message;
    }
  });
  threads.emplace_back([&] {
    while (!over) EXPECT_TRUE(epochs.compact());
  });
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      std::uint64_t newest = 0;
      while (!over) {
        const auto held = epochs.table.snapshot();
        EXPECT_GE(held.front().generation().count, newest);
        newest = held.front().generation().count;
        for (const Lease& lease : held) {
          const Epoch& epoch = lease.epoch();
          const auto table = static_cast<std::uint8_t>(epoch.metadata.table[0]);
          EXPECT_EQ(rows_of(epoch), constant_rows(geometry, value(table, epoch.id.seq)));
          ++looks;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(epochs.id().seq, last);
}

}  // namespace
}  // namespace gyre
