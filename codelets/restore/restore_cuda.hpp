// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// restore on the device.
///
/// The beam is only known there (its buffer is the fit's output), so a transform's padding could not be
/// chosen without waiting for it. A CLEAN model is sparse and a beam small, so each block of pixels walks the
/// model's tiles within the beam's reach, skips those that are empty, and adds the Gaussian of every
/// component in the order of the image: no transforms, no round-off of one, no atomics. The cost is pixels x
/// components within reach.
#include "codelets/common/cuda_worker.hpp"
#include "codelets/restore/restore_tasks.hpp"

namespace fringeflow::restore {

/// The beam as kernels use it.
struct BeamOnDevice {
  bool known;
  float a, b, c;   ///< exp(-(a x^2 + b x y + c y^2)), 1/pixel^2
  int32_t radius;  ///< exp(-...) is below 1e-8 beyond, pixels

  FF_HD explicit BeamOnDevice(const BeamBlock& block) : known(block.known != 0), a(0), b(0), c(0), radius(0) {
    if (!known) return;
    // Along the axes of the ellipse the form is 4 ln 2 (p^2 / major^2 + q^2 / minor^2); the major axis points
    // to (-sin, cos).
    const double ln2 = 0.6931471805599453, major = block.beam.major_pixels, minor = block.beam.minor_pixels;
    const double p = 4 * ln2 / (major * major), q = 4 * ln2 / (minor * minor);
    const double s = sin(block.beam.angle_rad), k = cos(block.beam.angle_rad);
    a = static_cast<float>(p * s * s + q * k * k);
    b = static_cast<float>(2 * s * k * (q - p));
    c = static_cast<float>(p * k * k + q * s * s);
    radius = static_cast<int32_t>(ceil(major * sqrt(log(1e8) / (4 * ln2))));
  }
  FF_HD float operator()(int32_t x, int32_t y) const {
    const auto i = static_cast<float>(x), j = static_cast<float>(y);
    return expf(-(a * i * i + b * i * j + c * j * j));
  }
};

/// restore on the stream; without a beam out is the residual. All [y][x] in the device's memory.
void restore_cuda(cuda::Stream stream, const float* model, const float* residual, const BeamBlock* beam,
                  int64_t ny, int64_t nx, float* out);

}  // namespace fringeflow::restore
