// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Steps of Levenberg-Marquardt on the gains of all antennas and directions of one fit, on the device: normal equations, Cholesky, trial.
#include "codelets/calibrate/cholesky_cuda.hpp"
#include "codelets/calibrate/direction_pairs_cuda.hpp"

namespace fringeflow::calibrate {

/// The largest of some numbers, as a sum of Team's.
struct Largest {
  double value = -INFINITY;
  FF_HD Largest& operator+=(const Largest& x) {
    if (x.value > value) value = x.value;
    return *this;
  }
};

struct LevenbergSpace {
  double *normal = nullptr, *damped = nullptr;  ///< [parameter][parameter], the lower halves
  double *gradient = nullptr, *right = nullptr, *step = nullptr, *diagonal = nullptr;  ///< [parameter]
  cuda::Complex* trial = nullptr;  ///< [antenna][direction]
  int32_t* failed = nullptr;

  FF_HD static LevenbergSpace carve(cuda::Carver& carver, int64_t parameters, int64_t gains) {
    LevenbergSpace out;
    out.normal = carver.take<double>(parameters * parameters);
    out.damped = carver.take<double>(parameters * parameters);
    out.gradient = carver.take<double>(parameters);
    out.right = carver.take<double>(parameters);
    out.step = carver.take<double>(parameters);
    out.diagonal = carver.take<double>(parameters);
    out.trial = carver.take<cuda::Complex>(gains);
    out.failed = carver.take<int32_t>(1);
    return out;
  }
};

/// Parameters are phases, one per antenna and direction, or real and imaginary parts.
class Levenberg {
 public:
  FF_HD Levenberg(const DirectionPairs& pairs, bool phase_only, const LevenbergSpace& space)
      : pairs_(pairs),
        phase_only_(phase_only),
        space_(space),
        each_(phase_only ? 1 : 2),
        parameters_(each_ * pairs.n * pairs.directions) {}

  /// @param change in: of the steps before; out: relative, of the last step   @return steps tried
  FF_HD int32_t run(const cuda::Team& team, const DirectionLimits& limits, cuda::Complex* g, double& change) {
    const int64_t gains = pairs_.n * pairs_.directions, m = parameters_;
    change = INFINITY;
    double chi2 = misfit(team, pairs_, g), damping = 1e-3;
    const double scale =
        phase_only_
            ? sqrt(static_cast<double>(gains))
            : sqrt(team.sum<cuda::Count>(gains, [&](int64_t k) { return cuda::Count{cuda::norm(g[k])}; })
                       .count);
    const Cholesky cholesky{m, space_.damped, space_.diagonal, space_.failed};
    bool fresh = true;
    int32_t steps = 0;
    while (steps < limits.steps) {
      ++steps;
      if (fresh) assemble(team, g);
      const double floor =
          1e-12 * team.sum<Largest>(m, [&](int64_t k) { return Largest{space_.normal[k * m + k]}; }).value;
      team.each(m * m, [&](int64_t at) {
        const int64_t r = at / m, c = at % m;
        if (c > r) return;
        space_.damped[at] = space_.normal[at] + (r == c ? damping * space_.normal[at] + floor : 0);
        if (c == 0) space_.right[r] = space_.gradient[r];
      });
      if (!cholesky.factor(team)) {
        damping = 10 * damping > 1e-6 ? 10 * damping : 1e-6;
        fresh = false;
        continue;
      }
      cholesky.solve(team, space_.right, space_.step);
      team.each(gains, [&](int64_t k) {
        const double* step = space_.step + each_ * k;
        space_.trial[k] = phase_only_ ? g[k] * cuda::Complex(cos(step[0]), sin(step[0]))
                                      : g[k] + cuda::Complex(step[0], step[each_ - 1]);
      });
      const double now = misfit(team, pairs_, space_.trial), gain = chi2 - now;
      const double moved =
          sqrt(team.sum<cuda::Count>(m,
                                     [&](int64_t k) { return cuda::Count{space_.step[k] * space_.step[k]}; })
                   .count) /
          scale;
      fresh = now <= chi2;
      if (fresh) {
        team.each(gains, [&](int64_t k) { g[k] = space_.trial[k]; });
        damping = damping / 10 > 1e-9 ? damping / 10 : 1e-9;
        chi2 = now;
        change = moved;
        if (change <= limits.tolerance || gain <= 1e-14 * fabs(chi2)) {
          change = change < limits.tolerance ? change : limits.tolerance;
          break;
        }
      } else {
        // At the bottom rounding decides which of two equal values is the lower.
        if (moved <= limits.tolerance || damping > 1e9) {
          change = change < limits.tolerance ? change : limits.tolerance;
          break;
        }
        damping *= 10;
      }
    }
    return steps;
  }

  /// The normal matrix and −∂χ²/2. With G_d = g_ad g_bd* of a and b, and Q and P that way round, the parts of gains have the blocks
  /// Σ_b g_bd g_be* Q_de as a product of complex numbers of an antenna with itself, and g_bd g_ae Q_de of two, as one with a conjugate.
  FF_HD void assemble(const cuda::Team& team, const cuda::Complex* g) const {
    const int64_t n = pairs_.n, directions = pairs_.directions, m = parameters_, gains = n * directions;
    team.rows<cuda::Complex>(
        gains * directions, n,
        [&](int64_t k, int64_t b) {
          const int64_t a = k / directions / directions, d = k / directions % directions, e = k % directions;
          if (e > d || a == b) return cuda::Complex();
          return phase_only_
                     ? cuda::Complex(hessian(g, a, b, d, e))
                     : g[b * directions + d] * cuda::conj(g[b * directions + e]) * pairs_.q_of(d, e, a, b);
        },
        [&](int64_t k, const cuda::Complex& sum) {
          const int64_t a = k / directions / directions, d = k / directions % directions, e = k % directions;
          if (e > d) return;
          const int64_t r = each_ * (a * directions + d), c = each_ * (a * directions + e);
          space_.normal[r * m + c] = sum.re;
          if (phase_only_) return;
          space_.normal[(r + 1) * m + c] = sum.im;
          space_.normal[(r + 1) * m + c + 1] = sum.re;
          if (e < d) space_.normal[r * m + c + 1] = -sum.im;
        });
    team.each(gains * gains, [&](int64_t at) {
      const int64_t row = at / gains, column = at % gains, a = row / directions, b = column / directions,
                    d = row % directions, e = column % directions;
      if (b >= a) return;
      double* out = space_.normal + each_ * row * m + each_ * column;
      if (phase_only_) {
        *out = -hessian(g, a, b, d, e);
        return;
      }
      const cuda::Complex x = g[b * directions + d] * g[a * directions + e] * pairs_.q_of(d, e, a, b);
      out[0] = x.re;
      out[1] = out[m] = x.im;
      out[m + 1] = -x.re;
    });
    team.rows<cuda::Complex>(
        gains, n,
        [&](int64_t k, int64_t b) {
          const int64_t a = k / directions, d = k % directions;
          if (a == b) return cuda::Complex();
          const cuda::Complex *ga = g + a * directions, *gb = g + b * directions;
          cuda::Complex rest = pairs_.p_of(d, a, b);
          for (int64_t e = 0; e < directions; ++e)
            rest -= pairs_.q_of(d, e, a, b) * (ga[e] * cuda::conj(gb[e]));
          return phase_only_ ? cuda::Complex((cuda::conj(ga[d]) * gb[d] * rest).im) : gb[d] * rest;
        },
        [&](int64_t k, const cuda::Complex& sum) {
          space_.gradient[each_ * k] = sum.re;
          if (!phase_only_) space_.gradient[each_ * k + 1] = sum.im;
        });
  }

 private:
  /// Re G_d* Q_de G_e
  FF_HD double hessian(const cuda::Complex* g, int64_t a, int64_t b, int64_t d, int64_t e) const {
    const int64_t directions = pairs_.directions;
    const cuda::Complex left = g[a * directions + d] * cuda::conj(g[b * directions + d]),
                        right = g[a * directions + e] * cuda::conj(g[b * directions + e]);
    return (cuda::conj(left) * pairs_.q_of(d, e, a, b) * right).re;
  }

  const DirectionPairs& pairs_;
  bool phase_only_;
  const LevenbergSpace& space_;
  int64_t each_, parameters_;
};

}  // namespace fringeflow::calibrate
