// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Hogbom's and Clark's minor loop on the device, without the host in between.
///
/// The sub-image and its margin are copied; units of 8 pixels above the list's threshold are listed; one
/// cooperative kernel then does all components of a list. Its blocks own fixed pixels. In each iteration they
/// find their largest pixel, meet once at a grid-wide barrier, pick the same winner from the blocks'
/// candidates, and subtract the PSF from what they own while they search for the next. All blocks keep the
/// same books, so that one barrier an iteration is enough. Up to eight lists follow each other in a long last
/// cycle: their launches are always queued, and return at once when the state says that it is over.
#include <cooperative_groups.h>
#include <thrust/iterator/counting_iterator.h>
#include <cub/device/device_select.cuh>

#include "codelets/common/cuda_reduce.hpp"
#include "codelets/deconvolve/minor_job_cuda.hpp"

namespace fringeflow::deconvolve {
namespace {

namespace cg = cooperative_groups;
using cuda::kReduceThreads;
using cuda::Scratch;

constexpr int kBlocksPerProcessor = 2;  ///< of the cooperative kernel

__global__ void start_kernel(const MinorJob job, const LoopBlock* block, const int64_t* share) {
  MinorState state{};
  const Decision& decision = block->decision;
  bool any = false;
  for (int c = 0; c < job.set.channels; ++c) any = any || job.set.weights[c] > 0;
  state.keep = share != nullptr && *share < 0;
  if (decision.clean && state.keep == 0) {
    const float wanted = static_cast<float>(decision.threshold),
                fake = 1.5f * block->far_sidelobe * block->peak.value;
    state.threshold = fmaxf(wanted, fake);
    if (fake > wanted) state.flags |= kRaised;
    state.list_threshold = job.hogbom ? -3.402823466e38f : kListFraction * state.threshold;
    state.max_iterations = share != nullptr ? *share : decision.max_iterations;
    state.masked = decision.masked;
    state.is_final = decision.is_final;
    state.active = any && state.max_iterations > 0;
    if (!any) state.flags |= kReached;
  }
  *job.state = state;
}

/// Largest pixel of rect that may be cleaned, into left_peak; decides whether there is anything to do.
__global__ void __launch_bounds__(kReduceThreads) rect_peak_kernel(const MinorJob job, Candidate* parts) {
  Candidate mine{0, -1};
  if (job.state->active != 0) {
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x;
         i < job.counted.ny * job.counted.nx; i += kPeakBlocks * kReduceThreads) {
      const int64_t at =
          (job.counted.y0 + i / job.counted.nx) * job.region.nx + job.counted.x0 + i % job.counted.nx;
      const float value = job.size_of(job.integrated[at]);
      if (job.allowed[at] != 0 && value > 0)
        mine = LargerCandidate()(mine, {value, static_cast<int32_t>(at)});
    }
  }
  const Candidate all = cuda::block_reduce(mine, LargerCandidate());
  if (threadIdx.x == 0) parts[blockIdx.x] = all;
}
__global__ void __launch_bounds__(kReduceThreads)
    gate_kernel(const MinorJob job, const Candidate* parts, const bool first) {
  MinorState& state = *job.state;
  if (state.active == 0) return;
  Candidate mine{0, -1};
  for (int i = static_cast<int>(threadIdx.x); i < kPeakBlocks; i += kReduceThreads)
    mine = LargerCandidate()(mine, parts[i]);
  const Candidate all = cuda::block_reduce(mine, LargerCandidate());
  if (threadIdx.x != 0) return;
  state.left_peak = all.at >= 0 ? all.value : 0;
  if (first) {
    state.start_peak = state.left_peak;
    state.deep = !job.hogbom && state.is_final != 0 && state.start_peak > kDeep * state.threshold;
  }
  state.active = state.left_peak > state.threshold && state.iterations < state.max_iterations;
  state.entries_before = state.entries;
}

struct LargerBest {
  __device__ BlockBest operator()(const BlockBest& a, const BlockBest& b) const {
    if (b.at < 0) return a;
    if (a.at < 0) return b;
    return b.value > a.value || (b.value == a.value && b.at < a.at) ? b : a;
  }
};

/// All components of one list. Launched cooperatively.
__global__ void __launch_bounds__(kReduceThreads, kBlocksPerProcessor) clean_kernel(const MinorJob job) {
  const cg::grid_group grid = cg::this_grid();
  MinorState state = *job.state;
  if (state.active == 0) return;
  __shared__ BlockBest winner;
  __shared__ int winner_block;
  const int64_t pixels = job.pixels(), width = job.region.nx, ny = job.set.ny, nx = job.set.nx;
  const int channels = job.set.channels;
  const int64_t listed = static_cast<int64_t>(*job.unit_count) * kUnit;
  const int64_t all_iterations = state.max_iterations - state.iterations;  // of this pass
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kReduceThreads;
  int64_t iterations = 0, total = 0;
  float start = 0;
  bool diverged = false, full = false;
  int32_t at_y = -1, at_x = 0;   // the last component; none before the first search
  const float* steps = nullptr;  // [channel] what it took off at its centre, before the gain
  for (int parity = 0;; parity ^= 1) {
    Candidate mine{0, -1};
    for (int64_t i = first; i < listed; i += stride) {
      const int32_t unit = job.units[i / kUnit];
      const int64_t y = unit / job.unit_columns(), x = unit % job.unit_columns() * kUnit + i % kUnit;
      if (x >= width) continue;
      const int64_t at = y * width + x;
      float integrated = 0;
      if (at_y >= 0) {
        const int64_t j = y - at_y + ny / 2, k = x - at_x + nx / 2;
        const bool inside = j >= 0 && j < ny && k >= 0 && k < nx;
        for (int c = 0; c < channels; ++c) {
          float& value = job.values[c * pixels + at];
          const float psf = inside ? job.psf[c][j * nx + k] : 0;
          if (fabsf(psf) <= 3.402823466e38f) value -= job.gain * steps[c] * psf;
          integrated += job.set.weights[c] * value;
        }
        if (channels == 1) integrated = job.values[at];
      } else {
        integrated = job.integrated[at];
      }
      const float size = job.size_of(integrated);
      if (job.allowed[at] != 0 && size > 0) mine = LargerCandidate()(mine, {size, static_cast<int32_t>(at)});
    }
    const Candidate best = cuda::block_reduce(mine, LargerCandidate());
    if (threadIdx.x == 0) {
      const int64_t place = static_cast<int64_t>(parity) * gridDim.x + blockIdx.x;
      job.best[place] = {best.value, best.at, best.at >= 0 ? job.slot[best.at] : -1};
      for (int c = 0; c < channels; ++c)
        job.best_values[place * channels + c] = best.at >= 0 ? job.values[c * pixels + best.at] : 0;
    }
    grid.sync();
    if (threadIdx.x == 0) {
      BlockBest largest{0, -1, -1};
      int of = 0;
      for (int b = 0; b < static_cast<int>(gridDim.x); ++b) {
        const BlockBest one = job.best[static_cast<int64_t>(parity) * gridDim.x + b];
        const BlockBest larger = LargerBest()(largest, one);
        if (larger.at != largest.at) of = b;
        largest = larger;
      }
      winner = largest;
      winner_block = of;
    }
    __syncthreads();

    // From here on every thread of every block decides the same.
    const float peak = winner.at >= 0 ? winner.value : 0;
    state.left_peak = peak;
    if (total == 0) start = peak;
    if (peak > 4 * start || peak > 3.402823466e38f) {
      diverged = true;
      break;
    }
    if (!(peak > state.threshold) || peak == 0) break;
    if (iterations >= all_iterations || total >= 16 * all_iterations + 1000) break;
    at_y = static_cast<int32_t>(winner.at / width);
    at_x = static_cast<int32_t>(winner.at % width);
    const bool counted = job.counted.ny > 0 && at_y >= job.counted.y0 &&
                         at_y < job.counted.y0 + job.counted.ny && at_x >= job.counted.x0 &&
                         at_x < job.counted.x0 + job.counted.nx;
    const bool fresh = winner.slot < 0;
    if (fresh && counted && state.counted >= job.capacity) {
      full = true;
      break;
    }
    const int64_t entry = fresh ? state.entries : winner.slot;
    steps = job.best_values + (static_cast<int64_t>(parity) * gridDim.x + winner_block) * channels;
    if (threadIdx.x == 0) {
      // The pixel's owner remembers its entry: the only thread that reads it.
      if (fresh && static_cast<int>(blockIdx.x) == winner_block)
        job.slot[winner.at] = static_cast<int32_t>(entry);
      if (blockIdx.x == 0) {
        if (fresh) job.entries[entry] = {at_y, at_x, counted ? static_cast<int32_t>(state.counted) : -1};
        for (int c = 0; c < channels; ++c) {
          const double step = static_cast<double>(job.gain * steps[c]);
          job.flux[entry * channels + c] = fresh ? step : job.flux[entry * channels + c] + step;
        }
      }
    }
    if (fresh) {
      ++state.entries;
      state.counted += counted ? 1 : 0;
    }
    iterations += counted ? 1 : 0;
    ++total;
    __syncthreads();  // winner has been read
  }

  if (blockIdx.x != 0) return;
  MinorState& out = *job.state;
  if (diverged) {
    // What made the peaks grow is dropped.
    for (int64_t i = threadIdx.x; i < state.entries_before * channels; i += kReduceThreads)
      job.flux[i] = job.flux_before[i];
    if (threadIdx.x == 0) {
      out.flags |= kDiverged;
      out.active = 0;
    }
    return;
  }
  if (threadIdx.x != 0) return;
  out.iterations = state.iterations + iterations;
  out.entries = state.entries;
  out.counted = state.counted;
  out.left_peak = state.left_peak;
  if (full) out.flags |= kFull;
  // The list never saw the other pixels: after a long last step the whole residual is looked at again.
  out.active = state.deep != 0 && !full && !(state.left_peak > state.threshold);
}

int64_t cooperative_blocks(int64_t pixels) {
  int device = 0, processors = 0, per_processor = 0;
  cuda::check(cudaGetDevice(&device), "device");
  cuda::check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "processors");
  cuda::check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_processor, clean_kernel, kReduceThreads, 0),
              "occupancy");
  const int64_t most = int64_t{processors} * std::min(per_processor, kBlocksPerProcessor);
  return std::max<int64_t>(1, std::min(most, (pixels + kReduceThreads - 1) / kReduceThreads));
}

}  // namespace

void minor_cuda(cuda::Stream stream, const CleanArgs& args, const CleanLimits& limits,
                const CleanImages& images, const LoopBlock* block, const int64_t* share, void* list,
                int64_t bytes) {
  cuda::Worker& worker = cuda::Worker::of(stream);
  const StagedImages staged = stage_images(worker, args, images);
  MinorJob job{};
  job.set = staged.residual;
  job.psf = staged.psf;
  job.mask = args.mask ? worker.constants(args.mask) : nullptr;
  job.scale_mask = images.scale_mask;
  job.limits = limits;
  const Rect& rect = args.rect;
  const int64_t y0 = std::max<int64_t>(0, rect.y0 - kMargin), x0 = std::max<int64_t>(0, rect.x0 - kMargin);
  job.region = {y0, x0, std::min(args.ny, rect.y0 + rect.ny + kMargin) - y0,
                std::min(args.nx, rect.x0 + rect.nx + kMargin) - x0};
  job.counted = {rect.y0 - y0, rect.x0 - x0, rect.ny, rect.nx};
  job.hogbom = args.minor.algorithm == Algorithm::hogbom;
  job.allow_negative = args.minor.allow_negative != 0;
  job.gain = args.minor.gain;
  job.capacity =
      (bytes - static_cast<int64_t>(sizeof(ComponentHeader))) / ComponentList::entry_bytes(args.channels());

  const int passes = job.hogbom ? 1 : kDeepPasses;
  const int64_t pixels = job.pixels(), units = job.region.ny * job.unit_columns();
  const int64_t entries = std::min(pixels, passes * (16 * args.loop.max_iterations + 1000));
  const int64_t blocks = cooperative_blocks(pixels);
  int64_t needed = 0;
  Candidate* parts = nullptr;
  carve(job, entries, blocks, Carver(nullptr), &needed, &parts);
  carve(job, entries, blocks, Carver(worker.scratch<char>(Scratch::list, needed)), &needed, &parts);
  size_t select_bytes = 0;
  const thrust::counting_iterator<int32_t> numbers(0);
  cuda::check(cub::DeviceSelect::Flagged(nullptr, select_bytes, numbers, job.unit_flag, job.units,
                                         job.unit_count, units, stream),
              "select");
  void* temporary = worker.scratch<char>(Scratch::sort, static_cast<int64_t>(select_bytes));

  const auto find_left_peak = [&](bool first) {
    rect_peak_kernel<<<kPeakBlocks, kReduceThreads, 0, stream>>>(job, parts);
    cuda::check_launch("minor: peak");
    gate_kernel<<<1, kReduceThreads, 0, stream>>>(job, parts, first);
    cuda::check_launch("minor: gate");
  };
  start_kernel<<<1, 1, 0, stream>>>(job, block, share);
  cuda::check_launch("minor: start");
  cuda::launch_elements(stream, pixels, CopyPixel{job}, "minor: copy");
  find_left_peak(true);
  for (int pass = 0; pass < passes; ++pass) {
    cuda::launch_elements(stream, units, FlagUnit{job}, "minor: units");
    cuda::check(cub::DeviceSelect::Flagged(temporary, select_bytes, numbers, job.unit_flag, job.units,
                                           job.unit_count, units, stream),
                "select");
    if (pass > 0) cuda::launch_elements(stream, entries * job.set.channels, SaveFlux{job}, "minor: save");
    void* arguments[] = {&job};
    cuda::check(cudaLaunchCooperativeKernel(clean_kernel, dim3(static_cast<unsigned>(blocks)),
                                            dim3(kReduceThreads), arguments, 0, stream),
                "minor: clean");
    if (job.hogbom) break;
    cuda::launch_elements(stream, pixels, SubtractEntries{job}, "minor: subtract");
    find_left_peak(false);
  }
  cuda::launch_elements(stream, std::max<int64_t>(entries, 1), WriteList{job, static_cast<char*>(list)},
                        "minor: list");
}

}  // namespace fringeflow::deconvolve
