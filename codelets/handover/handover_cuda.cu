// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"

#include "codelets/handover/handover_cuda.hpp"

namespace fringeflow::handover {

void to_correlations_cuda(cuda::Stream stream, const ToCorrelationsArgs& args, const cuda::Visibility* model,
                          cuda::Visibility* vis) {
  const int64_t samples = args.rows * args.channels;
  cuda::launch_elements(
      stream, samples,
      cuda::MixCorrelations{cuda::correlation_mixes(args.stokes, *args.correlations), model, samples, vis},
      "to_correlations");
}

}  // namespace fringeflow::handover
