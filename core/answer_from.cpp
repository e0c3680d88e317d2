#include "core/answer_from.hpp"

namespace gyre {
namespace {

bool is_of_a_device(ErrorCode code) noexcept {
  return code == ErrorCode::device_failed || code == ErrorCode::device_out_of_memory ||
         code == ErrorCode::device_upload_failed;
}

}  // namespace

Result<void> answer_from(const Images& images, const Pass& pass, std::span<std::byte> answers) {
  Result<void> answered =
      fail(ErrorCode::device_failed, "no image of this epoch can answer at the moment");
  for (const bool healthy : {true, false}) {
    for (const auto& image : images) {
      // One that fails in the first round is asked once more in the second only if no other can.
      if (image->healthy() != healthy) continue;
      answered = image->answer(pass, answers);
      if (answered || !is_of_a_device(answered.error().code)) return answered;
    }
  }
  return answered;
}

}  // namespace gyre
