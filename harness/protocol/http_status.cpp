#include "harness/protocol/http_status.hpp"

namespace gyre::protocol {

// Without a default, so that the compiler asks for every new code.
int http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::malformed_request:
    case ErrorCode::unsupported_url:
    case ErrorCode::misaligned_size:
    case ErrorCode::empty_snapshot:
    case ErrorCode::key_domain_mismatch:
    case ErrorCode::wrong_party:
      return 400;
    case ErrorCode::unauthorized:
      return 401;
    case ErrorCode::admin_not_configured:
    case ErrorCode::source_not_allowed:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::method_not_allowed:
      return 405;
    case ErrorCode::request_too_slow:
      return 408;
    case ErrorCode::rotation_in_progress:
    case ErrorCode::updates_would_be_lost:
    case ErrorCode::sequence_gap:
    case ErrorCode::sequence_conflict:
    case ErrorCode::cancelled:
      return 409;
    case ErrorCode::epoch_gone:
      return 410;
    case ErrorCode::request_too_large:
      return 413;
    case ErrorCode::unsupported_media_type:
      return 415;
    case ErrorCode::digest_mismatch:
    case ErrorCode::geometry_mismatch:
      return 422;
    case ErrorCode::too_many_requests:
      return 429;
    case ErrorCode::source_failed:
      return 502;
    case ErrorCode::source_timed_out:
      return 504;
    case ErrorCode::draining:
    case ErrorCode::no_epoch:
    case ErrorCode::queue_full:
    case ErrorCode::overlay_full:
      return 503;
    case ErrorCode::out_of_memory:
    case ErrorCode::device_out_of_memory:
    case ErrorCode::disk_full:
      return 507;
    case ErrorCode::device_upload_failed:
    case ErrorCode::device_failed:
    case ErrorCode::image_corrupt:
    case ErrorCode::internal:
    case ErrorCode::wrong_epoch_content:
    case ErrorCode::io_failed:
    case ErrorCode::bad_configuration:
    case ErrorCode::cpu_feature_missing:
    case ErrorCode::table_full:
    case ErrorCode::duplicate_key:
    case ErrorCode::malformed_input:
    case ErrorCode::unreachable:
    case ErrorCode::timed_out:
    case ErrorCode::insecure_transport:
    case ErrorCode::servers_disagree:
    case ErrorCode::bad_answer:
    case ErrorCode::server_refused:
      return 500;
  }
  return 500;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 202:
      return "Accepted";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Error";
  }
}

}  // namespace gyre::protocol
