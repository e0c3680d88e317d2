#include "harness/client/http_trouble.hpp"

namespace gyre::client {
namespace {

std::string duration_text(std::chrono::milliseconds duration) {
  const auto count = duration.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

Error explain(HttpTrouble trouble, const std::string& server_text,
              std::chrono::milliseconds patience) {
  const std::string server = "server " + server_text;
  switch (trouble) {
    case HttpTrouble::unreachable:
      return Error{ErrorCode::unreachable, server + " cannot be reached"};
    case HttpTrouble::connect_timed_out:
      return Error{ErrorCode::timed_out,
                   server + " did not accept a connection within " + duration_text(patience)};
    case HttpTrouble::timed_out:
      return Error{ErrorCode::timed_out,
                   server + " did not answer within " + duration_text(patience)};
    case HttpTrouble::cut_off:
      return Error{ErrorCode::unreachable,
                   server + " closed the connection before it had answered"};
    case HttpTrouble::certificate_name:
      return Error{ErrorCode::insecure_transport,
                   server + " shows a certificate for another name than the one it was called by"};
    case HttpTrouble::certificate_time:
      return Error{ErrorCode::insecure_transport,
                   server + " shows a certificate that is not valid today"};
    case HttpTrouble::certificate_issuer:
      return Error{ErrorCode::insecure_transport,
                   server + " shows a certificate that no trusted authority vouches for"};
    case HttpTrouble::no_tls:
      return Error{ErrorCode::insecure_transport, server + " does not speak TLS 1.2 or later"};
    case HttpTrouble::too_long:
      return Error{ErrorCode::bad_answer, server + " sent a longer answer than the question has"};
    case HttpTrouble::encoded:
      return Error{ErrorCode::bad_answer,
                   server + " sent an encoded answer that was not asked for"};
    case HttpTrouble::out_of_memory:
      return Error{ErrorCode::out_of_memory, "out of memory while reading a server's answer"};
    case HttpTrouble::not_http:
    case HttpTrouble::none:
      break;
  }
  return Error{ErrorCode::bad_answer, server + " sent an answer that is not HTTP"};
}

}  // namespace gyre::client
