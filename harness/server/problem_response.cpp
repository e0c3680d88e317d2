#include "harness/server/problem_response.hpp"

#include <httplib.h>

#include <string>

#include "harness/protocol/http_status.hpp"
#include "harness/protocol/problem_document.hpp"

namespace gyre::server {

void set_problem(httplib::Response& response, const Error& error) {
  response.status = protocol::http_status(error.code);
  if (response.status == 503) response.set_header("Retry-After", "1");
  response.set_content(protocol::encode_problem(error), std::string(protocol::problem_media_type));
}

}  // namespace gyre::server
