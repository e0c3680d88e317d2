#include "tests/faults/listening_world.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

#include "harness/protocol/problem_document.hpp"
#include "harness/server/listening_socket.hpp"

namespace gyre::faults {
namespace {

constexpr protocol::Encoding encoding = protocol::Encoding::binary;

// Nobody is sent away for having been silent while faults delay everything.
server::HttpLimits limits() {
  server::HttpLimits limits;
  limits.idle_time = std::chrono::minutes(10);
  return limits;
}

bool is_served(server::RawConnection& connection) {
  if (!connection.send(server::get_request("/health"))) return false;
  const auto response = connection.receive();
  return response && response->status == 200;
}

}  // namespace

std::string post(QueryKind kind, const protocol::QueryRequest& request) {
  return server::post_request(kind == QueryKind::row ? "/query" : "/query/page",
                              protocol::media_type(encoding), protocol::encode(request, encoding));
}

ListeningWorld::ListeningWorld(World& world)
    : world_(world),
      listener_(world.epochs(), world.queries(), metrics_, limits(), {}, nullptr),
      memory_(world.queries().answer_memory_left()) {
  auto socket = server::ListeningSocket::open({"127.0.0.1", 0});
  if (!socket) throw std::runtime_error(socket.error().message);
  port_ = socket->bound.port;
  if (!listener_.start(std::move(*socket))) throw std::runtime_error("no listener");
  first_guest_.emplace(port_);
  if (!is_served(*first_guest_)) throw std::runtime_error("the listener serves nobody");
}

bool ListeningWorld::serves_its_first_guest() try {
  std::optional<server::RawConnection> guest = std::exchange(first_guest_, std::nullopt);
  // Connections are taken one after another: when one that comes now is served, whatever was done
  // about those before is over.
  server::RawConnection newcomer(port_);
  return is_served(newcomer) && is_served(*guest);
} catch (const std::exception&) {
  return false;
}

Result<protocol::QueryResponse> ListeningWorld::answer(QueryKind kind,
                                                       const protocol::QueryRequest& request) try {
  const auto response = server::ask(port_, post(kind, request));
  if (!response) return fail(ErrorCode::io_failed, "the connection ended");
  if (response->status == 200) {
    auto decoded = protocol::decode_query_response(
        response->body, encoding, static_cast<std::uint32_t>(request.keys.size()),
        static_cast<std::uint32_t>(geometry.answer_bytes(kind)));
    if (!decoded) world_.found("an answer over HTTP that is none: " + decoded.error().message);
    return decoded;
  }
  const auto problem = protocol::decode_problem(response->body);
  const auto code = problem ? protocol::known_code(*problem) : std::nullopt;
  if (!code || *code == ErrorCode::io_failed) {  // which no query is answered
    world_.found("a refusal over HTTP that is none: " + response->body);
    return fail(ErrorCode::internal, "no refusal");
  }
  return fail(*code, "refused");
} catch (const std::exception& none) {
  world_.found(std::string("no answer over HTTP: ") + none.what());
  return fail(ErrorCode::internal, "no answer");
}

bool ListeningWorld::comes_to_rest(std::chrono::seconds patience) const {
  return comes_true(
      [this] {
        return listener_.http().connections().size() == 0 && world_.epochs().leases() == 0 &&
               world_.queries().waiting() == 0 && world_.queries().answer_memory_left() == memory_;
      },
      patience);
}

}  // namespace gyre::faults
