// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/levenberg.hpp"

namespace fringeflow::calibrate::detail {
namespace {

/// Real and imaginary parts of every gain: with A_d = g_jd* M_d and B_d = g_id M_d, the derivatives of the model of baseline i, j are A_d
/// and iA_d by those of g_id, B_d and −iB_d by those of g_jd.
void add_complex(const std::vector<Pair>& pairs, int64_t directions, const Gains& gains,
                 Eigen::MatrixXd& normal, Eigen::VectorXd& gradient) {
  for (const auto& pair : pairs) {
    const Complex *gi = gains.data() + pair.i * directions, *gj = gains.data() + pair.j * directions;
    const int64_t i = 2 * pair.i * directions, j = 2 * pair.j * directions;
    for (int64_t d = 0; d < directions; ++d) {
      Complex rest = pair.p[static_cast<size_t>(d)];
      const int64_t id = i + 2 * d, jd = j + 2 * d;
      for (int64_t e = 0; e < directions; ++e) {
        const Complex q = pair.q[static_cast<size_t>(d * directions + e)];
        rest -= q * gi[e] * std::conj(gj[e]);
        const int64_t ie = i + 2 * e, je = j + 2 * e;
        const Complex c = gj[d] * std::conj(gj[e]) * q;  // Σ w A_d* A_e
        normal(id, ie) += c.real();
        normal(id, ie + 1) -= c.imag();
        normal(id + 1, ie) += c.imag();
        normal(id + 1, ie + 1) += c.real();
        const Complex f = std::conj(gi[d]) * gi[e] * q;  // Σ w B_d* B_e
        normal(jd, je) += f.real();
        normal(jd, je + 1) += f.imag();
        normal(jd + 1, je) -= f.imag();
        normal(jd + 1, je + 1) += f.real();
        const Complex x = gj[d] * gi[e] * q;  // Σ w A_d* B_e
        const double cross[2][2] = {{x.real(), x.imag()}, {x.imag(), -x.real()}};
        for (int r = 0; r < 2; ++r)
          for (int s = 0; s < 2; ++s) {
            normal(id + r, je + s) += cross[r][s];
            normal(je + s, id + r) += cross[r][s];
          }
      }
      const Complex si = gj[d] * rest, sj = std::conj(gi[d]) * rest;
      gradient(id) += si.real();
      gradient(id + 1) += si.imag();
      gradient(jd) += sj.real();
      gradient(jd + 1) -= sj.imag();
    }
  }
}

}  // namespace

void add_phases(const std::vector<Pair>& pairs, int64_t directions, const Gains& gains, double factor,
                Eigen::MatrixXd& normal, Eigen::VectorXd& gradient) {
  std::vector<Complex> products(static_cast<size_t>(directions));
  for (const auto& pair : pairs) {
    const int64_t i = pair.i * directions, j = pair.j * directions;
    for (int64_t d = 0; d < directions; ++d)
      products[static_cast<size_t>(d)] =
          gains[static_cast<size_t>(i + d)] * std::conj(gains[static_cast<size_t>(j + d)]);
    for (int64_t d = 0; d < directions; ++d) {
      const Complex gd = std::conj(products[static_cast<size_t>(d)]);
      Complex rest = pair.p[static_cast<size_t>(d)];
      for (int64_t e = 0; e < directions; ++e) {
        const Complex x = pair.q[static_cast<size_t>(d * directions + e)] * products[static_cast<size_t>(e)];
        rest -= x;
        const double h = factor * factor * (gd * x).real();
        normal(i + d, i + e) += h;
        normal(j + d, j + e) += h;
        normal(i + d, j + e) -= h;
        normal(j + d, i + e) -= h;
      }
      const double slope = factor * (gd * rest).imag();
      gradient(i + d) += slope;
      gradient(j + d) -= slope;
    }
  }
}

Descent descend_phases(const std::vector<Pair>& pairs, int64_t directions, const DirectionLimits& limits,
                       Gains& g) {
  const auto n = static_cast<int64_t>(g.size());
  Gains trial;
  return descend(
      limits, n, misfit(pairs, directions, g), std::sqrt(static_cast<double>(n)),
      [&](auto& normal, auto& gradient) { add_phases(pairs, directions, g, 1, normal, gradient); },
      [&](const Eigen::VectorXd& step) {
        trial = g;
        for (int64_t k = 0; k < n; ++k) trial[static_cast<size_t>(k)] *= std::polar(1., step(k));
        return misfit(pairs, directions, trial);
      },
      [&] { g = trial; });
}

Descent descend_complex(const std::vector<Pair>& pairs, int64_t directions, const DirectionLimits& limits,
                        Gains& g) {
  const auto n = static_cast<int64_t>(g.size());
  Gains trial;
  double scale = 0;
  for (const Complex x : g) scale += std::norm(x);
  return descend(
      limits, 2 * n, misfit(pairs, directions, g), std::sqrt(scale),
      [&](auto& normal, auto& gradient) { add_complex(pairs, directions, g, normal, gradient); },
      [&](const Eigen::VectorXd& step) {
        trial = g;
        for (int64_t k = 0; k < n; ++k)
          trial[static_cast<size_t>(k)] += Complex(step(2 * k), step(2 * k + 1));
        return misfit(pairs, directions, trial);
      },
      [&] { g = trial; });
}

}  // namespace fringeflow::calibrate::detail
