// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// solve_directions on the device: one launch for all intervals that are given together, a block of threads for each fit of an
/// interval, block of channels and hand. Gains of all blocks together, electron
/// contents and gains that are smooth in frequency, are fitted on the host.
#include <vector>

#include "codelets/calibrate/levenberg_cuda.hpp"

namespace fringeflow::calibrate {

/// Buffers of one interval, where the kernel runs.
struct DirectionInterval {
  const double* sums = nullptr;    ///< [block][baseline][hand][DirectionShape::hand_sums()]
  cuda::Complex* gains = nullptr;  ///< [block][antenna][direction][fit]
  uint8_t* valid = nullptr;
  Outcome* outcomes = nullptr;  ///< [block][fit]
};

/// Fit i is of interval i / (blocks fits), block i / fits and hand i % fits.
struct DirectionJob {
  Shape shape;
  int64_t directions = 1, hands = 1, blocks = 0, fits = 0, hand_sums = 0;
  DirectionLimits limits;
  int64_t reference = -1;
  const DirectionInterval* intervals = nullptr;

  FF_HD bool levenberg() const { return limits.solver == DirectionSolver::levenberg_marquardt; }
};
DirectionJob direction_job(const DirectionShape& shape, const DirectionLimits& limits, int64_t reference);
/// Whether blocks are fitted one by one, as a device does it.
bool fits_blocks_apart(const DirectionShape& shape, const DirectionLimits& limits);

class DirectionFit {
 public:
  struct Space {
    AntennaSpace by_antenna;
    SweepSpace sweeps;
    cuda::Complex *g = nullptr, *common = nullptr;  ///< [antenna of the network][direction], [antenna]
    DirectionPairs pairs, whole;                    ///< of all directions seen as one
    LevenbergSpace levenberg;
  };
  FF_HD static Space carve(const DirectionJob& job, cuda::Carver& fast, cuda::Carver& slow) {
    const int64_t antennas = job.shape.antennas, directions = job.directions, all = antennas * antennas;
    Space out;
    out.by_antenna = AntennaSpace::carve(fast, antennas);
    out.sweeps = SweepSpace::carve(fast, antennas, directions);
    out.g = fast.take<cuda::Complex>(antennas * directions);
    out.common = fast.take<cuda::Complex>(antennas);
    out.pairs.directions = directions;
    out.pairs.p = slow.take<cuda::Complex>(directions * all);
    out.pairs.q = slow.take<cuda::Complex>(directions * (directions + 1) / 2 * all);
    out.pairs.observed = slow.take<double>(all);
    out.pairs.samples = slow.take<double>(all);
    out.pairs.power = slow.take<double>(all);
    out.whole = out.pairs;
    out.whole.directions = 1;
    out.whole.p = slow.take<cuda::Complex>(all);
    out.whole.q = slow.take<cuda::Complex>(all);
    if (job.levenberg())
      out.levenberg =
          LevenbergSpace::carve(slow, (job.shape.kind == SolveKind::diagonal ? 2 : 1) * antennas * directions,
                                antennas * directions);
    return out;
  }
  FF_HD DirectionFit(const DirectionJob& job, int64_t fit, const Space& space)
      : job_(job),
        space_(space),
        pairs_(space.pairs),
        whole_(space.whole),
        phase_only_(job.shape.kind != SolveKind::diagonal),
        fit_(fit % job.fits),
        block_(fit / job.fits % job.blocks),
        interval_(job.intervals[fit / job.fits / job.blocks]),
        hand_begin_(job.fits == 1 ? 0 : fit_),
        hand_end_(job.fits == 1 ? job.hands : fit_ + 1) {}

  FF_HD void run(const cuda::Team& team) {
    const auto& by = space_.by_antenna;
    team.each(job_.shape.antennas * job_.directions, [&](int64_t k) {
      interval_.gains[place(k)] = 1;
      interval_.valid[place(k)] = 0;
      if (k < job_.shape.antennas) by.barred[k] = 0;
    });
    Outcome outcome;
    for (int round = 0;; ++round) {
      outcome = Outcome();
      n_ = connect(team, job_.shape.antennas, by, [&](int64_t p, int64_t q) {
        return by.barred[p] != 0 || by.barred[q] != 0 ? 0. : power(p, q);
      });
      if (n_ == 0) break;
      outcome.failed = n_ < (phase_only_ ? 2 : 3);
      if (outcome.failed) break;
      gather(team);
      const int64_t reference = reference_place(team, n_, by, job_.reference, [](int64_t) { return true; });
      const double change = fit(team, reference, outcome.iterations);
      outcome.converged = change <= job_.limits.tolerance;
      outcome.failed = !(change <= job_.limits.acceptable);
      if (outcome.failed) break;
      if (!phase_only_ && round < 3 && bar_dead(team)) continue;
      finish(team, reference, outcome);
      break;
    }
    team.once([&] { interval_.outcomes[block_ * job_.fits + fit_] = outcome; });
  }

 private:
  /// Where antenna k / directions has its gain of direction k % directions.
  FF_HD int64_t place(int64_t k) const {
    return (block_ * job_.shape.antennas * job_.directions + k) * job_.fits + fit_;
  }
  FF_HD const double* sums_of(int64_t p, int64_t q, int64_t hand) const {
    const int64_t antennas = job_.shape.antennas, baselines = antennas * (antennas - 1) / 2,
                  baseline = p < q ? baseline_of(p, q, antennas) : baseline_of(q, p, antennas);
    return interval_.sums + ((block_ * baselines + baseline) * job_.hands + hand) * job_.hand_sums;
  }
  FF_HD double power(int64_t p, int64_t q) const {
    double total = 0;
    for (int64_t hand = hand_begin_; hand < hand_end_; ++hand)
      for (int64_t d = 0; d < job_.directions; ++d)
        total += sums_of(p, q, hand)[square_offset(d, d, job_.directions)];
    return total;
  }
  FF_HD void gather(const cuda::Team& team) {
    pairs_.n = whole_.n = n_;
    const int64_t all = n_ * n_, directions = job_.directions;
    const auto* list = space_.by_antenna.list;
    team.each(all, [&](int64_t at) {
      const int64_t i = at / n_, j = at % n_, p = list[i], q = list[j];
      const double size = i == j ? 0 : power(p, q);
      const bool used = size > 0;
      pairs_.power[at] = used ? size : 0;
      double observed = 0, samples = 0;
      for (int64_t hand = hand_begin_; used && hand < hand_end_; ++hand) {
        observed += sums_of(p, q, hand)[0];
        samples += sums_of(p, q, hand)[1];
      }
      pairs_.observed[at] = observed;
      pairs_.samples[at] = samples;
      cuda::Complex whole_p;
      double whole_q = 0;
      const double sign = p < q ? 1 : -1;
      for (int64_t d = 0; d < directions; ++d) {
        cuda::Complex one;
        for (int64_t hand = hand_begin_; used && hand < hand_end_; ++hand) {
          const double* from = sums_of(p, q, hand) + 2 + 2 * d;
          one += cuda::Complex(from[0], sign * from[1]);
        }
        pairs_.p[d * all + at] = one;
        whole_p += one;
        for (int64_t e = d; e < directions; ++e) {
          cuda::Complex square;
          for (int64_t hand = hand_begin_; used && hand < hand_end_; ++hand) {
            const double* from = sums_of(p, q, hand) + square_offset(d, e, directions);
            square += cuda::Complex(from[0], e > d ? sign * from[1] : 0);
          }
          pairs_.q[square_index(d, e, directions) * all + at] = square;
          whole_q += (e > d ? 2 : 1) * square.re;
        }
      }
      whole_.p[at] = whole_p;
      whole_.q[at] = whole_q;
    });
  }
  /// @return relative change of the last iteration
  FF_HD double fit(const cuda::Team& team, int64_t reference, int32_t& iterations) {
    const int64_t directions = job_.directions;
    start(team, whole_, phase_only_, space_.by_antenna.fresh, space_.common);
    for (int i = 0; i < 200; ++i) {
      const auto moved = sweep(team, whole_, phase_only_, space_.common, space_.sweeps);
      if (!(moved.a > 1e-10 * moved.b)) break;
    }
    team.each(n_ * directions, [&](int64_t k) { space_.g[k] = space_.common[k / directions]; });
    refer(team, n_, directions, reference, space_.g);
    const int most = job_.levenberg() && job_.limits.iterations > 30 ? 30 : job_.limits.iterations;
    double change = INFINITY;
    while (iterations < most) {
      ++iterations;
      const auto moved = sweep(team, pairs_, phase_only_, space_.g, space_.sweeps);
      change = moved.b > 0 ? sqrt(moved.a / moved.b) : 0;
      if (!cuda::finite(change) || change <= job_.limits.tolerance) break;
    }
    if (!job_.levenberg() || change <= job_.limits.tolerance) return change;
    iterations += Levenberg(pairs_, phase_only_, space_.levenberg).run(team, job_.limits, space_.g, change);
    return change > 0 ? change : 0;
  }
  /// Antennas whose amplitudes, means over directions, are far below the others'.
  FF_HD bool bar_dead(const cuda::Team& team) {
    const auto& by = space_.by_antenna;
    const int64_t directions = job_.directions;
    team.each(n_, [&](int64_t i) {
      double size = 0;
      for (int64_t d = 0; d < directions; ++d)
        size += hypot(space_.g[i * directions + d].re, space_.g[i * directions + d].im);
      by.size[i] = size;
    });
    const double least = job_.limits.dead * median_size(team, n_, by);
    team.each(n_, [&](int64_t i) {
      if (!(by.size[i] > least)) by.barred[by.list[i]] = 1;
    });
    return team.sum<cuda::Count>(n_, [&](int64_t i) { return cuda::Count{by.size[i] > least ? 0. : 1.}; })
               .count > 0;
  }
  FF_HD void finish(const cuda::Team& team, int64_t reference, Outcome& outcome) {
    const int64_t directions = job_.directions;
    refer(team, n_, directions, reference, space_.g);
    const auto total = team.sum<cuda::Pair2>(n_ * n_, [&](int64_t at) {
      return at % n_ > at / n_ ? cuda::Pair2{pairs_.observed[at], pairs_.samples[at]} : cuda::Pair2{};
    });
    outcome.data_power = total.a;
    outcome.samples = total.b;
    const double left = misfit(team, pairs_, space_.g);
    outcome.residual_power = left > 0 ? left : 0;
    const auto& by = space_.by_antenna;
    team.rows<cuda::Count>(
        n_ * directions, n_,
        [&](int64_t k, int64_t j) {
          return cuda::Count{pairs_.q_of(k % directions, k % directions, k / directions, j).re};
        },
        [&](int64_t k, const cuda::Count& seen) {
          const cuda::Complex x = space_.g[k];
          if (!(seen.count > 0) || !cuda::finite(x) || !(cuda::norm(x) > 0)) return;
          const int64_t to = place(by.list[k / directions] * directions + k % directions);
          interval_.gains[to] = x;
          interval_.valid[to] = 1;
        });
    outcome.antennas = static_cast<int32_t>(
        team.sum<cuda::Count>(n_,
                              [&](int64_t i) {
                                bool any = false;
                                for (int64_t d = 0; d < directions; ++d)
                                  any = any || interval_.valid[place(by.list[i] * directions + d)] != 0;
                                return cuda::Count{any ? 1. : 0.};
                              })
            .count);
  }

  const DirectionJob& job_;
  const Space& space_;
  DirectionPairs pairs_, whole_;
  bool phase_only_;
  int64_t fit_, block_;
  DirectionInterval interval_;
  int64_t hand_begin_, hand_end_, n_ = 0;
};

/// An interval whose sums come in parts, which are added in their order.
struct DirectionParts {
  DirectionInterval buffers;  ///< without sums
  std::vector<const double*> parts;
};
/// solve_directions_cpu of all intervals in device memory, on the stream, where fits_blocks_apart(). @param intervals pointers into the
/// device's memory; all have as many parts
void solve_directions_cuda(cuda::Stream stream, const DirectionShape& shape, const DirectionLimits& limits,
                           int64_t reference, std::span<const DirectionParts> intervals);

}  // namespace fringeflow::calibrate
