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

// With what scripts/gpu-check runs under compute-sanitizer.
TEST(CheckAnswers, EveryKernelRuns) {
  const auto gpu = std::make_shared<EmulatedGpu>();
  const AnswerCheck check = check_every_kernel(gpu, 7);
  EXPECT_GT(check.tables, 0U);
  EXPECT_EQ(check.wrong, 0U);
  const auto kernels = gpu->kernels();
  for (const char* kernel :
       {"insert", "extract", "mask", "tail", "overlay", "finish",
        // One tier, for all sizes of sets; the upper one of two.
        "expand to height 0 for 1", "expand to height 0 for 8", "expand to height 0 for 32",
        "expand to height 0 for 128", "expand to height 7 for 1",
        // All instances of ScanStep and TensorStep.
        "scan and-xor 4,8,1 rows", "scan and-xor 4,8,1 pages", "scan and-xor 1,8,1 rows",
        "scan and-xor 4,4,8 rows", "scan and-xor 4,4,8 pages", "scan and-xor 1,16,8 rows",
        "scan and-xor 4,1,32 pages", "scan tensor-bits 4,0,32 rows",
        "scan tensor-bits 4,0,32 pages", "scan tensor-bits 4,0,128 rows",
        "scan tensor-bits 4,0,128 pages", "scan tensor-bytes 4,0,32 rows",
        "scan tensor-bytes 4,0,32 pages", "scan tensor-bytes 4,0,128 rows",
        "scan tensor-bytes 4,0,128 pages"}) {
    EXPECT_EQ(kernels.count(kernel), 1U) << kernel;
  }
  // Over several chunks with two tiers each, and once for a whole table.
  EXPECT_GE(kernels.at("expand to height 7 for 1"), 3U);
}

}  // namespace
}  // namespace gyre::cuda
