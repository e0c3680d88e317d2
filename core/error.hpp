// Errors of the whole project: a stable code for programs and one sentence for people.
//
// Thread-safety: values; share them like any other value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace gyre {

// X(code, meaning). The code's name is what clients see in the `code` member of a problem document,
// so a name is never changed or reused. The HTTP status of a code is the server's business.
#define GYRE_ERROR_CODES(X)                                                       \
  X(malformed_request, "the bytes are not in the documented form")                \
  X(unsupported_url, "the address of a source or server is not of a usable form") \
  X(misaligned_size, "a size is not a multiple of a row or page")                 \
  X(empty_snapshot, "a snapshot without rows")                                    \
  X(key_domain_mismatch, "a key's levels do not fit the table")                   \
  X(wrong_party, "a key of the other server")                                     \
  X(wrong_epoch_content, "an epoch's metadata contradicts itself")                \
  X(unauthorized, "no or wrong credentials")                                      \
  X(admin_not_configured, "the server has no admin token, so nobody is an admin") \
  X(source_not_allowed, "the operator does not allow this source of snapshots")   \
  X(not_found, "no such resource")                                                \
  X(method_not_allowed, "the resource does not know this method")                 \
  X(request_too_slow, "the peer took longer than its deadline")                   \
  X(rotation_in_progress, "another rotation holds the lock")                      \
  X(updates_would_be_lost, "a base that would drop accepted batches")             \
  X(sequence_gap, "a batch whose number is not the next")                         \
  X(sequence_conflict, "another batch has that number")                           \
  X(epoch_gone, "the epoch is neither current nor retained")                      \
  X(request_too_large, "a request is longer than its bound")                      \
  X(unsupported_media_type, "a body of a type that is not understood")            \
  X(digest_mismatch, "content does not have the digest it should have")           \
  X(geometry_mismatch, "content does not fit the geometry it should have")        \
  X(too_many_requests, "one peer asks for more than its share")                   \
  X(device_upload_failed, "rows did not reach a device")                          \
  X(device_failed, "a device did not do what it was asked")                       \
  X(image_corrupt, "an image does not hold the rows that were staged")            \
  X(source_failed, "the origin of a snapshot failed, or tried to redirect")       \
  X(source_timed_out, "the origin of a snapshot took too long")                   \
  X(internal, "a defect of Gyre")                                                 \
  X(draining, "the server is shutting down")                                      \
  X(no_epoch, "the server has no epoch yet")                                      \
  X(queue_full, "more queries wait than the server accepts")                      \
  X(overlay_full, "more updated rows than the overlay holds")                     \
  X(out_of_memory, "host memory is exhausted")                                    \
  X(device_out_of_memory, "device memory is exhausted")                           \
  X(disk_full, "no space on the disk")                                            \
  X(io_failed, "a file could not be read or written")                             \
  X(bad_configuration, "an option or configuration value is unusable")            \
  X(cpu_feature_missing, "this CPU lacks what was asked for by name")             \
  X(table_full, "a key could not be placed in the table")                         \
  X(duplicate_key, "one key occurs twice")                                        \
  X(malformed_input, "an input file is not in the documented form")               \
  X(unreachable, "a server could not be reached")                                 \
  X(timed_out, "a server did not answer in time")                                 \
  X(insecure_transport, "a server off loopback without verified TLS")             \
  X(servers_disagree, "two servers do not describe the same content")             \
  X(bad_answer, "a server's answer is not of the documented form")                \
  X(server_refused, "a server answered with an error")                            \
  X(cancelled, "somebody asked for it to stop")

enum class ErrorCode : std::uint8_t {
#define GYRE_ENUMERATE(code, meaning) code,
  GYRE_ERROR_CODES(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

// The code's snake_case name, as in the enumeration. Never empty.
[[nodiscard]] std::string_view name(ErrorCode code) noexcept;

// What the code stands for, one clause.
[[nodiscard]] std::string_view meaning(ErrorCode code) noexcept;

// What went wrong. `message` is one sentence for a person: what was wrong and what would be right.
// It never quotes input from outside, keys or secrets; numbers that bound the input are fine.
struct Error {
  ErrorCode code;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Passes on the error of another result: `if (!r) return forward_error(r);`
template <typename T>
[[nodiscard]] tl::unexpected<Error> forward_error(Result<T>& result) {
  return tl::unexpected<Error>(std::move(result.error()));
}

}  // namespace gyre
