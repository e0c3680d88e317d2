#include "backends/cpu/executor.hpp"

namespace gyre::cpu {

bool has_tbb_executor() noexcept {
  return false;
}

Result<std::unique_ptr<Executor>> make_tbb_executor(unsigned, bool) {
  return fail(ErrorCode::bad_configuration, "this build has no oneTBB; use the executor \"pool\"");
}

}  // namespace gyre::cpu
