// A private lookup: two servers are asked, and neither alone learns for what.
//
// What a server sees of a client is a function of the number of keys or indices asked for, of the
// metadata and of errors that came before anything was decoded: never of a key, an index, a tag or
// a content. To keep it that way a caller must not let what it found decide whether or what it asks
// next, at least not at once and as a rule; a program that stops at the first hit tells both
// servers when it hit.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/geometry.hpp"
#include "core/random_source.hpp"
#include "harness/client/transport.hpp"
#include "harness/protocol/epoch_document.hpp"

namespace gyre::client {

struct ClientOptions {
  unsigned attempts = 3;                         // of each exchange, the first included; at least 1
  std::chrono::milliseconds first_backoff{100};  // before the second attempt; doubles each time
  // Keys in one request; a server refuses more than its max_keys. At least 3, a lookup's
  // candidates. Nothing is padded: a server sees how many keys are asked for.
  std::uint32_t keys_per_request = 48;
  // Answers of one request, if it has more than one key; below what servers let through by default.
  std::size_t max_answer_bytes = std::size_t{16} << 20U;
};

// Bodies of one server's requests and responses; heads and TLS come on top.
struct Traffic {
  std::uint64_t requests = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
};

// A row or page as the epoch has it.
struct Record {
  std::shared_ptr<const protocol::EpochEntry> epoch;
  std::vector<std::byte> bytes;  // row_bytes or page_bytes() of the epoch's geometry
};

// What a key stands for in the epoch.
struct LookupResult {
  std::shared_ptr<const protocol::EpochEntry> epoch;  // its layout is a Cuckoo3Layout
  std::optional<std::vector<std::byte>>
      value;  // the layout's value_bytes; nothing: the key is not there
};

// Two servers and the epoch that was chosen on both. One thread at a time; it keeps a thread of its
// own so that both servers are asked at once.
//
// Errors of everything that talks to servers, beside the transport's:
//   wrong_party, servers_disagree   the servers are not two that answer together; never retried
//   bad_answer        an answer or document not of the documented form, of another epoch, count or
//   size, or
//                     a `current` epoch older than one seen before; never retried
//   server_refused    a server answered with an error; its reason is in the message
//   epoch_gone, no_epoch            no epoch could be held in common for long enough
// Transport errors, epoch_gone, no_epoch and the statuses 408, 429, 502, 503 and 504 are retried,
// with fresh keys to both servers, until `attempts` are used up.
class PirClient {
 public:
  // Asks both for their epochs and chooses one. The order of the two does not matter: parties come
  // from their documents. `random` must outlive the client; nothing: the operating system's, the
  // only one for use. That the transports lead to two servers is the caller's to see to: over HTTP,
  // connect_over_http() does. Errors: as above, bad_configuration for options out of bounds or two
  // transports of one name.
  [[nodiscard]] static Result<std::unique_ptr<PirClient>> connect(std::unique_ptr<Transport> first,
                                                                  std::unique_ptr<Transport> second,
                                                                  const ClientOptions& options = {},
                                                                  RandomSource* random = nullptr);
  ~PirClient();
  PirClient(const PirClient&) = delete;
  PirClient& operator=(const PirClient&) = delete;

  // Asks both for their epochs and chooses anew. Without it the chosen epoch stays until a server
  // no longer holds it. An error leaves the client with the epoch and the parties it had.
  [[nodiscard]] Result<void> refresh();

  // The chosen one; never null once connected.
  [[nodiscard]] const std::shared_ptr<const protocol::EpochEntry>& epoch() const noexcept;

  // Rows or pages by number, in the order asked for. A number past the table's end is asked for all
  // the same, as number 0, and then reported: malformed_input. All records or an error.
  [[nodiscard]] Result<std::vector<Record>> fetch(std::span<const std::uint64_t> indices,
                                                  QueryKind kind);

  // Values by key, in the order asked for. Each key costs three row queries in one request, also
  // where candidates coincide. The first candidate whose tag fits is the answer; a row of another
  // key passes for it with probability below 2^-62, and nothing else makes an absent key look
  // present or, with honest servers, a present one absent. Errors: bad_configuration if the table
  // is not keyed.
  [[nodiscard]] Result<std::vector<LookupResult>> lookup(
      std::span<const std::vector<std::byte>> keys);

  // How often a request was made anew because a server no longer held the chosen epoch.
  [[nodiscard]] std::uint64_t epochs_gone() const noexcept { return epochs_gone_; }

  // Of the server passed as first (0) or second (1) to connect(). REQUIRES: server < 2.
  [[nodiscard]] const Traffic& traffic(std::size_t server) const noexcept;

 private:
  class Companion;
  struct Server;
  struct Exchanged;
  // The record numbers of one request about the epoch given. Called again when another one was
  // chosen.
  using Plan = std::function<Result<std::vector<std::uint64_t>>(const protocol::EpochEntry&)>;

  PirClient(std::unique_ptr<Transport> first, std::unique_ptr<Transport> second,
            const ClientOptions& options, RandomSource* random);

  [[nodiscard]] Result<void> retrying(const std::function<Result<void>(bool& retry)>& attempt);
  [[nodiscard]] Result<void> choose_epoch(bool& retry);
  [[nodiscard]] Result<Exchanged> exchange(const Plan& plan, QueryKind kind);
  [[nodiscard]] Result<Exchanged> query_once(const Plan& plan, QueryKind kind, bool& retry);
  void ask_both(const std::function<void(Server&)>& ask);
  [[nodiscard]] std::size_t answers_per_request(std::uint64_t answer_bytes) const noexcept;

  const ClientOptions options_;
  SystemRandom system_random_;
  RandomSource& random_;
  std::array<std::unique_ptr<Server>, 2> servers_;
  std::unique_ptr<Companion> companion_;
  std::shared_ptr<const protocol::EpochEntry> epoch_;
  std::uint64_t epochs_gone_ = 0;
};

}  // namespace gyre::client
