// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the solvers on the device share: the antennas that data join, a median, a reference. All are steps of one cuda::Team, and
/// arrays are where Workspace says.
#include "codelets/calibrate/calibrate.hpp"
#include "codelets/common/cuda_complex.hpp"
#include "codelets/common/cuda_team.hpp"

namespace fringeflow::calibrate {

/// Arrays by antenna, in fast memory where they fit.
struct AntennaSpace {
  int32_t* list = nullptr;   ///< antennas of the network, in order of distance
  int32_t* count = nullptr;  ///< [0]: of `list`; [1]: for a result
  uint8_t *seen = nullptr, *fresh = nullptr, *barred = nullptr;
  double *size = nullptr, *middle = nullptr;  ///< [antenna]; one

  FF_HD static AntennaSpace carve(cuda::Carver& carver, int64_t antennas) {
    AntennaSpace out;
    out.list = carver.take<int32_t>(antennas);
    out.count = carver.take<int32_t>(2);
    out.seen = carver.take<uint8_t>(antennas);
    out.fresh = carver.take<uint8_t>(antennas);
    out.barred = carver.take<uint8_t>(antennas);
    out.size = carver.take<double>(antennas);
    out.middle = carver.take<double>(1);
    return out;
  }
};

/// As connected() of network.hpp, into space.list. @return how many
template <class Strength>
FF_HD int64_t connect(const cuda::Team& team, int64_t antennas, const AntennaSpace& space,
                      Strength&& strength) {
  const auto joined = [&](int64_t p, int64_t q) {
    return p != q && (p < q ? strength(p, q) : strength(q, p)) > 0;
  };
  team.rows<cuda::Count>(
      antennas, antennas, [&](int64_t p, int64_t q) { return cuda::Count{joined(p, q) ? 1. : 0.}; },
      [&](int64_t p, const cuda::Count& degree) {
        space.size[p] = degree.count;
        space.seen[p] = 0;
      });
  team.once([&] {
    int64_t best = 0;
    for (int64_t p = 1; p < antennas; ++p)
      if (space.size[p] > space.size[best]) best = p;
    space.count[0] = antennas > 0 && space.size[best] > 0 ? 1 : 0;
    space.list[0] = static_cast<int32_t>(best);
    if (space.count[0] > 0) space.seen[best] = 1;
  });
  for (int64_t head = 0; head < space.count[0] && space.count[0] < antennas; ++head) {
    const int64_t from = space.list[head];
    team.each(antennas, [&](int64_t q) { space.fresh[q] = space.seen[q] == 0 && joined(q, from) ? 1 : 0; });
    team.once([&] {
      for (int64_t q = 0; q < antennas; ++q) {
        if (space.fresh[q] == 0) continue;
        space.seen[q] = 1;
        space.list[space.count[0]++] = static_cast<int32_t>(q);
      }
    });
  }
  return space.count[0];
}

/// The element of rank n / 2 of space.size.
FF_HD inline double median_size(const cuda::Team& team, int64_t n, const AntennaSpace& space) {
  team.each(n, [&](int64_t i) {
    int64_t rank = 0;
    for (int64_t j = 0; j < n; ++j)
      rank += space.size[j] < space.size[i] || (space.size[j] == space.size[i] && j < i) ? 1 : 0;
    if (rank == n / 2) *space.middle = space.size[i];
  });
  return *space.middle;
}

/// Place in space.list of the reference, or of the first antenna that is `good`; −1 without any.
template <class Good>
FF_HD int64_t reference_place(const cuda::Team& team, int64_t n, const AntennaSpace& space, int64_t asked,
                              Good&& good) {
  team.once([&] {
    int32_t best = -1;
    for (int32_t i = 0; i < n; ++i)
      if (good(i) && (best < 0 || space.list[i] == asked ||
                      (space.list[best] != asked && space.list[i] < space.list[best])))
        best = i;
    space.count[1] = best;
  });
  return space.count[1];
}

FF_HD inline cuda::Complex phase_or_one(const cuda::Complex& x) {
  const cuda::Complex phase = cuda::unit(x);
  return phase.re == 0 && phase.im == 0 ? cuda::Complex(1) : phase;
}

/// Antennas that have gains, and χ². @param power (at, i, j) of the places i > j: Σ w |V|², Σ w |V − G M G^H|²
template <class Good, class Power>
FF_HD void conclude(const cuda::Team& team, int64_t n, Good&& good, Power&& power, Outcome& outcome) {
  const auto total = team.sum<cuda::Pair2>(n * n, [&](int64_t at) {
    const int64_t i = at / n, j = at % n;
    return j >= i || !good(i) || !good(j) ? cuda::Pair2{} : power(at, i, j);
  });
  outcome.antennas = static_cast<int32_t>(
      team.sum<cuda::Count>(n, [&](int64_t i) { return cuda::Count{good(i) ? 1. : 0.}; }).count);
  outcome.data_power = total.a;
  outcome.residual_power = total.b > 0 ? total.b : 0;
}

FF_HD inline void settle(double change, const Limits& limits, Outcome& outcome) {
  outcome.converged = change <= limits.tolerance;
  outcome.failed = !(change <= limits.acceptable);
}

}  // namespace fringeflow::calibrate
