// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/constants.hpp"
#include "io/error.hpp"

namespace fringeflow::gridder {
namespace {

struct TunedShape {
  int support;
  double sigma, beta, e0;
  double rms, edge;  // alias error of one dimension: over the field, and at its edge
  double magnification;
};

// (beta, e0) that minimise 0.95 rms^2 + 0.05 edge^2 of the alias integral below, found by direct search.
constexpr TunedShape kTunedShapes[] = {
#include "codelets/gridder/kernel_shapes.inc"
};

// Relative round-off of gridding and transforms; a bound of what was measured is this x (magnification + a
// few steps).
constexpr double kDoubleRoundOff = 1.1e-16, kFloatRoundOff = 6e-8, kRoundOffSteps = 4;
// Sums of very many visibilities lose more; single precision is not taken below this.
constexpr double kFloatAccuracy = 1e-5;
// Keeps grid and degrid adjoint to 2e-13 (3e-5 in single precision; 3e-6 was measured on the sets of bench/compare), whatever
// accuracy is asked for.
constexpr double kDoubleMagnification = 300, kFloatMagnification = 150;

// Quadrature nodes for integrals over [-1, 1] of even functions with an algebraic singularity at the ends
// (tanh-sinh): those of [0, 1], with the weights of both halves.
struct Quadrature {
  std::vector<double> x, one_minus_x2, weight;
};

const Quadrature& quadrature() {
  static const Quadrature nodes = [] {
    Quadrature q;
    const double step = 0.012;  // fine enough for the third alias of 16 cells
    for (int i = 0; i <= 300; ++i) {
      const double t = i * step;
      const double s = 0.5 * kPi * std::sinh(t);
      const double sech = 1 / std::cosh(s);
      const double weight = (i == 0 ? 0.5 : 1.0) * kPi * std::cosh(t) * sech * sech * step;
      if (weight < 1e-22) continue;
      q.x.push_back(std::tanh(s));
      q.one_minus_x2.push_back(sech * sech);
      q.weight.push_back(weight);
    }
    return q;
  }();
  return nodes;
}

double combine_dimensions(double rms, double edge) {
  // Errors of u, v and w are independent; a few edge pixels weigh in any sample of pixels.
  return std::sqrt(3 * (0.95 * rms * rms + 0.05 * edge * edge));
}

// The shape a share t of the way from one entry of the table to the next of the same support.
TunedShape between(const TunedShape& a, const TunedShape& b, double t) {
  const auto mix = [t](double x, double y) { return x + t * (y - x); };
  const auto mix_logs = [t](double x, double y) { return x * std::pow(y / x, t); };
  return {a.support,
          mix(a.sigma, b.sigma),
          mix(a.beta, b.beta),
          mix(a.e0, b.e0),
          mix_logs(a.rms, b.rms),
          mix_logs(a.edge, b.edge),
          mix_logs(a.magnification, b.magnification)};
}

// Chebyshev coefficients of f on [-1, 1] from `count` first-kind nodes.
template <class F>
std::vector<long double> chebyshev(const F& f, int count) {
  constexpr long double pi = 3.14159265358979323846264338327950288L;
  std::vector<long double> values(static_cast<size_t>(count));
  for (int j = 0; j < count; ++j) values[static_cast<size_t>(j)] = f(std::cos(pi * (j + 0.5L) / count));
  std::vector<long double> out(static_cast<size_t>(count));
  for (int k = 0; k < count; ++k) {
    long double sum = 0;
    for (int j = 0; j < count; ++j)
      sum += values[static_cast<size_t>(j)] * std::cos(pi * k * (j + 0.5L) / count);
    out[static_cast<size_t>(k)] = sum * (k == 0 ? 1 : 2) / count;
  }
  return out;
}

}  // namespace

double kernel_value(double x, double beta, double e0) {
  if (std::abs(x) > 1) return 0;
  return std::exp(beta * (std::pow((1 - x) * (1 + x), e0) - 1));
}

KernelShape kernel_shape(int support, double sigma) {
  const TunedShape* below = nullptr;
  const TunedShape* above = nullptr;
  for (const TunedShape& shape : kTunedShapes) {
    if (shape.support != support) continue;
    if (shape.sigma <= sigma + 1e-12) below = &shape;
    if (shape.sigma >= sigma - 1e-12 && !above) above = &shape;
  }
  if (!below && !above) throw UserError("kernel support must be 4 to 16 cells");
  if (!below) throw UserError("kernel oversampling must be at least 1.25");
  if (!above) above = below;
  const double span = above->sigma - below->sigma;
  const TunedShape shape = between(*below, *above, span > 0 ? (sigma - below->sigma) / span : 0);
  return {support, sigma, shape.beta, shape.e0, combine_dimensions(shape.rms, shape.edge)};
}

double kernel_transform(const KernelShape& shape, double nu) {
  const Quadrature& q = quadrature();
  double sum = 0;
  for (size_t i = 0; i < q.x.size(); ++i) {
    const double phi = std::exp(shape.beta * (std::pow(q.one_minus_x2[i], shape.e0) - 1));
    sum += q.weight[i] * phi * std::cos(kPi * shape.support * nu * q.x[i]);
  }
  return sum * shape.support / 2;
}

double alias_error(const KernelShape& shape) {
  constexpr int kSamples = 24, kAliases = 3;
  double sum = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double nu = (i + 0.5) / kSamples / (2 * shape.sigma);
    const double wanted = kernel_transform(shape, nu);
    for (int m = 1; m <= kAliases; ++m)
      for (const double alias : {kernel_transform(shape, nu + m), kernel_transform(shape, nu - m)})
        sum += (alias / wanted) * (alias / wanted);
  }
  return std::sqrt(sum / kSamples);
}

double noise_magnification(const KernelShape& shape) {
  // Noise is white over the period, the image before correction has the shape of psi_hat.
  constexpr int kSamples = 24;
  double power = 0, inverse = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double t = (i + 0.5) / kSamples;
    const double over_period = kernel_transform(shape, 0.5 * t),
                 over_field = kernel_transform(shape, 0.5 * t / shape.sigma);
    power += over_period * over_period / kSamples;
    inverse += 1 / (over_field * over_field) / kSamples;
  }
  const double at_edge = kernel_transform(shape, 0.5 / shape.sigma);
  return std::sqrt(0.95 * std::pow(power * inverse, 3) + 0.05 * std::pow(power / (at_edge * at_edge), 3));
}

std::vector<KernelShape> kernel_candidates(double accuracy, bool double_precision) {
  // The expected error is a root mean square; the margin covers the spread between data sets.
  constexpr double kMargin = 1.8;
  const double round_off = double_precision ? kDoubleRoundOff : kFloatRoundOff;
  std::vector<KernelShape> out;
  if (!double_precision && accuracy < kFloatAccuracy) return out;
  const auto good = [&](const TunedShape& t) {
    return t.magnification <= (double_precision ? kDoubleMagnification : kFloatMagnification) &&
           kMargin * std::hypot(combine_dimensions(t.rms, t.edge),
                                round_off * (t.magnification + kRoundOffSteps)) <=
               accuracy;
  };
  const auto take = [&](const TunedShape& t) {
    out.push_back({t.support, t.sigma, t.beta, t.e0, combine_dimensions(t.rms, t.edge)});
  };
  const TunedShape* previous = nullptr;
  for (const TunedShape& t : kTunedShapes) {
    if (good(t)) {
      // The least oversampling that will do lies between the entries.
      if (previous && previous->support == t.support && !good(*previous)) {
        double bad = 0, enough = 1;
        while (enough - bad > 1e-3) {
          const double middle = 0.5 * (bad + enough);
          (good(between(*previous, t, middle)) ? enough : bad) = middle;
        }
        if (enough < 1) take(between(*previous, t, enough));
      }
      take(t);
    }
    previous = &t;
  }
  return out;
}

std::vector<double> tap_polynomials(const KernelShape& shape, int degree) {
  const int count = degree + 1;
  std::vector<double> out;
  out.reserve(static_cast<size_t>(shape.support * count));
  for (int tap = 0; tap < shape.support; ++tap) {
    const auto value = [&](long double s) -> long double {
      const double d = static_cast<double>((s + 1) / 2);
      return kernel_value((tap + d - shape.support / 2.0) * 2 / shape.support, shape.beta, shape.e0);
    };
    const std::vector<long double> series = chebyshev(value, count);
    // Chebyshev polynomials in powers of s, by their recurrence.
    std::vector<long double> power(static_cast<size_t>(count)), previous(power.size()), current(power.size());
    previous[0] = 1;
    if (count > 1) current[1] = 1;
    for (int k = 0; k < count; ++k) {
      for (int i = 0; i <= k; ++i)
        power[static_cast<size_t>(i)] += series[static_cast<size_t>(k)] * previous[static_cast<size_t>(i)];
      std::vector<long double> next(power.size());
      for (size_t i = 0; i + 1 < next.size(); ++i) next[i + 1] = 2 * current[i];
      for (size_t i = 0; i < next.size(); ++i) next[i] -= previous[i];
      previous = current;
      current = std::move(next);
    }
    for (const long double c : power) out.push_back(static_cast<double>(c));
  }
  return out;
}

ScreenCorrection screen_correction(const Facet& facet) {
  constexpr int kNodes = 2 * ScreenCorrection::kTerms;
  KernelShape shape;
  shape.support = facet.support;
  shape.beta = facet.beta;
  shape.e0 = facet.e0;
  ScreenCorrection out;
  out.per_offset = facet.r_half > 0 ? 1 / facet.r_half : 0;
  for (int node = 0; node < kNodes; ++node) {
    const double angle = kPi * (node + 0.5) / kNodes;
    // z = 2 t^2 - 1 = cos(angle), so t = cos(angle / 2).
    const double value = 1 / kernel_transform(shape, std::cos(angle / 2) * facet.r_half * facet.dw);
    for (int i = 0; i < ScreenCorrection::kTerms; ++i)
      out.terms[i] += (i == 0 ? 1.0 : 2.0) / kNodes * value * std::cos(i * angle);
  }
  for (int i = 1; i < ScreenCorrection::kTerms; ++i)
    if (std::abs(out.terms[i]) > 1e-15 * std::abs(out.terms[0])) out.terms_used = i + 1;
  return out;
}

CorrectionTable::CorrectionTable(const KernelShape& shape, double nu_max, int samples) : nu_max_(nu_max) {
  // An even function of t = nu / nu_max is a plain Chebyshev series in y = 2 t^2 - 1.
  const auto value = [&](long double y) -> long double {
    const double t = std::sqrt(std::max(0.0, static_cast<double>((y + 1) / 2)));
    return 1 / kernel_transform(shape, t * nu_max);
  };
  for (const long double c : chebyshev(value, samples)) coefficients_.push_back(static_cast<double>(c));
}

double CorrectionTable::operator()(double nu) const {
  const double t = nu_max_ > 0 ? nu / nu_max_ : 0;
  const double y = 2 * t * t - 1;
  double b1 = 0, b2 = 0;
  for (size_t k = coefficients_.size(); k-- > 1;) {
    const double b0 = coefficients_[k] + 2 * y * b1 - b2;
    b2 = b1;
    b1 = b0;
  }
  return coefficients_[0] + y * b1 - b2;
}

}  // namespace fringeflow::gridder
