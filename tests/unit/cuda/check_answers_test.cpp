// The comparison that scripts/gpu-check makes on a GPU, on one made of the host.
#include "backends/cuda/check/check_answers.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/emulated_gpu.hpp"

namespace gyre::cuda {
namespace {

TEST(CheckAnswers, AgreeOfAGpuThatIsRight) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  const AnswerCheck check = check_answers(gpu, 7, 24, 1U << 13U);
  EXPECT_EQ(check.tables, 24U);
  EXPECT_GT(check.queries, 24U);
  EXPECT_EQ(check.wrong, 0U);
}

TEST(CheckAnswers, FindOneWrongBit) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  gpu->faults.flips_a_bit = true;
  EXPECT_EQ(check_answers(gpu, 7, 6, 1U << 12U).wrong, 6U);
}

TEST(CheckAnswers, ALostGpuIsWrong) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  gpu->faults.lost = true;
  EXPECT_EQ(check_answers(gpu, 7, 3, 1U << 12U).wrong, 3U);
}

}  // namespace
}  // namespace gyre::cuda
