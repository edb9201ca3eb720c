// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/directions.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <vector>

namespace fringeflow::calibrate {
namespace {

using Complex = std::complex<double>;

bool finite(std::complex<float> x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); }

/// Σ w |r|² per sample of the pass before.
double spread(const Outcome& outcome) {
  return outcome.samples > 0 ? outcome.residual_power / outcome.samples : 0;
}

/// Samples of one row and hand in a block of channels, scaled by √w: columns Re M_d, Im M_d, Re V, Im V.
class Samples {
 public:
  explicit Samples(int64_t directions) : directions_(directions), columns_(2 * directions + 2) {}

  void gather(const AccumulateDirectionsArguments& a, int64_t row, int64_t hand, int64_t begin, int64_t end) {
    const int64_t step = a.shape.gains.correlations, correlation = hand * (step - 1),
                  channels = a.shape.gains.channels;
    const int64_t plane = a.vis.extent(0) * channels * step;
    values_.resize(static_cast<size_t>((end - begin) * columns_));
    count_ = 0;
    for (int64_t channel = begin; channel < end; ++channel) {
      const int64_t at = (row * channels + channel) * step + correlation;
      const double w = a.weight.data()[at];
      const std::complex<float> v = a.vis.data()[at];
      if (!(w > 0) || !finite(v)) continue;
      const double root = std::sqrt(w);
      double* out = values_.data() + count_ * columns_;
      bool good = true;
      for (int64_t d = 0; d < directions_; ++d) {
        const std::complex<float> m = a.model.data()[d * plane + at];
        good = good && finite(m);
        out[2 * d] = root * static_cast<double>(m.real());
        out[2 * d + 1] = root * static_cast<double>(m.imag());
      }
      if (!good) continue;
      out[2 * directions_] = root * static_cast<double>(v.real());
      out[2 * directions_ + 1] = root * static_cast<double>(v.imag());
      ++count_;
    }
  }

  /// Less for samples that are far from the model seen through `products`, G_d.
  void reweigh(const std::vector<Complex>& products, double freedom, double spread) {
    for (int64_t i = 0; i < count_; ++i) {
      double* at = values_.data() + i * columns_;
      Complex r(at[2 * directions_], at[2 * directions_ + 1]);
      for (int64_t d = 0; d < directions_; ++d)
        r -= products[static_cast<size_t>(d)] * Complex(at[2 * d], at[2 * d + 1]);
      const double factor = std::sqrt((freedom + 2) / (freedom + 2 * std::norm(r) / spread));
      for (int64_t k = 0; k < columns_; ++k) at[k] *= factor;
    }
  }

  /// Adds the products to the sums of one hand; `sign` is −1 for a baseline the other way round.
  void add(double sign, double* sums) {
    if (count_ == 0) return;
    const Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> y(
        values_.data(), count_, columns_);
    products_.noalias() = y.transpose() * y;
    const auto& s = products_;
    const int64_t v = 2 * directions_;
    sums[0] += s(v, v) + s(v + 1, v + 1);
    sums[1] += static_cast<double>(count_);
    double *p = sums + 2, *q = sums + 2 + v;
    for (int64_t d = 0; d < directions_; ++d) {
      *p++ += s(v, 2 * d) + s(v + 1, 2 * d + 1);
      *p++ += sign * (s(v + 1, 2 * d) - s(v, 2 * d + 1));
      *q++ += s(2 * d, 2 * d) + s(2 * d + 1, 2 * d + 1);
      for (int64_t e = d + 1; e < directions_; ++e) {
        *q++ += s(2 * e, 2 * d) + s(2 * e + 1, 2 * d + 1);
        *q++ += sign * (s(2 * e + 1, 2 * d) - s(2 * e, 2 * d + 1));
      }
    }
  }

 private:
  int64_t directions_, columns_, count_ = 0;
  std::vector<double> values_;  ///< [sample][column]
  Eigen::MatrixXd products_;
};

}  // namespace

void accumulate_directions_cpu(const AccumulateDirectionsArguments& a) {
  const Shape& shape = a.shape.gains;
  Samples samples(a.shape.directions);
  std::vector<Complex> products(static_cast<size_t>(a.shape.directions));
  for (int64_t row = 0; row < a.vis.extent(0); ++row) {
    const int64_t p = a.antennas(row, 0), q = a.antennas(row, 1);
    if (p == q) continue;
    const int64_t baseline = baseline_index(std::min(p, q), std::max(p, q), shape.antennas);
    for (int64_t block = 0; block < shape.blocks(); ++block) {
      const int64_t begin = block * shape.channels_per_solution,
                    end = std::min(begin + shape.channels_per_solution, shape.channels);
      for (int64_t hand = 0; hand < shape.hands(); ++hand) {
        samples.gather(a, row, hand, begin, end);
        if (a.freedom > 0) {
          const int64_t polarisation = shape.scalar() ? 0 : hand;
          const double s2 = spread(a.outcomes(block, polarisation));
          // Gains without a solution leave the others' residuals large: then weights are those of the data.
          bool known = s2 > 0;
          for (int64_t d = 0; d < a.shape.directions; ++d) {
            known = known && a.valid(block, p, d, polarisation) && a.valid(block, q, d, polarisation);
            products[static_cast<size_t>(d)] =
                a.gains(block, p, d, polarisation) * std::conj(a.gains(block, q, d, polarisation));
          }
          if (known) samples.reweigh(products, a.freedom, s2);
        }
        samples.add(p < q ? 1 : -1, &a.sums(block, baseline, hand * a.shape.hand_sums()));
      }
    }
  }
}

}  // namespace fringeflow::calibrate
