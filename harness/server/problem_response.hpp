// Errors as responses of the HTTP library.
#pragma once

#include "core/error.hpp"

namespace httplib {
struct Response;
}

namespace gyre::server {

// Status, problem document, and when to try again where that helps.
void set_problem(httplib::Response& response, const Error& error);

}  // namespace gyre::server
