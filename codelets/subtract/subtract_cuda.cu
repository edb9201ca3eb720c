// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/subtract/subtract_cuda.hpp"

namespace fringeflow {

void subtract_cuda(cuda::Stream stream, const float* observed, float* predicted, int64_t count) {
  cuda::launch_elements(stream, 2 * count, SubtractScalar{observed, predicted}, "subtract");
}

}  // namespace fringeflow
