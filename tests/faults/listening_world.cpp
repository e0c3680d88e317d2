#include "tests/faults/listening_world.hpp"

#include <atomic>
#include <stdexcept>
#include <utility>

#include "harness/protocol/problem_document.hpp"
#include "harness/server/listening_socket.hpp"
#include "tests/integration/server/raw_connection.hpp"

namespace gyre::faults {
namespace {

constexpr protocol::Encoding encoding = protocol::Encoding::binary;

}  // namespace

std::string post(QueryKind kind, const protocol::QueryRequest& request, std::string_view headers) {
  return server::post_request(kind == QueryKind::row ? "/query" : "/query/page",
                              protocol::media_type(encoding), protocol::encode(request, encoding),
                              headers);
}

ListeningWorld::ListeningWorld(World& world)
    : world_(world),
      listener_(world.epochs(), world.queries(), metrics_, {}, {}, nullptr),
      memory_(world.queries().answer_memory_left()) {
  auto socket = server::ListeningSocket::open({"127.0.0.1", 0});
  if (!socket) throw std::runtime_error(socket.error().message);
  port_ = socket->bound.port;
  if (!listener_.start(std::move(*socket))) throw std::runtime_error("no listener");
}

Result<protocol::QueryResponse> ListeningWorld::answer(QueryKind kind,
                                                       const protocol::QueryRequest& request) const
    try {
  const auto response = server::ask(port_, post(kind, request, "Connection: close\r\n"));
  if (!response) return fail(ErrorCode::io_failed, "the connection ended");
  if (response->status == 200) {
    return protocol::decode_query_response(response->body, encoding,
                                           static_cast<std::uint32_t>(request.keys.size()),
                                           static_cast<std::uint32_t>(geometry.answer_bytes(kind)));
  }
  const auto problem = protocol::decode_problem(response->body);
  const auto code = problem ? protocol::known_code(*problem) : std::nullopt;
  return fail(code.value_or(ErrorCode::internal), "refused");
} catch (const std::runtime_error& nothing_comes) {
  return fail(ErrorCode::internal, nothing_comes.what());
}

bool ListeningWorld::comes_to_rest() const {
  // Once it was not, nobody is to wait so long again: who looks for the smallest case that fails
  // asks a hundred times.
  static std::atomic<bool> failed_before = false;
  const bool at_rest = comes_true(
      [this] {
        return listener_.http().connections().size() == 0 && world_.epochs().leases() == 0 &&
               world_.queries().waiting() == 0 && world_.queries().answer_memory_left() == memory_;
      },
      failed_before ? std::chrono::seconds(1) : std::chrono::seconds(20));
  if (!at_rest) failed_before = true;
  return at_rest;
}

}  // namespace gyre::faults
