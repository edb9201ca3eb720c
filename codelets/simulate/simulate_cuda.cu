// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/simulate/simulate_cuda.hpp"

namespace fringeflow {

void simulate_cuda(cuda::Stream stream, const std::shared_ptr<const std::vector<SourceGroup>>& groups,
                   const std::vector<double>& freq_hz, const double* uvw_m, int64_t rows, int64_t stokes,
                   cuda::Visibility* vis, const Smearing& smearing, const double* tec, int64_t tec_antennas,
                   const int32_t* antennas) {
  namespace device = simulate_device;
  auto& worker = cuda::Worker::of(stream);
  const double* sky =
      worker.made(groups, [&] { return device::PackedSky(*groups, freq_hz, stokes).values(); });
  if (antennas != nullptr) antennas = worker.stage(cuda::Scratch::pointers, antennas, 2 * rows);
  device::predict_with(
      device::sky_tables(*groups, freq_hz, stokes, sky),
      device::propagation(smearing, tec, tec_antennas, antennas), uvw_m, rows, stokes, vis,
      [&](const auto& predict) { cuda::launch_elements(stream, predict.count(), predict, "simulate"); });
}

}  // namespace fringeflow
