// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Products of the baselines of one fit with directions, on the device, and the steps on them: those of direction_network.hpp.
#include "codelets/calibrate/directions_cuda.hpp"
#include "codelets/calibrate/network_cuda.hpp"

namespace fringeflow::calibrate {

/// Both ways round: [i][j] is the conjugate of [j][i]; 0 where i = j or without data.
struct DirectionPairs {
  int64_t n = 0, directions = 1;
  cuda::Complex *p = nullptr, *q = nullptr;                          ///< [d][i][j]; [d <= e by rows][i][j]
  double *observed = nullptr, *samples = nullptr, *power = nullptr;  ///< [i][j]

  FF_HD int64_t squares() const { return directions * (directions + 1) / 2; }
  FF_HD cuda::Complex p_of(int64_t d, int64_t i, int64_t j) const { return p[(d * n + i) * n + j]; }
  FF_HD cuda::Complex q_of(int64_t d, int64_t e, int64_t i, int64_t j) const {
    if (e < d) return cuda::conj(q[(square_index(e, d, directions) * n + i) * n + j]);
    return q[(square_index(d, e, directions) * n + i) * n + j];
  }
};

/// Σ w |V − Σ_d G_d M_d|². @param g [antenna of the network][direction]
FF_HD inline double misfit(const cuda::Team& team, const DirectionPairs& pairs, const cuda::Complex* g) {
  const int64_t n = pairs.n, directions = pairs.directions;
  return team
      .sum<cuda::Count>(
          n * n,
          [&](int64_t at) {
            const int64_t i = at / n, j = at % n;
            if (j <= i || !(pairs.power[at] > 0)) return cuda::Count{};
            const cuda::Complex *gi = g + i * directions, *gj = g + j * directions;
            double cross = 0, square = 0;
            for (int64_t d = 0; d < directions; ++d) {
              const cuda::Complex product = gi[d] * cuda::conj(gj[d]);
              cross += (cuda::conj(product) * pairs.p_of(d, i, j)).re;
              square += cuda::norm(product) * pairs.q_of(d, d, i, j).re;
              for (int64_t e = d + 1; e < directions; ++e)
                square += 2 * (cuda::conj(product) * pairs.q_of(d, e, i, j) * (gi[e] * cuda::conj(gj[e]))).re;
            }
            return cuda::Count{pairs.observed[at] - 2 * cross + square};
          })
      .count;
}

/// Arrays of a sweep.
struct SweepSpace {
  cuda::Complex* quadratic =
      nullptr;               ///< [direction] right side, then [d <= e] of the normal matrix of one antenna
  double* weight = nullptr;  ///< out: [antenna][direction] curvature, 0 where there is nothing to fit
  double *change = nullptr, *size = nullptr;  ///< [antenna]

  FF_HD static SweepSpace carve(cuda::Carver& carver, int64_t antennas, int64_t directions) {
    SweepSpace out;
    out.quadratic = carver.take<cuda::Complex>(directions + directions * (directions + 1) / 2);
    out.weight = carver.take<double>(antennas * directions);
    out.change = carver.take<double>(antennas);
    out.size = carver.take<double>(antennas);
    return out;
  }
};

/// One minimisation of χ² in every antenna and direction after the other, the others held. @return Σ |change|², Σ |g|²
FF_HD inline cuda::Pair2 sweep(const cuda::Team& team, const DirectionPairs& pairs, bool phase_only,
                               cuda::Complex* g, const SweepSpace& space) {
  const int64_t n = pairs.n, directions = pairs.directions;
  cuda::Complex* const normal = space.quadratic + directions;
  for (int64_t i = 0; i < n; ++i) {
    team.rows<cuda::Complex>(
        directions + pairs.squares(), n,
        [&](int64_t k, int64_t j) {
          const cuda::Complex* other = g + j * directions;
          if (k < directions) return other[k] * pairs.p_of(k, i, j);
          int64_t left = k - directions, d = 0;
          for (; left >= directions - d; ++d) left -= directions - d;
          return other[d] * cuda::conj(other[d + left]) * pairs.q[((k - directions) * n + i) * n + j];
        },
        [&](int64_t k, const cuda::Complex& sum) { space.quadratic[k] = sum; });
    team.once([&] {
      cuda::Complex* x = g + i * directions;
      double change = 0, size = 0;
      for (int64_t d = 0; d < directions; ++d) {
        const double curvature = normal[square_index(d, d, directions)].re;
        space.weight[i * directions + d] = curvature;
        if (!(curvature > 0)) continue;
        cuda::Complex rest = space.quadratic[d];
        for (int64_t e = 0; e < directions; ++e)
          if (e != d)
            rest -= x[e] * (e > d ? normal[square_index(d, e, directions)]
                                  : cuda::conj(normal[square_index(e, d, directions)]));
        const cuda::Complex fresh =
            phase_only ? cuda::unit(rest) : cuda::Complex(rest.re / curvature, rest.im / curvature);
        if (phase_only && fresh.re == 0 && fresh.im == 0) continue;
        change += cuda::norm(fresh - x[d]);
        size += cuda::norm(fresh);
        x[d] = fresh;
      }
      space.change[i] = change;
      space.size[i] = size;
    });
  }
  return team.sum<cuda::Pair2>(n, [&](int64_t i) { return cuda::Pair2{space.change[i], space.size[i]}; });
}

/// Phases of every direction relative to an antenna of the network.
FF_HD inline void refer(const cuda::Team& team, int64_t n, int64_t directions, int64_t reference,
                        cuda::Complex* g) {
  team.each(directions, [&](int64_t d) {
    const cuda::Complex turn = cuda::conj(cuda::unit(g[reference * directions + d]));
    if (turn.re == 0 && turn.im == 0) return;
    for (int64_t i = 0; i < n; ++i) g[i * directions + d] = g[i * directions + d] * turn;
  });
}

/// A start for one direction along a tree of baselines; antennas are in order of distance from the first. @param known [antenna] scratch
FF_HD inline void start(const cuda::Team& team, const DirectionPairs& pairs, bool phase_only, uint8_t* known,
                        cuda::Complex* g) {
  const int64_t n = pairs.n;
  const auto total = team.sum<cuda::Pair2>(n * n, [&](int64_t at) {
    return at % n > at / n && pairs.power[at] > 0 ? cuda::Pair2{pairs.observed[at], pairs.q[at].re}
                                                  : cuda::Pair2{};
  });
  const double level = phase_only || !(total.a > 0) || !(total.b > 0) ? 1 : pow(total.a / total.b, 0.25);
  team.each(n, [&](int64_t i) {
    g[i] = level;
    known[i] = i == 0 ? 1 : 0;
  });
  for (int64_t i = 0; i < n; ++i) {
    if (known[i] == 0) continue;
    team.each(n - i - 1, [&](int64_t k) {
      const int64_t j = i + 1 + k;
      if (known[j] != 0 || !(pairs.power[i * n + j] > 0)) return;
      const cuda::Complex phase = cuda::unit(cuda::conj(pairs.p_of(0, i, j))) * cuda::unit(g[i]);
      if (phase.re != 0 || phase.im != 0) g[j] = level * phase;
      known[j] = 1;
    });
  }
}

}  // namespace fringeflow::calibrate
