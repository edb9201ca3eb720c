// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/calibrate.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/calibrate/network.hpp"

namespace fringeflow::calibrate {
namespace {

using Complex = std::complex<double>;
using Matrix = Eigen::Matrix2cd;

bool finite(std::complex<float> x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); }
bool finite(Complex x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); }

void accumulate_hands(const AccumulateArguments& a, int64_t row, int64_t p, int64_t q, bool swapped) {
  const Shape& shape = a.shape;
  const int64_t step = shape.correlations, baseline = baseline_index(p, q, shape.antennas);
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    double* sums = &a.sums(channel / shape.channels_per_solution, baseline, 0);
    for (int64_t hand = 0; hand < shape.hands(); ++hand) {
      const int64_t at = (row * shape.channels + channel) * step + hand * (step - 1);
      const double w = a.weight.data()[at];
      const std::complex<float> v = a.vis.data()[at], m = a.model.data()[at];
      if (!(w > 0) || !finite(v) || !finite(m)) continue;
      const Complex product = w * (Complex(v) * std::conj(Complex(m)));
      double* out = sums + 4 * hand;
      out[0] += product.real();
      out[1] += swapped ? -product.imag() : product.imag();
      out[2] += w * std::norm(Complex(m));
      out[3] += w * std::norm(Complex(v));
    }
  }
}

void accumulate_matrices(const AccumulateArguments& a, int64_t row, int64_t p, int64_t q, bool swapped) {
  const Shape& shape = a.shape;
  const int64_t baseline = baseline_index(p, q, shape.antennas);
  for (int64_t channel = 0; channel < shape.channels; ++channel) {
    const int64_t at = (row * shape.channels + channel) * 4;
    double w = a.weight.data()[at];
    bool good = true;
    for (int i = 0; i < 4; ++i) {
      w = std::min<double>(w, a.weight.data()[at + i]);
      good = good && finite(a.vis.data()[at + i]) && finite(a.model.data()[at + i]);
    }
    if (!good || !(w > 0)) continue;
    Complex v[4], m[4];
    for (int i = 0; i < 4; ++i) {
      // The baseline q, p is the Hermitian conjugate.
      const int from = swapped ? (i & 1) * 2 + i / 2 : i;
      v[i] = a.vis.data()[at + from];
      m[i] = a.model.data()[at + from];
      if (swapped) {
        v[i] = std::conj(v[i]);
        m[i] = std::conj(m[i]);
      }
    }
    double* sums = &a.sums(channel / shape.channels_per_solution, baseline, 0);
    auto* data = reinterpret_cast<Complex*>(sums);
    for (int i = 0; i < 4; ++i) {
      for (int k = 0; k < 4; ++k) {
        const Complex mk = w * std::conj(m[k]);
        data[4 * i + k] += v[i] * mk;
        data[16 + 4 * i + k] += m[i] * mk;
      }
      sums[64] += w * std::norm(v[i]);
    }
  }
}

/// Products of one hand between n antennas: data(i, j) = Σ w V M*, of the baseline i, j, Hermitian; power(i, j) = Σ w |M|².
struct Hand {
  std::vector<int64_t> antenna;
  Eigen::MatrixXcd data;
  Eigen::MatrixXd power, observed;
  int64_t size() const { return static_cast<int64_t>(antenna.size()); }
};

/// The hand `hand`, or both summed for -1.
Hand gather(const Shape& shape, const View<const double, 3>& sums, int64_t block, int64_t hand,
            const std::vector<bool>& barred) {
  const int64_t first = hand < 0 ? 0 : hand, last = hand < 0 ? shape.hands() : hand + 1;
  const auto of = [&](int64_t p, int64_t q, int which) {
    const int64_t at = baseline_index(p, q, shape.antennas);
    double total = 0;
    for (int64_t h = first; h < last; ++h) total += sums(block, at, 4 * h + which);
    return total;
  };
  Hand out;
  out.antenna = connected(shape.antennas, [&](int64_t p, int64_t q) {
    return barred[static_cast<size_t>(p)] || barred[static_cast<size_t>(q)] ? 0. : of(p, q, 2);
  });
  const int64_t n = out.size();
  out.data = Eigen::MatrixXcd::Zero(n, n);
  out.power = out.observed = Eigen::MatrixXd::Zero(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if (i == j) continue;
      const int64_t p = out.antenna[static_cast<size_t>(i)], q = out.antenna[static_cast<size_t>(j)];
      const int64_t low = std::min(p, q), high = std::max(p, q);
      const double sign = p < q ? 1 : -1;
      out.data(i, j) = {of(low, high, 0), sign * of(low, high, 1)};
      out.power(i, j) = of(low, high, 2);
      out.observed(i, j) = of(low, high, 3);
    }
  return out;
}

/// Amplitude √(‖V‖ / ‖M‖), phases along a tree of baselines from the first antenna: exact for data without noise.
Eigen::VectorXcd start(const Hand& hand, bool phase_only) {
  const int64_t n = hand.size();
  const double level = phase_only ? 1 : std::pow(hand.observed.sum() / hand.power.sum(), 0.25);
  Eigen::VectorXcd g = Eigen::VectorXcd::Zero(n);
  g(0) = level;
  for (int64_t i = 1; i < n; ++i) {
    // Antennas come in order of distance: an earlier one has data with this one.
    for (int64_t j = 0; j < i; ++j) {
      if (hand.power(i, j) == 0) continue;
      const Complex phase = unit(hand.data(i, j)) * unit(g(j));
      g(i) = level * (phase == Complex(0) ? Complex(1) : phase);
      break;
    }
  }
  return g;
}

/// How iterations ended: the relative change in the last one, NaN when the gains ran away.
struct Descent {
  int iterations = 0;
  double change = INFINITY;
};

/// Without averaging every other time the common amplitude would swing between two values for ever.
Descent iterate(const Hand& hand, bool phase_only, const Limits& limits, Eigen::VectorXcd& g) {
  Descent descent;
  Eigen::VectorXcd fresh(g.size());
  while (descent.iterations < limits.iterations) {
    ++descent.iterations;
    fresh.noalias() = hand.data * g;
    if (phase_only) {
      for (int64_t i = 0; i < g.size(); ++i) fresh(i) = unit(fresh(i));
    } else {
      const Eigen::VectorXd power = hand.power * g.cwiseAbs2();
      for (int64_t i = 0; i < g.size(); ++i) fresh(i) = power(i) > 0 ? fresh(i) / power(i) : Complex(0);
    }
    const double size = fresh.norm();
    descent.change = (fresh - g).norm() / size;
    if (!std::isfinite(descent.change)) {
      descent.change = NAN;
      return descent;
    }
    const bool average = descent.iterations % 2 == 0 && descent.change > limits.tolerance;
    g = average ? Eigen::VectorXcd((fresh + g) / 2) : fresh;
    if (phase_only && average)
      for (int64_t i = 0; i < g.size(); ++i) g(i) = unit(g(i));
    if (descent.change <= limits.tolerance) break;
  }
  return descent;
}

void settle(const Descent& descent, const Limits& limits, Outcome& outcome) {
  outcome.iterations = descent.iterations;
  outcome.converged = descent.change <= limits.tolerance;
  outcome.failed = !(descent.change <= limits.acceptable);
}

void solve_hand(const SolveArguments& a, int64_t block, int64_t hand) {
  const bool phase_only = a.shape.kind != SolveKind::diagonal;
  Outcome& outcome = a.outcomes(block, std::max<int64_t>(hand, 0));
  const int64_t polarisation = std::max<int64_t>(hand, 0);
  std::vector<bool> barred(static_cast<size_t>(a.shape.antennas));
  // Antennas without signal leave, and what they have pulled along is fitted again without them.
  for (int round = 0; round < 4; ++round) {
    const Hand network = gather(a.shape, a.sums, block, hand, barred);
    const int64_t n = network.size();
    if (n == 0) return;
    if (n < (phase_only ? 2 : 3)) {
      outcome.failed = true;
      return;
    }
    Eigen::VectorXcd g = start(network, phase_only);
    const Descent descent = iterate(network, phase_only, a.limits, g);
    outcome.iterations += descent.iterations;
    const int32_t iterations = outcome.iterations;
    settle(descent, a.limits, outcome);
    outcome.iterations = iterations;
    if (outcome.failed) return;
    std::vector<double> amplitudes;
    for (int64_t i = 0; i < n; ++i) amplitudes.push_back(std::abs(g(i)));
    const double least = a.limits.dead * median(amplitudes);
    bool dead = false;
    for (int64_t i = 0; i < n; ++i) {
      if (std::abs(g(i)) > least) continue;
      barred[static_cast<size_t>(network.antenna[static_cast<size_t>(i)])] = dead = true;
    }
    if (dead && round < 3) continue;
    int64_t reference = -1;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t antenna = network.antenna[static_cast<size_t>(i)];
      if (barred[static_cast<size_t>(antenna)]) continue;
      if (reference < 0 || antenna == a.reference ||
          (network.antenna[static_cast<size_t>(reference)] != a.reference &&
           antenna < network.antenna[static_cast<size_t>(reference)]))
        reference = i;
    }
    const Complex turn = std::conj(unit(g(reference)));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t antenna = network.antenna[static_cast<size_t>(i)];
      if (barred[static_cast<size_t>(antenna)]) continue;
      a.gains(block, antenna, polarisation) = g(i) * turn;
      a.valid(block, antenna, polarisation) = 1;
      ++outcome.antennas;
      for (int64_t j = 0; j < i; ++j) {
        if (barred[static_cast<size_t>(network.antenna[static_cast<size_t>(j)])]) continue;
        outcome.data_power += network.observed(i, j);
        outcome.residual_power += network.observed(i, j) -
                                  2 * (std::conj(g(i)) * g(j) * network.data(i, j)).real() +
                                  std::norm(g(i)) * std::norm(g(j)) * network.power(i, j);
      }
    }
    outcome.residual_power = std::max(outcome.residual_power, 0.);
    return;
  }
}

/// Outer products of one baseline in the order i, j of a network of matrices.
struct Products {
  Complex data[16], model[16];  // [ab][cd]
  double observed = 0, power = 0;
};

int transposed(int i) { return (i & 1) * 2 + i / 2; }

Matrix matrix_of(const Complex* m) {
  Matrix out;
  out << m[0], m[1], m[2], m[3];
  return out;
}

/// Σ w V G M^H and Σ w M E M^H from outer products: out_ae = Σ_bc P[ab][ec] X_bc, with (M^H)_ce = M*_ec.
Matrix contract(const Complex* products, const Matrix& x) {
  Matrix out = Matrix::Zero();
  for (int a = 0; a < 2; ++a)
    for (int e = 0; e < 2; ++e)
      for (int b = 0; b < 2; ++b)
        for (int c = 0; c < 2; ++c) out(a, e) += products[4 * (2 * a + b) + 2 * e + c] * x(b, c);
  return out;
}

void solve_matrices(const SolveArguments& a, int64_t block) {
  const int64_t antennas = a.shape.antennas;
  Outcome& outcome = a.outcomes(block, 0);
  const auto complex_sums = [&](int64_t p, int64_t q) {
    return reinterpret_cast<const Complex*>(&a.sums(block, baseline_index(p, q, antennas), 0));
  };
  const auto trace = [](const Complex* products) {
    return (products[0] + products[5] + products[10] + products[15]).real();
  };
  const auto list = connected(antennas, [&](int64_t p, int64_t q) { return trace(complex_sums(p, q) + 16); });
  const auto n = static_cast<int64_t>(list.size());
  if (n == 0) return;
  outcome.failed = true;
  if (n < 3) return;
  std::vector<Products> pairs(static_cast<size_t>(n * n));
  const auto pair = [&](int64_t i, int64_t j) -> Products& { return pairs[static_cast<size_t>(i * n + j)]; };
  double observed = 0, power = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if (i == j) continue;
      const int64_t p = list[static_cast<size_t>(i)], q = list[static_cast<size_t>(j)];
      const Complex* from = complex_sums(std::min(p, q), std::max(p, q));
      Products& to = pair(i, j);
      for (int r = 0; r < 4; ++r)
        for (int s = 0; s < 4; ++s) {
          to.data[4 * r + s] = p < q ? from[4 * r + s] : std::conj(from[4 * transposed(r) + transposed(s)]);
          to.model[4 * r + s] =
              p < q ? from[16 + 4 * r + s] : std::conj(from[16 + 4 * transposed(r) + transposed(s)]);
        }
      to.observed = a.sums(block, baseline_index(std::min(p, q), std::max(p, q), antennas), 64);
      to.power = trace(to.model);
      observed += to.observed;
      power += to.power;
    }
  // Diagonal start with the phases of the parallel hands.
  const double level = std::pow(observed / power, 0.25);
  std::vector<Matrix> g(static_cast<size_t>(n), Matrix::Zero()), fresh(g.size());
  g[0] = level * Matrix::Identity();
  for (int64_t i = 1; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) {
      if (pair(i, j).power == 0) continue;
      for (int hand = 0; hand < 2; ++hand) {
        const Complex phase = unit(pair(i, j).data[15 * hand]) * unit(g[static_cast<size_t>(j)](hand, hand));
        g[static_cast<size_t>(i)](hand, hand) = level * (phase == Complex(0) ? Complex(1) : phase);
      }
      break;
    }
  Descent descent;
  while (descent.iterations < a.limits.iterations) {
    ++descent.iterations;
    std::vector<Matrix> square(g.size());
    for (size_t j = 0; j < g.size(); ++j) square[j] = g[j].adjoint() * g[j];
    double change = 0, size = 0;
    for (int64_t i = 0; i < n; ++i) {
      Matrix top = Matrix::Zero(), bottom = Matrix::Zero();
      for (int64_t j = 0; j < n; ++j) {
        if (pair(i, j).power == 0) continue;
        top += contract(pair(i, j).data, g[static_cast<size_t>(j)]);
        bottom += contract(pair(i, j).model, square[static_cast<size_t>(j)]);
      }
      auto& out = fresh[static_cast<size_t>(i)];
      out = top * bottom.inverse();
      change += (out - g[static_cast<size_t>(i)]).squaredNorm();
      size += out.squaredNorm();
    }
    descent.change = std::sqrt(change / size);
    if (!std::isfinite(descent.change)) return;
    const bool average = descent.iterations % 2 == 0 && descent.change > a.limits.tolerance;
    for (size_t i = 0; i < g.size(); ++i) g[i] = average ? Matrix((fresh[i] + g[i]) / 2) : fresh[i];
    if (descent.change <= a.limits.tolerance) break;
  }
  settle(descent, a.limits, outcome);
  if (outcome.failed) return;
  std::vector<double> sizes;
  for (const auto& one : g) sizes.push_back(one.norm());
  const double least = a.limits.dead * median(sizes);
  std::vector<bool> good(g.size());
  int64_t reference = -1;
  for (size_t i = 0; i < g.size(); ++i) {
    // A matrix that is nearly singular cannot be undone.
    good[i] = sizes[i] > least && std::abs(g[i].determinant()) > 1e-6 * sizes[i] * sizes[i];
    if (good[i] && (reference < 0 || list[i] == a.reference ||
                    (list[static_cast<size_t>(reference)] != a.reference &&
                     list[i] < list[static_cast<size_t>(reference)])))
      reference = static_cast<int64_t>(i);
  }
  if (reference < 0) {
    outcome.failed = true;
    return;
  }
  const Complex turn = std::conj(unit(g[static_cast<size_t>(reference)](0, 0)));
  for (int64_t i = 0; i < n; ++i) {
    if (!good[static_cast<size_t>(i)]) continue;
    ++outcome.antennas;
    const Matrix& gi = g[static_cast<size_t>(i)];
    for (int r = 0; r < 4; ++r) {
      a.gains(block, list[static_cast<size_t>(i)], r) =
          gi(r / 2, r % 2) * (turn == Complex(0) ? Complex(1) : turn);
      a.valid(block, list[static_cast<size_t>(i)], r) = 1;
    }
    for (int64_t j = 0; j < i; ++j) {
      const Products& one = pair(i, j);
      if (!good[static_cast<size_t>(j)] || one.power == 0) continue;
      const Matrix& gj = g[static_cast<size_t>(j)];
      // tr(G_i^H Σ w V G_j M^H) and tr(G_i^H G_i Σ w M G_j^H G_j M^H)
      const double cross = (gi.adjoint() * contract(one.data, gj)).trace().real();
      const double square = (gi.adjoint() * gi * contract(one.model, gj.adjoint() * gj)).trace().real();
      outcome.data_power += one.observed;
      outcome.residual_power += one.observed - 2 * cross + square;
    }
  }
  outcome.residual_power = std::max(outcome.residual_power, 0.);
}

}  // namespace

void accumulate_cpu(const AccumulateArguments& a) {
  for (int64_t row = 0; row < a.vis.extent(0); ++row) {
    const int64_t p = a.antennas(row, 0), q = a.antennas(row, 1);
    if (p == q) continue;
    const bool swapped = p > q;
    if (a.shape.kind == SolveKind::full)
      accumulate_matrices(a, row, std::min(p, q), std::max(p, q), swapped);
    else
      accumulate_hands(a, row, std::min(p, q), std::max(p, q), swapped);
  }
}

void solve_cpu(const SolveArguments& a) {
  const Shape& shape = a.shape;
  std::fill_n(a.valid.data(), a.valid.size(), uint8_t{0});
  std::fill_n(a.outcomes.data(), a.outcomes.size(), Outcome{});
  for (int64_t block = 0; block < shape.blocks(); ++block) {
    for (int64_t antenna = 0; antenna < shape.antennas; ++antenna)
      for (int64_t p = 0; p < shape.polarisations(); ++p)
        a.gains(block, antenna, p) = shape.kind == SolveKind::full && (p == 1 || p == 2) ? 0. : 1.;
    if (shape.kind == SolveKind::full)
      solve_matrices(a, block);
    else if (shape.kind == SolveKind::scalar_phase)
      solve_hand(a, block, -1);
    else
      for (int64_t hand = 0; hand < shape.hands(); ++hand) solve_hand(a, block, hand);
  }
}

int64_t apply_cpu(const ApplyArguments& a) {
  const Shape& shape = a.shape;
  const int64_t step = shape.correlations;
  int64_t flagged = 0;
  // The gain of an antenna in the hand of a correlation's first (side 0) or second (side 1) index.
  const auto polarisation = [&](int64_t correlation, int side) -> int64_t {
    if (shape.polarisations() == 1) return 0;
    if (step == 2) return correlation;
    return side == 0 ? correlation / 2 : correlation % 2;
  };
  std::vector<Matrix> inverse;
  if (shape.kind == SolveKind::full) {
    for (int64_t i = 0; i < shape.blocks() * shape.antennas; ++i)
      inverse.push_back(a.valid.data()[4 * i] ? Matrix(matrix_of(a.gains.data() + 4 * i).inverse())
                                              : Matrix(Matrix::Identity()));
  }
  for (int64_t row = 0; row < a.vis.extent(0); ++row) {
    const int64_t p = a.antennas(row, 0), q = a.antennas(row, 1);
    for (int64_t channel = 0; channel < shape.channels; ++channel) {
      const int64_t block = channel / shape.channels_per_solution,
                    at = (row * shape.channels + channel) * step;
      std::complex<float>* vis = a.vis.data() + at;
      uint8_t* flag = a.flag.data() + at;
      Complex out[4];
      bool good[4];
      if (shape.kind == SolveKind::full) {
        Complex in[4];
        bool all = a.valid(block, p, 0) && a.valid(block, q, 0);
        for (int i = 0; i < 4; ++i) in[i] = vis[i];
        const Matrix corrected = inverse[static_cast<size_t>(block * shape.antennas + p)] * matrix_of(in) *
                                 inverse[static_cast<size_t>(block * shape.antennas + q)].adjoint();
        for (int i = 0; i < 4; ++i) {
          out[i] = corrected(i / 2, i % 2);
          good[i] = all;
        }
      } else {
        for (int64_t c = 0; c < step; ++c) {
          const int64_t x = polarisation(c, 0), y = polarisation(c, 1);
          good[c] = a.valid(block, p, x) && a.valid(block, q, y);
          out[c] = Complex(vis[c]) / (a.gains(block, p, x) * std::conj(a.gains(block, q, y)));
        }
      }
      for (int64_t c = 0; c < step; ++c) {
        const bool usable = finite(vis[c]) && (!good[c] || finite(out[c]));
        if (!usable)
          vis[c] = 0;
        else if (good[c])
          vis[c] = std::complex<float>(out[c]);
        if ((!good[c] || !usable) && !flag[c]) {
          flag[c] = 1;
          ++flagged;
        }
      }
    }
  }
  return flagged;
}

}  // namespace fringeflow::calibrate
