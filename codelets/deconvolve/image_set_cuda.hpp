// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Joint images in kernels; for .cu files only.
#include "codelets/common/cuda_launch.hpp"
#include "codelets/deconvolve/clean_cuda.hpp"

namespace fringeflow::deconvolve {

/// One thread: weights of sum 1 from the sums of weights.
struct NormaliseWeights {
  const double* sums;
  const int64_t* sum_index;
  float* weights;
  int channels;
  FF_HD void operator()(int64_t) const {
    double sum = 0;
    for (int c = 0; c < channels; ++c) {
      const auto weight = static_cast<float>(sums[sum_index[c]]);
      sum += weight > 0 ? static_cast<double>(weight) : 0;
    }
    for (int c = 0; c < channels; ++c) {
      const auto weight = static_cast<float>(sums[sum_index[c]]);
      weights[c] = weight > 0 ? static_cast<float>(static_cast<double>(weight) / sum) : 0.0f;
    }
  }
};

/// Pointers and weights in one piece of scratch: [channels] images, [channels] PSFs (if any), [channels]
/// indices, weights.
struct StagedImages {
  ImageSet residual;
  const float* const* psf = nullptr;
};
inline StagedImages stage_images(cuda::Worker& worker, const CleanArgs& args, const CleanImages& images) {
  const auto channels = static_cast<int64_t>(args.sum_index.size());
  std::vector<int64_t> words;
  for (const float* image : images.residual)
    words.push_back(static_cast<int64_t>(reinterpret_cast<intptr_t>(image)));
  for (const float* image : images.psf)
    words.push_back(static_cast<int64_t>(reinterpret_cast<intptr_t>(image)));
  words.insert(words.end(), args.sum_index.begin(), args.sum_index.end());
  const size_t index_at = words.size() - static_cast<size_t>(channels);
  words.resize(words.size() + static_cast<size_t>(channels));  // room for the weights
  const int64_t* staged =
      worker.stage(cuda::Scratch::pointers, words.data(), static_cast<int64_t>(words.size()));
  auto* weights = reinterpret_cast<float*>(const_cast<int64_t*>(staged) + index_at + channels);
  cuda::launch_elements(worker.stream(), 1,
                        NormaliseWeights{images.sums, staged + index_at, weights, static_cast<int>(channels)},
                        "weights of channels");
  const auto* pointers = reinterpret_cast<const float* const*>(staged);
  return {{pointers, weights, static_cast<int>(channels), args.ny, args.nx},
          images.psf.empty() ? nullptr : pointers + channels};
}

/// A pixel and its size; of equals the first in the image is larger.
struct Candidate {
  float value;
  int32_t at;  ///< -1: none
};
struct LargerCandidate {
  __device__ Candidate operator()(const Candidate& a, const Candidate& b) const {
    if (b.at < 0) return a;
    if (a.at < 0) return b;
    return b.value > a.value || (b.value == a.value && b.at < a.at) ? b : a;
  }
};

}  // namespace fringeflow::deconvolve
