// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/subtract/subtract.hpp"

namespace fringeflow {

void subtract_cpu(std::span<const std::complex<float>> observed, std::span<std::complex<float>> predicted) {
  for (size_t i = 0; i < predicted.size(); ++i) predicted[i] = observed[i] - predicted[i];
}

}  // namespace fringeflow
