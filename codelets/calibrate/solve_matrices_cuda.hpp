// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// solve of full-Jones gains on the device: solve_cuda.hpp, with matrices.
#include "codelets/calibrate/solve_cuda.hpp"

namespace fringeflow::calibrate {

/// A 2 x 2 matrix by rows.
struct Matrix2 {
  cuda::Complex v[4];
  FF_HD Matrix2& operator+=(const Matrix2& b) {
    for (int i = 0; i < 4; ++i) v[i] += b.v[i];
    return *this;
  }
};
FF_HD inline Matrix2 operator*(const Matrix2& a, const Matrix2& b) {
  Matrix2 out;
  for (int i = 0; i < 2; ++i)
    for (int k = 0; k < 2; ++k) out.v[2 * i + k] = a.v[2 * i] * b.v[k] + a.v[2 * i + 1] * b.v[2 + k];
  return out;
}
FF_HD inline Matrix2 adjoint(const Matrix2& a) {
  return {{cuda::conj(a.v[0]), cuda::conj(a.v[2]), cuda::conj(a.v[1]), cuda::conj(a.v[3])}};
}
FF_HD inline cuda::Complex determinant(const Matrix2& a) { return a.v[0] * a.v[3] - a.v[1] * a.v[2]; }
FF_HD inline Matrix2 inverse(const Matrix2& a) {
  const cuda::Complex scale = cuda::Complex(1) / determinant(a), minus(-scale.re, -scale.im);
  return {{scale * a.v[3], minus * a.v[1], minus * a.v[2], scale * a.v[0]}};
}
FF_HD inline double squared_norm(const Matrix2& a) {
  return cuda::norm(a.v[0]) + cuda::norm(a.v[1]) + cuda::norm(a.v[2]) + cuda::norm(a.v[3]);
}

class MatrixFit {
 public:
  static constexpr int kProducts = 16;
  struct Space {
    AntennaSpace by_antenna;
    Matrix2 *g = nullptr, *fresh = nullptr, *square = nullptr,
            *bottom = nullptr;                        ///< [antenna of the network]
    cuda::Complex *data = nullptr, *model = nullptr;  ///< [product][i][j]
    double *power = nullptr, *observed = nullptr;     ///< [i][j]
  };
  FF_HD static Space carve(int64_t antennas, cuda::Carver& fast, cuda::Carver& slow) {
    Space out;
    out.by_antenna = AntennaSpace::carve(fast, antennas);
    out.g = fast.take<Matrix2>(antennas);
    out.fresh = fast.take<Matrix2>(antennas);
    out.square = fast.take<Matrix2>(antennas);
    out.bottom = fast.take<Matrix2>(antennas);
    out.data = slow.take<cuda::Complex>(kProducts * antennas * antennas);
    out.model = slow.take<cuda::Complex>(kProducts * antennas * antennas);
    out.power = slow.take<double>(antennas * antennas);
    out.observed = slow.take<double>(antennas * antennas);
    return out;
  }
  FF_HD MatrixFit(const SolveJob& job, int64_t fit, const Space& space)
      : job_(job), space_(space), block_(fit % job.blocks), interval_(job.intervals[fit / job.blocks]) {}

  FF_HD void run(const cuda::Team& team) {
    const int64_t antennas = job_.shape.antennas;
    team.each(4 * antennas, [&](int64_t at) {
      interval_.gains[4 * block_ * antennas + at] = at % 4 == 0 || at % 4 == 3 ? 1 : 0;
      interval_.valid[4 * block_ * antennas + at] = 0;
    });
    Outcome outcome;
    fit(team, outcome);
    team.once([&] { interval_.outcomes[block_] = outcome; });
  }

 private:
  FF_HD const cuda::Complex* products(int64_t p, int64_t q) const {
    const int64_t antennas = job_.shape.antennas;
    return reinterpret_cast<const cuda::Complex*>(
        interval_.sums +
        (block_ * (antennas * (antennas - 1) / 2) + triangle_index(p, q, antennas)) * job_.sums);
  }
  FF_HD static double trace(const cuda::Complex* x) { return x[0].re + x[5].re + x[10].re + x[15].re; }

  FF_HD void fit(const cuda::Team& team, Outcome& outcome) {
    const auto& by = space_.by_antenna;
    n_ = connect(team, job_.shape.antennas, by,
                 [&](int64_t p, int64_t q) { return trace(products(p, q) + kProducts); });
    if (n_ == 0) return;
    outcome.failed = true;
    if (n_ < 3) return;
    gather(team);
    begin(team);
    const double change = iterate(team, outcome.iterations);
    if (!cuda::finite(change)) {
      outcome.iterations = 0;
      return;
    }
    settle(change, job_.limits, outcome);
    if (!outcome.failed) finish(team, outcome);
  }
  FF_HD void gather(const cuda::Team& team) {
    const auto* list = space_.by_antenna.list;
    const int64_t all = n_ * n_;
    team.each(all * kProducts, [&](int64_t element) {
      const int64_t k = element / all, at = element % all, i = at / n_, j = at % n_, p = list[i], q = list[j];
      if (i == j) {
        space_.data[element] = space_.model[element] = 0;
        if (k == 0) space_.observed[at] = space_.power[at] = 0;
        return;
      }
      const cuda::Complex* from = p < q ? products(p, q) : products(q, p);
      const auto transposed = [](int64_t x) { return (x & 1) * 2 + x / 2; };
      const int64_t of = p < q ? k : 4 * transposed(k / 4) + transposed(k % 4);
      space_.data[element] = p < q ? from[of] : cuda::conj(from[of]);
      space_.model[element] = p < q ? from[kProducts + of] : cuda::conj(from[kProducts + of]);
      if (k == 0) {
        space_.observed[at] = from[2 * kProducts].re;
        space_.power[at] = trace(from + kProducts);
      }
    });
  }
  /// Diagonal, with the phases of the parallel hands.
  FF_HD void begin(const cuda::Team& team) {
    const auto total = team.sum<cuda::Pair2>(n_ * n_, [&](int64_t at) {
      return cuda::Pair2{space_.observed[at], space_.power[at]};
    });
    const double level = pow(total.a / total.b, 0.25);
    team.once([&] {
      for (int64_t i = 0; i < n_; ++i) {
        int64_t j = 0;
        while (i > 0 && space_.power[i * n_ + j] == 0) ++j;
        Matrix2 start;
        for (int hand = 0; hand < 2; ++hand) {
          cuda::Complex phase(1);
          if (i > 0)
            phase = phase_or_one(cuda::unit(space_.data[(15 * hand * n_ + i) * n_ + j]) *
                                 cuda::unit(space_.g[j].v[3 * hand]));
          start.v[3 * hand] = level * phase;
        }
        space_.g[i] = start;
      }
    });
  }
  /// Σ w V G M^H and Σ w M E M^H from outer products: out_ae = Σ_bc P[ab][ec] X_bc, with (M^H)_ce = M*_ec.
  FF_HD Matrix2 contract(const cuda::Complex* all, int64_t at, const Matrix2& x) const {
    Matrix2 out;
    for (int a = 0; a < 2; ++a)
      for (int e = 0; e < 2; ++e)
        for (int b = 0; b < 2; ++b)
          for (int c = 0; c < 2; ++c)
            out.v[2 * a + e] += all[(4 * (2 * a + b) + 2 * e + c) * n_ * n_ + at] * x.v[2 * b + c];
    return out;
  }
  FF_HD double iterate(const cuda::Team& team, int32_t& iterations) {
    Matrix2 *g = space_.g, *fresh = space_.fresh, *square = space_.square, *bottom = space_.bottom;
    double change = INFINITY;
    for (int iteration = 1; iteration <= job_.limits.iterations; ++iteration) {
      ++iterations;
      team.each(n_, [&](int64_t j) { square[j] = adjoint(g[j]) * g[j]; });
      team.rows<Matrix2>(
          2 * n_, n_,
          [&](int64_t half, int64_t j) {
            const int64_t at = half / 2 * n_ + j;
            return half % 2 == 0 ? contract(space_.data, at, g[j]) : contract(space_.model, at, square[j]);
          },
          [&](int64_t half, const Matrix2& sum) { (half % 2 == 0 ? fresh : bottom)[half / 2] = sum; });
      team.each(n_, [&](int64_t i) { fresh[i] = fresh[i] * inverse(bottom[i]); });
      const auto total = team.sum<cuda::Pair2>(n_, [&](int64_t i) {
        Matrix2 difference = fresh[i];
        for (int k = 0; k < 4; ++k) difference.v[k] -= g[i].v[k];
        return cuda::Pair2{squared_norm(difference), squared_norm(fresh[i])};
      });
      change = sqrt(total.a / total.b);
      if (!cuda::finite(change)) return NAN;
      const bool average = iteration % 2 == 0 && change > job_.limits.tolerance;
      team.each(n_, [&](int64_t i) {
        for (int k = 0; k < 4; ++k) g[i].v[k] = average ? 0.5 * (fresh[i].v[k] + g[i].v[k]) : fresh[i].v[k];
      });
      if (change <= job_.limits.tolerance) break;
    }
    return change;
  }
  FF_HD void finish(const cuda::Team& team, Outcome& outcome) {
    const auto& by = space_.by_antenna;
    const Matrix2* g = space_.g;
    team.each(n_, [&](int64_t i) { by.size[i] = sqrt(squared_norm(g[i])); });
    const double least = job_.limits.dead * median_size(team, n_, by);
    // A matrix that is nearly singular cannot be undone.
    const auto good = [&](int64_t i) {
      const cuda::Complex d = determinant(g[i]);
      return by.size[i] > least && hypot(d.re, d.im) > 1e-6 * by.size[i] * by.size[i];
    };
    const int64_t reference = reference_place(team, n_, by, job_.reference, good);
    if (reference < 0) {
      outcome.failed = true;
      return;
    }
    const cuda::Complex turn = phase_or_one(cuda::conj(g[reference].v[0]));
    team.each(n_, [&](int64_t i) {
      if (!good(i)) return;
      const int64_t to = 4 * (block_ * job_.shape.antennas + by.list[i]);
      for (int k = 0; k < 4; ++k) {
        interval_.gains[to + k] = g[i].v[k] * turn;
        interval_.valid[to + k] = 1;
      }
    });
    conclude(
        team, n_, good,
        [&](int64_t at, int64_t i, int64_t j) {
          if (space_.power[at] == 0) return cuda::Pair2{};
          // tr(G_i^H Σ w V G_j M^H) and tr(G_i^H G_i Σ w M G_j^H G_j M^H)
          const Matrix2 cross = adjoint(g[i]) * contract(space_.data, at, g[j]),
                        square = adjoint(g[i]) * g[i] * contract(space_.model, at, adjoint(g[j]) * g[j]);
          return cuda::Pair2{space_.observed[at], space_.observed[at] - 2 * (cross.v[0].re + cross.v[3].re) +
                                                      square.v[0].re + square.v[3].re};
        },
        outcome);
  }

  const SolveJob& job_;
  const Space& space_;
  int64_t block_, n_ = 0;
  SolveInterval interval_;
};

}  // namespace fringeflow::calibrate
