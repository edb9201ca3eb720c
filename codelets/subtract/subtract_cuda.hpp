// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// subtract on the device.
#include "codelets/common/cuda_worker.hpp"

namespace fringeflow {

/// Element i of the scalars (re and im one after the other) of predicted = observed - predicted.
struct SubtractScalar {
  const float* observed;
  float* predicted;
  FF_HD void operator()(int64_t i) const { predicted[i] = observed[i] - predicted[i]; }
};

/// subtract_cpu of `count` visibilities in device memory, on the stream. @param observed, predicted (re, im),
/// Jy
void subtract_cuda(cuda::Stream stream, const float* observed, float* predicted, int64_t count);

}  // namespace fringeflow
