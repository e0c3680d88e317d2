// The way from two resolved addresses to a client: no program can leave a check out.
#pragma once

#include <memory>

#include "core/error.hpp"
#include "harness/client/http_transport.hpp"
#include "harness/client/pir_client.hpp"
#include "harness/client/server_address.hpp"

namespace gyre::client {

// Refuses two addresses of one server (check_distinct) and plain HTTP off loopback
// (check_transport) before either server hears anything, then connects as PirClient::connect does.
// Errors: those of the two checks, of HttpTransport::create and of PirClient::connect.
[[nodiscard]] Result<std::unique_ptr<PirClient>> connect_over_http(
    ResolvedServer first, ResolvedServer second, const HttpTransportOptions& transport_options = {},
    const ClientOptions& client_options = {});

}  // namespace gyre::client
