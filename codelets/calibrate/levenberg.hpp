// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Levenberg-Marquardt on normal equations by Cholesky, on the host.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "codelets/calibrate/direction_network.hpp"

namespace fringeflow::calibrate::detail {

/// How a fit ended.
struct Descent {
  int iterations = 0;
  double change = INFINITY;  ///< relative, of the last iteration
};

/// Steps of Levenberg-Marquardt: `assemble` fills the normal matrix and the gradient −∂χ²/2, `apply` makes a trial of a step and gives
/// its χ², `accept` keeps it.
template <class Assemble, class Try, class Accept>
Descent descend(const DirectionLimits& limits, int64_t parameters, double chi2, double scale,
                Assemble&& assemble, Try&& attempt, Accept&& accept) {
  Descent descent;
  Eigen::MatrixXd normal;
  Eigen::VectorXd gradient;
  double damping = 1e-3;
  bool fresh = true;
  while (descent.iterations < limits.steps) {
    ++descent.iterations;
    if (fresh) {
      normal.setZero(parameters, parameters);
      gradient.setZero(parameters);
      assemble(normal, gradient);
    }
    const double floor = 1e-12 * normal.diagonal().maxCoeff();
    Eigen::MatrixXd damped = normal;
    damped.diagonal() += damping * normal.diagonal() + Eigen::VectorXd::Constant(parameters, floor);
    const Eigen::LLT<Eigen::MatrixXd> cholesky(damped);
    if (cholesky.info() != Eigen::Success) {
      damping = std::max(10 * damping, 1e-6);
      fresh = false;
      continue;
    }
    const Eigen::VectorXd step = cholesky.solve(gradient);
    const double now = attempt(step), gain = chi2 - now;
    fresh = now <= chi2;
    if (fresh) {
      accept();
      damping = std::max(damping / 10, 1e-9);
      chi2 = now;
      descent.change = step.norm() / scale;
      if (descent.change <= limits.tolerance || gain <= 1e-14 * std::abs(chi2)) {
        descent.change = std::min(descent.change, limits.tolerance);
        break;
      }
    } else {
      // At the bottom rounding decides which of two equal values is the lower.
      if (step.norm() / scale <= limits.tolerance || damping > 1e9) {
        descent.change = std::min(descent.change, limits.tolerance);
        break;
      }
      damping *= 10;
    }
  }
  return descent;
}

/// Adds normal matrix and gradient of the phases of a block's gains, times `factor` per phase.
void add_phases(const std::vector<Pair>& pairs, int64_t directions, const Gains& gains, double factor,
                Eigen::MatrixXd& normal, Eigen::VectorXd& gradient);

/// Gains of a block, of modulus 1 or free, from where they are.
Descent descend_phases(const std::vector<Pair>& pairs, int64_t directions, const DirectionLimits& limits,
                       Gains& g);
Descent descend_complex(const std::vector<Pair>& pairs, int64_t directions, const DirectionLimits& limits,
                        Gains& g);

}  // namespace fringeflow::calibrate::detail
