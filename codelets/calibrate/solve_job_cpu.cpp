// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/solve_cuda.hpp"

namespace fringeflow::calibrate {

SolveJob solve_job(const Shape& shape, const Limits& limits, int64_t reference) {
  return {shape, shape.blocks(), shape.fits(), shape.polarisations(), shape.sums(), limits, reference};
}

}  // namespace fringeflow::calibrate
