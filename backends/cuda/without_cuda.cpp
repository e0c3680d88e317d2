#include "backends/cuda/open_gpu.hpp"

namespace gyre::cuda {

Result<std::shared_ptr<Gpu>> open_gpu() {
  return fail(ErrorCode::bad_configuration,
              "this gyre was built without CUDA: build it with nvcc and -Dcuda=enabled, or choose "
              "another backend");
}

}  // namespace gyre::cuda
