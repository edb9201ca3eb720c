// SPDX-License-Identifier: GPL-3.0-or-later
#include <stdexcept>

#include "codelets/common/cuda_stokes.hpp"

namespace fringeflow::cuda {

CorrelationMixes correlation_mixes(int64_t stokes, std::span<const int> correlations) {
  // RR RL LR LL, XX XY YX YY: io/measurement_set_stokes.hpp.
  constexpr int kI = 0, kQ = 1, kU = 2, kV = 3;
  constexpr CorrelationMix kMixes[] = {{kI, kV, 1, false},  {kQ, kU, 1, true},  {kQ, kU, -1, true},
                                       {kI, kV, -1, false}, {kI, kQ, 1, false}, {kU, kV, 1, true},
                                       {kU, kV, -1, true},  {kI, kQ, -1, false}};
  if (correlations.size() > CorrelationMixes::kMost)
    throw std::invalid_argument("more than four correlations");
  CorrelationMixes out;
  for (const int code : correlations) {
    if (code < 5 || code > 12) throw std::invalid_argument("correlations other than RR to LL and XX to YY");
    CorrelationMix mix = kMixes[code - 5];
    if (mix.first >= stokes) mix.first = -1;
    if (mix.second >= stokes) mix.second = -1;
    out.mix[out.count++] = mix;
  }
  return out;
}

}  // namespace fringeflow::cuda
