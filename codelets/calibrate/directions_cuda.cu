// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"

#include <algorithm>

#include "codelets/calibrate/solve_directions_cuda.hpp"
#include "codelets/simulate/simulate_cuda.hpp"

namespace fringeflow::calibrate {
namespace {

using cuda::Scratch;

constexpr int64_t kModelBytes = int64_t{256} << 20;  ///< models of as many rows are there at a time
constexpr int64_t kSharedBytes = int64_t{32} << 10;  ///< for arrays by antenna; beyond, they are in memory
constexpr int64_t kScratchBytes = int64_t{1} << 30;  ///< products and normal matrices of as many fits

/// Element i of [interval][sum].
struct AddParts {
  const double* const* parts;  ///< [interval][part]
  int64_t count, size;
  double* out;
  FF_HD void operator()(int64_t i) const {
    const double* const* mine = parts + i / size * count;
    double sum = mine[0][i % size];
    for (int64_t part = 1; part < count; ++part) sum += mine[part][i % size];
    out[i] = sum;
  }
};

/// A block of threads a fit.
__global__ void __launch_bounds__(cuda::kTeamThreads, 1)
    solve_directions_kernel(const DirectionJob job, const int64_t first, char* scratch,
                            const int64_t fast_bytes, const int64_t slow_bytes, const bool in_shared) {
  extern __shared__ __align__(16) char shared[];
  char* mine = scratch + blockIdx.x * (slow_bytes + (in_shared ? 0 : fast_bytes));
  cuda::Carver slow(mine), fast(in_shared ? shared : mine + slow_bytes);
  const auto space = DirectionFit::carve(job, fast, slow);
  DirectionFit(job, first + blockIdx.x, space).run(cuda::Team());
}

}  // namespace

void accumulate_directions_cuda(cuda::Stream stream, DirectionRows in, const DirectionGroups& groups,
                                const std::vector<double>& freq_hz, const double* uvw_m) {
  auto& worker = cuda::Worker::of(stream);
  const Shape shape = in.shape;
  if (shape.baselines() >= int64_t{kNoBaseline})
    throw std::runtime_error("too many baselines for 32-bit keys");
  const int64_t all = in.rows, row_bytes = in.directions * in.stokes * shape.channels * 8;
  const int64_t batch =
      std::clamp<int64_t>(kModelBytes / std::max<int64_t>(row_bytes, 1), 1, std::max<int64_t>(all, 1));
  const DirectionRows whole = in;
  for (int64_t row = 0; row < all || (row == 0 && in.first); row += batch) {
    in.rows = std::min(batch, all - row);
    const int64_t samples = in.rows * shape.channels, at = row * shape.channels * shape.correlations;
    in.vis = whole.vis + at;
    in.weight = whole.weight + at;
    in.antennas = whole.antennas + 2 * row;
    in.first = whole.first && row == 0;
    auto* models = worker.scratch<cuda::Visibility>(Scratch::field, in.directions * in.stokes * samples);
    for (int64_t d = 0; d < in.directions; ++d)
      simulate_cuda(stream, groups[static_cast<size_t>(d)], freq_hz, uvw_m + 3 * row, in.rows, in.stokes,
                    models + d * in.stokes * samples);
    in.models = models;
    auto* keys = worker.scratch<uint32_t>(Scratch::keys, in.rows);
    cuda::launch_elements(stream, in.rows, BaselineKey{in.antennas, shape.antennas, keys},
                          "accumulate_directions: keys");
    const auto sorted = cuda::sort_indices(worker, keys, in.rows);
    in.keys = sorted.keys;
    in.order = sorted.indices;
    in.weights = worker.scratch<double>(Scratch::sums, samples * in.hands);
    const DirectionWeight weight{in};
    cuda::launch_elements(stream, weight.count(), weight, "accumulate_directions: weights");
    const AccumulateDirection accumulate{in};
    cuda::launch_elements(stream, accumulate.count(), accumulate, "accumulate_directions");
    if (all == 0) break;
  }
}

void solve_directions_cuda(cuda::Stream stream, const DirectionShape& shape, const DirectionLimits& limits,
                           int64_t reference, std::span<const DirectionParts> intervals) {
  DirectionJob job = direction_job(shape, limits, reference);
  const auto count = static_cast<int64_t>(intervals.size());
  const int64_t fits = count * job.blocks * job.fits, size = shape.accumulator_size();
  if (fits == 0 || job.shape.antennas == 0) return;
  auto& worker = cuda::Worker::of(stream);
  std::vector<DirectionInterval> buffers;
  for (const auto& interval : intervals) {
    buffers.push_back(interval.buffers);
    buffers.back().sums = interval.parts.front();
  }
  const auto parts = static_cast<int64_t>(intervals.front().parts.size());
  if (parts > 1) {
    std::vector<const double*> all;
    for (const auto& interval : intervals)
      all.insert(all.end(), interval.parts.begin(), interval.parts.end());
    auto* sums = worker.scratch<double>(Scratch::sums, count * size);
    cuda::launch_elements(
        stream, count * size,
        AddParts{worker.stage(Scratch::values, all.data(), count * parts), parts, size, sums},
        "solve_directions: parts");
    for (size_t i = 0; i < buffers.size(); ++i) buffers[i].sums = sums + static_cast<int64_t>(i) * size;
  }
  job.intervals = worker.stage(Scratch::pointers, buffers.data(), count);
  cuda::Carver slow, fast;
  DirectionFit::carve(job, fast, slow);
  const bool in_shared = fast.bytes() <= kSharedBytes;
  const int64_t each = slow.bytes() + (in_shared ? 0 : fast.bytes());
  const int64_t most = std::clamp<int64_t>(kScratchBytes / std::max<int64_t>(each, 1), 1, fits);
  auto* scratch = worker.scratch<char>(Scratch::field, most * each);
  for (int64_t first = 0; first < fits; first += most) {
    solve_directions_kernel<<<static_cast<unsigned>(std::min(most, fits - first)), cuda::kTeamThreads,
                              in_shared ? static_cast<size_t>(fast.bytes()) : 0, stream>>>(
        job, first, scratch, fast.bytes(), slow.bytes(), in_shared);
    cuda::check_launch("solve_directions");
  }
}

}  // namespace fringeflow::calibrate
