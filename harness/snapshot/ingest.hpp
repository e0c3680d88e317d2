// A stream of rows on its way into staging, digested as it passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/geometry.hpp"
#include "harness/snapshot/chunk_digester.hpp"

namespace gyre::snapshot {

struct Ingest {
  Geometry geometry;
  // What the digests of the chunks must be; empty: not known. As many as the geometry has chunks.
  std::span<const Bytes32> chunk_digests{};
  // The next bytes of the stream, at most as many as fit; 0: there are no more. Called from a
  // thread of its own. Gives up soon after `reading` was asked to stop.
  std::function<Result<std::size_t>(std::span<std::byte> out)> read;
  // The next whole rows. Called from the thread that called ingest().
  std::function<Result<void>(std::uint64_t first_row, std::span<const std::byte> rows)> write;
  // So many more bytes were written; and when all were. Called like `write`.
  std::function<void(std::uint64_t bytes)> progress = [](std::uint64_t) {};
  std::function<void()> all_written = [] {};
};

// Reads exactly the geometry's bytes and the end of the stream after them. Reading, each of the two
// digests (every chunk, the whole) and writing overlap, each on a thread: SHA-256 bounds ingest,
// and nothing else shall. Memory: a few chunks, whatever the stream does. Rows may lie across
// chunks.
//
// On an error `reading` is asked to stop, so that a reader that waits for its origin does not go on
// doing so. Errors: cancelled (`stop`), digest_mismatch (names the chunk), empty_snapshot,
// misaligned_size and geometry_mismatch (the stream has another length), those of read and write,
// out_of_memory.
[[nodiscard]] Result<ChunkDigester::Digests> ingest(const Ingest& work, std::stop_source& reading,
                                                    const std::stop_token& stop);

// Whether a stream of so many bytes can be the rows. Errors: empty_snapshot, misaligned_size,
// geometry_mismatch.
[[nodiscard]] Result<void> check_length(std::uint64_t bytes, const Geometry& geometry);

}  // namespace gyre::snapshot
