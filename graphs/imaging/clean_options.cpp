// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// What the user's cleaning options mean for the kernels.
#include <algorithm>

#include "graphs/imaging/imaging_plan.hpp"

namespace fringeflow::graphs {
namespace {

deconvolve::Algorithm algorithm_of(CleanAlgorithm algorithm) {
  switch (algorithm) {
    case CleanAlgorithm::hogbom:
      return deconvolve::Algorithm::hogbom;
    case CleanAlgorithm::multiscale:
      return deconvolve::Algorithm::multiscale;
    default:
      return deconvolve::Algorithm::clark;
  }
}

}  // namespace

void plan_cleaning(ImagingPlan& plan) {
  const auto& options = plan.job.deconvolve;
  const int64_t nx = plan.geometry.nx, ny = plan.geometry.ny;
  auto& minor = plan.minor;
  minor.algorithm = algorithm_of(options.algorithm);
  minor.gain = static_cast<float>(options.gain);
  minor.scale_bias = static_cast<float>(options.scale_bias);
  double longest = 0;
  for (const auto& channel : plan.channels) longest = std::max(longest, channel.extent.longest_lambda);
  if (longest > 0) minor.beam_pixels = static_cast<float>(1 / longest / plan.geometry.cell_rad);
  if (minor.algorithm == deconvolve::Algorithm::multiscale) {
    if (options.scales_pixels.empty()) {
      deconvolve::automatic_scales(minor, ny, nx);
    } else {
      minor.scales =
          static_cast<int32_t>(std::min<size_t>(options.scales_pixels.size(), deconvolve::kMaxScales));
      for (size_t i = 0; i < static_cast<size_t>(minor.scales); ++i)
        minor.scale_pixels[i] = static_cast<float>(options.scales_pixels[i]);
    }
  }
  plan.loop.threshold_jy = options.threshold_kind == ThresholdKind::jansky ? options.threshold : 0;
  plan.loop.threshold_sigma = options.threshold_kind == ThresholdKind::sigma ? options.threshold : 0;
  plan.loop.auto_mask_sigma = options.auto_mask_sigma;
  plan.loop.major_gain = options.major_gain;
  plan.loop.max_iterations = options.iterations;
  plan.loop.max_major = static_cast<int32_t>(options.major_cycles);
  plan.sub_images = deconvolve::sub_images(minor, ny, nx);
}

}  // namespace fringeflow::graphs
