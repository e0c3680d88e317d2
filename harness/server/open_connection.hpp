// A connection that was accepted, with everything that belongs to it, so that one thread can hand
// it to another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "harness/server/connection_table.hpp"
#include "harness/server/listening_socket.hpp"
#include "harness/server/transport.hpp"

namespace gyre::server {

// It counts from the moment it is accepted until this is destroyed, so that a drain forgets nobody.
// One thread at a time.
struct OpenConnection {
  OpenConnection(ConnectionTable& table, FileDescriptor accepted)
      : socket(std::move(accepted)), registration(table, socket.get()) {}

  FileDescriptor socket;
  ConnectionTable::Registration registration;  // ends before the socket is closed
  std::unique_ptr<Transport> transport;        // from the moment a thread serves it
};

// A response that does not end by itself, written by somebody who is not one of the threads that
// serve requests. Both functions are called on many threads at once; an error is what the peer is
// told instead.
struct StreamedResponse {
  std::string media_type;
  // Whether there is something to send and room for one more. For HEAD.
  std::function<Result<void>()> check;
  // Takes the connection over, unless it returns an error: it writes `head`, then whatever follows,
  // and lets go of the connection to close it. Bytes that the peer sent on are lost.
  std::function<Result<void>(const std::shared_ptr<OpenConnection>& connection, std::string head)>
      take_over;
};

}  // namespace gyre::server
