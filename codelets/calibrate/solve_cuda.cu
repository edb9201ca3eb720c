// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"

#include <algorithm>

#include "codelets/calibrate/solve_matrices_cuda.hpp"

namespace fringeflow::calibrate {
namespace {

constexpr int64_t kSharedBytes = int64_t{32} << 10;    ///< for arrays by antenna; beyond, they are in memory
constexpr int64_t kScratchBytes = int64_t{512} << 20;  ///< products of as many fits are there at a time

/// A block of threads a fit. @param fast_bytes, slow_bytes of a fit; those in shared memory do not count in `scratch`
template <class Fit>
__global__ void __launch_bounds__(cuda::kTeamThreads, 1)
    solve_kernel(const SolveJob job, const int64_t first, char* scratch, const int64_t fast_bytes,
                 const int64_t slow_bytes, const bool in_shared) {
  extern __shared__ __align__(16) char shared[];
  char* mine = scratch + blockIdx.x * (slow_bytes + (in_shared ? 0 : fast_bytes));
  cuda::Carver slow(mine), fast(in_shared ? shared : mine + slow_bytes);
  const auto space = Fit::carve(job.shape.antennas, fast, slow);
  Fit(job, first + blockIdx.x, space).run(cuda::Team());
}

template <class Fit>
void solve_with(cuda::Stream stream, const SolveJob& job, int64_t fits) {
  cuda::Carver slow, fast;
  Fit::carve(job.shape.antennas, fast, slow);
  const bool in_shared = fast.bytes() <= kSharedBytes;
  const int64_t each = slow.bytes() + (in_shared ? 0 : fast.bytes());
  const int64_t most = std::clamp<int64_t>(kScratchBytes / std::max<int64_t>(each, 1), 1, fits);
  auto* scratch = cuda::Worker::of(stream).scratch<char>(cuda::Scratch::field, most * each);
  for (int64_t first = 0; first < fits; first += most) {
    solve_kernel<Fit><<<static_cast<unsigned>(std::min(most, fits - first)), cuda::kTeamThreads,
                        in_shared ? static_cast<size_t>(fast.bytes()) : 0, stream>>>(
        job, first, scratch, fast.bytes(), slow.bytes(), in_shared);
    cuda::check_launch("solve");
  }
}

}  // namespace

void solve_cuda(cuda::Stream stream, const Shape& shape, std::span<const SolveInterval> intervals,
                const Limits& limits, int64_t reference) {
  SolveJob job = solve_job(shape, limits, reference);
  const auto count = static_cast<int64_t>(intervals.size());
  const int64_t fits = count * job.blocks * job.fits;
  if (fits == 0 || shape.antennas == 0) return;
  job.intervals = cuda::Worker::of(stream).stage(cuda::Scratch::pointers, intervals.data(), count);
  if (shape.kind == SolveKind::full)
    solve_with<MatrixFit>(stream, job, fits);
  else
    solve_with<HandFit>(stream, job, fits);
}

}  // namespace fringeflow::calibrate
