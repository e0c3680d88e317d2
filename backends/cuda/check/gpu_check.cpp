// What scripts/gpu-check runs on a machine with a GPU; needs nothing but core and the backends.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "backends/cuda/check/bench.hpp"
#include "backends/cuda/check/check_answers.hpp"
#include "backends/cuda/open_gpu.hpp"

namespace {

using namespace gyre;

constexpr int unusable = 2;

int usage() {
  std::fputs(
      "usage: gyre-gpu-check answers SEED TABLES MOST_BYTES   compare with the CPU backend\n"
      "       gyre-gpu-check kernels SEED                     the same, so that every kernel runs\n"
      "       gyre-gpu-check bench first|rest SECONDS         measure; JSON lines\n"
      "       gyre-gpu-check device                           say which GPU it is\n",
      stderr);
  return unusable;
}

int say(const Error& error) {
  std::fprintf(stderr, "gyre-gpu-check: %s\n", error.message.c_str());
  return error.code == ErrorCode::bad_configuration ? unusable : EXIT_FAILURE;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view what = count > 1 ? arguments[1] : "";
  const auto number = [&](int i) { return std::strtoull(arguments[i], nullptr, 10); };
  const bool answers = what == "answers" && count == 5;
  const bool kernels = what == "kernels" && count == 3;
  const bool bench =
      what == "bench" && count == 4 &&
      (arguments[2] == std::string_view("first") || arguments[2] == std::string_view("rest"));
  if (!answers && !kernels && !bench && !(what == "device" && count == 2)) return usage();
  const auto gpu = cuda::open_gpu();
  if (!gpu) return say(gpu.error());
  if (answers || kernels) {
    const cuda::AnswerCheck check = answers
                                        ? cuda::check_answers(*gpu, number(2), number(3), number(4))
                                        : cuda::check_every_kernel(*gpu, number(2));
    std::printf(
        "{\"name\": \"%s\", \"seed\": %llu, \"tables\": %llu, \"queries\": %llu, "
        "\"wrong\": %llu}\n",
        arguments[1], number(2), static_cast<unsigned long long>(check.tables),
        static_cast<unsigned long long>(check.queries),
        static_cast<unsigned long long>(check.wrong));
    return check.wrong == 0 && check.tables > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (bench) {
    const auto part =
        arguments[2] == std::string_view("first") ? cuda::BenchPart::first : cuda::BenchPart::rest;
    const auto done = cuda::run_benchmarks(*gpu, part, static_cast<double>(number(3)));
    return done ? EXIT_SUCCESS : say(done.error());
  }
  std::printf(
      "{\"name\": \"device\", \"gpu\": \"%s\", \"memory_bytes\": %llu, "
      "\"multiprocessors\": %u}\n",
      std::string((*gpu)->name()).c_str(),
      static_cast<unsigned long long>((*gpu)->capacity_bytes()), (*gpu)->multiprocessors());
  return EXIT_SUCCESS;
}
