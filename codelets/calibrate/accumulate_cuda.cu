// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"

#include "codelets/calibrate/accumulate_cuda.hpp"

namespace fringeflow::calibrate {
namespace {

constexpr int64_t kParts = cuda::kTeamWarps;  ///< of a block of threads

__global__ void __launch_bounds__(cuda::kTeamThreads)
    accumulate_hands_kernel(const AccumulateHands accumulate, const int64_t parts) {
  const int64_t begin = blockIdx.x * kParts;
  accumulate(cuda::Team(), begin, parts - begin < kParts ? parts - begin : kParts);
}

}  // namespace

void accumulate_cuda(cuda::Stream stream, AccumulateRows in) {
  auto& worker = cuda::Worker::of(stream);
  const Shape& shape = in.shape;
  if (shape.baselines() >= int64_t{kNoBaseline})
    throw std::runtime_error("too many baselines for 32-bit keys");
  auto* keys = worker.scratch<uint32_t>(cuda::Scratch::keys, in.rows);
  cuda::launch_elements(stream, in.rows, BaselineKey{in.antennas, shape.antennas, keys}, "accumulate: keys");
  const auto sorted = cuda::sort_indices(worker, keys, in.rows);
  in.keys = sorted.keys;
  in.order = sorted.indices;
  const int64_t parts = shape.blocks() * shape.baselines();
  if (parts == 0) return;
  if (shape.kind == SolveKind::full) {
    cuda::launch_elements(stream, parts * AccumulateMatrices::kProducts, AccumulateMatrices{in},
                          "accumulate: matrices");
    return;
  }
  accumulate_hands_kernel<<<static_cast<unsigned>((parts + kParts - 1) / kParts), cuda::kTeamThreads, 0,
                            stream>>>(AccumulateHands{in}, parts);
  cuda::check_launch("accumulate");
}

void apply_cuda(cuda::Stream stream, const Shape& shape, const cuda::Complex* gains, const uint8_t* valid,
                const int32_t* antennas, int64_t rows, cuda::Visibility* vis, uint8_t* flag,
                int64_t* flagged) {
  cuda::zero(stream, flagged, sizeof(int64_t));
  cuda::launch_elements(
      stream, rows * shape.channels,
      ApplySample{shape, gains, valid, antennas, vis, flag,
                  reinterpret_cast<unsigned long long*>(flagged)},  // NOLINT(google-runtime-int)
      "apply_gains");
}

}  // namespace fringeflow::calibrate
