// OpenSSL's way to a socket, without SIGPIPE.
#pragma once

#include <openssl/bio.h>

namespace gyre::client {

// A BIO over the socket, which it neither owns nor closes; nothing if there is no memory.
//
// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the peer is gone; a
// library may not change what the whole process does with that signal.
[[nodiscard]] BIO* new_quiet_socket_bio(int socket) noexcept;

}  // namespace gyre::client
