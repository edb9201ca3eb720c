// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// to_correlations on the device. The other codelets of this folder ask the host for flags, and count for it.
#include "codelets/common/cuda_stokes.hpp"
#include "codelets/common/cuda_worker.hpp"
#include "codelets/handover/handover.hpp"

namespace fringeflow::handover {

/// @param model [stokes][row][channel]   @param vis out: [row][channel][correlation]
void to_correlations_cuda(cuda::Stream stream, const ToCorrelationsArgs& args, const cuda::Visibility* model,
                          cuda::Visibility* vis);

}  // namespace fringeflow::handover
