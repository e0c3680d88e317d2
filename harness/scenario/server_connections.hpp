// Ways to a scenario's servers: for lookups, and for their admin.
#pragma once

#include <array>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "harness/client/admin_client.hpp"
#include "harness/client/pir_client.hpp"
#include "harness/scenario/server_processes.hpp"

namespace gyre::scenario {

// Errors: the client's.
[[nodiscard]] Result<std::unique_ptr<client::PirClient>> connect_clients(
    const ServerProcesses& servers);

// Requests to both servers' admin listeners at once. One thread at a time.
class Admins {
 public:
  [[nodiscard]] static Result<Admins> connect(const ServerProcesses& servers);

  // Of one server. Errors: the server's own, with its sentence, or the transport's.
  [[nodiscard]] Result<nlohmann::json> post(std::size_t party, const std::string& path,
                                            const std::string& content_type,
                                            const std::string& body);

  // The same to both. Errors: the first that one of them had.
  [[nodiscard]] Result<std::array<nlohmann::json, 2>> post_both(const std::string& path,
                                                                const std::string& content_type,
                                                                const std::string& body);

 private:
  explicit Admins(std::vector<client::AdminClient> clients) noexcept
      : clients_(std::move(clients)) {}

  std::vector<client::AdminClient> clients_;
};

}  // namespace gyre::scenario
