#include "harness/client/connect_over_http.hpp"

#include <utility>

namespace gyre::client {

Result<std::unique_ptr<PirClient>> connect_over_http(ResolvedServer first, ResolvedServer second,
                                                     const HttpTransportOptions& transport_options,
                                                     const ClientOptions& client_options) {
  if (auto distinct = check_distinct(first, second); !distinct) return forward_error(distinct);
  // HttpTransport::create runs check_transport, for each of them.
  auto first_transport = HttpTransport::create(std::move(first), transport_options);
  if (!first_transport) return forward_error(first_transport);
  auto second_transport = HttpTransport::create(std::move(second), transport_options);
  if (!second_transport) return forward_error(second_transport);
  return PirClient::connect(std::move(*first_transport), std::move(*second_transport),
                            client_options);
}

}  // namespace gyre::client
