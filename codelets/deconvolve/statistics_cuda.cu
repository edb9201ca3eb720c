// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_reduce.hpp"
#include "codelets/deconvolve/image_set_cuda.hpp"

namespace fringeflow::deconvolve {
namespace {

using cuda::kReduceThreads;
using cuda::Scratch;

constexpr int kBlocks = 512;  ///< of a reduction over an image

// ---------------------------------------------------------------- find_peak

struct PeakJob {
  ImageSet set;
  CleanLimits limits;  ///< of the sub-image and the border
  const uint8_t* mask;
  const uint16_t* scale_mask;
  bool allow_negative;
};
struct PeakPart {
  Candidate peak;
  float masked;
};
struct LargerPart {
  __device__ PeakPart operator()(const PeakPart& a, const PeakPart& b) const {
    return {LargerCandidate()(a.peak, b.peak), fmaxf(a.masked, b.masked)};
  }
};

__global__ void __launch_bounds__(kReduceThreads) peak_kernel(const PeakJob job, PeakPart* parts) {
  PeakPart mine{{0, -1}, 0};
  const int64_t width = job.limits.x_end - job.limits.x_begin, height = job.limits.y_end - job.limits.y_begin;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x; i < width * height;
       i += kBlocks * kReduceThreads) {
    const int64_t at = (job.limits.y_begin + i / width) * job.set.nx + job.limits.x_begin + i % width;
    const float pixel = job.set.integrated(at), value = job.allow_negative ? fabsf(pixel) : pixel;
    if (!(value > 0) || (job.mask != nullptr && job.mask[at] == 0)) continue;
    mine.peak = LargerCandidate()(mine.peak, {value, static_cast<int32_t>(at)});
    if (job.scale_mask != nullptr && (job.scale_mask[at] & 1) != 0) mine.masked = fmaxf(mine.masked, value);
  }
  const PeakPart all = cuda::block_reduce(mine, LargerPart());
  if (threadIdx.x == 0) parts[blockIdx.x] = all;
}
__global__ void __launch_bounds__(kReduceThreads)
    last_peak_kernel(const PeakPart* parts, const int64_t nx, Peak* peak) {
  PeakPart mine{{0, -1}, 0};
  for (int i = static_cast<int>(threadIdx.x); i < kBlocks; i += kReduceThreads)
    mine = LargerPart()(mine, parts[i]);
  const PeakPart all = cuda::block_reduce(mine, LargerPart());
  if (threadIdx.x != 0) return;
  Peak out;
  if (all.peak.at >= 0) {
    out.value = all.peak.value;
    out.y = static_cast<int32_t>(all.peak.at / nx);
    out.x = static_cast<int32_t>(all.peak.at % nx);
  }
  out.masked_value = all.masked;
  *peak = out;
}

// ---------------------------------------------------------------- statistics

/// Progress of a radix select of the two middle values.
struct Select {
  unsigned long long histogram[2][kSelectBins];  ///< NOLINT(google-runtime-int): the type of atomicAdd
  uint32_t prefix[2];
  int64_t rank[2];  ///< from zero, among the keys that agree with the prefix
  int64_t count;    ///< finite pixels
  float centre;     ///< values are |pixel - centre| in the second select
  float lower, upper;
};

__global__ void __launch_bounds__(kReduceThreads)
    histogram_kernel(const ImageSet set, const int pass, const bool folded, Select* select) {
  __shared__ uint32_t bins[2][kSelectBins];
  for (int i = static_cast<int>(threadIdx.x); i < 2 * kSelectBins; i += kReduceThreads)
    bins[i / kSelectBins][i % kSelectBins] = 0;
  __syncthreads();
  const uint32_t low = select->prefix[0], high = select->prefix[1];
  const float centre = select->centre;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x; i < set.ny * set.nx;
       i += kBlocks * kReduceThreads) {
    const float value = set.integrated(i);
    if (!(fabsf(value) <= 3.402823466e38f)) continue;
    const uint32_t key = ordered_key(folded ? fabsf(value - centre) : value);
    if (select_matches(key, low, pass)) atomicAdd(&bins[0][select_bin(key, pass)], 1u);
    if (select_matches(key, high, pass)) atomicAdd(&bins[1][select_bin(key, pass)], 1u);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 2 * kSelectBins; i += kReduceThreads) {
    const uint32_t n = bins[i / kSelectBins][i % kSelectBins];
    if (n > 0)
      atomicAdd(&select->histogram[i / kSelectBins][i % kSelectBins], static_cast<unsigned long long>(n));
  }
}
/// Finds the bins of the two ranks, and clears the histograms. One block, one thread each.
__global__ void select_kernel(const int pass, Select* select) {
  const int which = static_cast<int>(threadIdx.x);
  const auto* bins = select->histogram[which];
  if (pass == 0) {
    int64_t count = 0;
    for (int i = 0; i < kSelectBins; ++i) count += static_cast<int64_t>(bins[i]);
    select->rank[which] = which == 0 ? (count - 1) / 2 : count / 2;
    if (which == 0) select->count = count;
    if (count == 0) select->rank[which] = -1;
  }
  if (select->rank[which] < 0) return;
  int64_t rank = select->rank[which];
  uint32_t bin = 0;
  while (rank >= static_cast<int64_t>(bins[bin])) rank -= static_cast<int64_t>(bins[bin++]);
  select->rank[which] = rank;
  select->prefix[which] |= bin << select_shift(pass);
  if (pass == kSelectPasses - 1)
    (which == 0 ? select->lower : select->upper) = value_of_key(select->prefix[which]);
}
__global__ void robust_kernel(const bool folded, Select* select, Robust* robust) {
  const double middle = 0.5 * (static_cast<double>(select->lower) + static_cast<double>(select->upper));
  if (!folded) {
    robust->median = select->count > 0 ? middle : 0;
    robust->finite = select->count;
    robust->sigma = 0;
    select->centre = static_cast<float>(middle);
  } else if (select->count > 0) {
    robust->sigma = 1.4826 * middle;
  }
}

}  // namespace

void find_peak_cuda(cuda::Stream stream, const CleanArgs& args, const CleanLimits& limits,
                    const CleanImages& images, Peak* peak) {
  cuda::Worker& worker = cuda::Worker::of(stream);
  const StagedImages staged = stage_images(worker, args, images);
  const Rect& rect = args.rect;
  CleanLimits inside{std::max(limits.y_begin, rect.y0), std::min(limits.y_end, rect.y0 + rect.ny),
                     std::max(limits.x_begin, rect.x0), std::min(limits.x_end, rect.x0 + rect.nx)};
  inside.y_end = std::max(inside.y_end, inside.y_begin);
  inside.x_end = std::max(inside.x_end, inside.x_begin);
  const PeakJob job{staged.residual, inside, args.mask ? worker.constants(args.mask) : nullptr,
                    images.scale_mask, args.minor.allow_negative != 0};
  auto* parts = worker.scratch<PeakPart>(Scratch::sums, kBlocks);
  peak_kernel<<<kBlocks, kReduceThreads, 0, stream>>>(job, parts);
  cuda::check_launch("find_peak");
  last_peak_kernel<<<1, kReduceThreads, 0, stream>>>(parts, args.nx, peak);
  cuda::check_launch("find_peak: last");
}

void statistics_cuda(cuda::Stream stream, const CleanArgs& args, const CleanImages& images, Robust* robust) {
  cuda::Worker& worker = cuda::Worker::of(stream);
  const StagedImages staged = stage_images(worker, args, images);
  auto* select = worker.scratch<Select>(Scratch::state, 1);
  cuda::zero(stream, select, sizeof(Select));
  for (const bool folded : {false, true}) {
    // The prefixes start from zero again; the centre stays.
    if (folded) cuda::zero(stream, select, offsetof(Select, rank));
    for (int pass = 0; pass < kSelectPasses; ++pass) {
      if (pass > 0) cuda::zero(stream, select, offsetof(Select, prefix));  // the histograms
      histogram_kernel<<<kBlocks, kReduceThreads, 0, stream>>>(staged.residual, pass, folded, select);
      cuda::check_launch("statistics: histogram");
      select_kernel<<<1, 2, 0, stream>>>(pass, select);
      cuda::check_launch("statistics: select");
    }
    robust_kernel<<<1, 1, 0, stream>>>(folded, select, robust);
    cuda::check_launch("statistics");
  }
}

}  // namespace fringeflow::deconvolve
