// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// solve on the device: one launch for all intervals that are given together, a block of threads for each fit of an interval and block of
/// channels. A warp sums one antenna's row of products; gains stay in shared memory. The steps are those of solve_cpu(), whose sums have
/// another order: gains agree to rounding, times the condition of the fit.
#include <cstdint>
#include <span>

#include "codelets/calibrate/network_cuda.hpp"
#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::calibrate {

/// Buffers of one interval, where the kernel runs.
struct SolveInterval {
  const double* sums = nullptr;  ///< [block][baseline][Shape::sums()]
  cuda::Complex* gains = nullptr;
  uint8_t* valid = nullptr;
  Outcome* outcomes = nullptr;
};

/// The fits of all intervals: fit i is of interval i / (blocks fits), block i / fits, and hand i % fits.
struct SolveJob {
  Shape shape;
  int64_t blocks = 0, fits = 0, polarisations = 0, sums = 0;  ///< Shape's
  Limits limits;
  int64_t reference = -1;
  const SolveInterval* intervals = nullptr;
};
SolveJob solve_job(const Shape& shape, const Limits& limits, int64_t reference);

FF_HD inline int64_t triangle_index(int64_t p, int64_t q, int64_t antennas) {
  return p * (2 * antennas - p - 1) / 2 + (q - p - 1);
}

/// Gains of one hand, or of both together.
class HandFit {
 public:
  struct Space {
    AntennaSpace by_antenna;
    cuda::Complex *g = nullptr, *fresh = nullptr;  ///< [antenna of the network]
    cuda::Complex* data = nullptr;                 ///< [i][j], Hermitian
    double *power = nullptr, *observed = nullptr;  ///< [i][j]
  };
  /// @param fast, slow memory for arrays by antenna, and by baseline
  FF_HD static Space carve(int64_t antennas, cuda::Carver& fast, cuda::Carver& slow) {
    Space out;
    out.by_antenna = AntennaSpace::carve(fast, antennas);
    out.g = fast.take<cuda::Complex>(antennas);
    out.fresh = fast.take<cuda::Complex>(antennas);
    out.data = slow.take<cuda::Complex>(antennas * antennas);
    out.power = slow.take<double>(antennas * antennas);
    out.observed = slow.take<double>(antennas * antennas);
    return out;
  }
  FF_HD HandFit(const SolveJob& job, int64_t fit, const Space& space)
      : job_(job),
        space_(space),
        phase_only_(job.shape.kind != SolveKind::diagonal),
        hand_(fit % job.fits),
        hands_(job.shape.kind == SolveKind::scalar_phase && job.shape.correlations > 1 ? 2 : 1),
        block_(fit / job.fits % job.blocks),
        interval_(job.intervals[fit / job.fits / job.blocks]) {}

  FF_HD void run(const cuda::Team& team) {
    const int64_t antennas = job_.shape.antennas;
    team.each(antennas, [&](int64_t a) {
      interval_.gains[place(a)] = 1;
      interval_.valid[place(a)] = 0;
      space_.by_antenna.barred[a] = 0;
    });
    Outcome outcome;
    // Antennas without signal leave, and what they have pulled along is fitted again without them.
    for (int round = 0; round < 4; ++round)
      if (!fit(team, round == 3, outcome)) break;
    team.once([&] { interval_.outcomes[block_ * job_.fits + hand_] = outcome; });
  }

 private:
  FF_HD int64_t place(int64_t antenna) const {
    return (block_ * job_.shape.antennas + antenna) * job_.polarisations + hand_;
  }
  /// Sum of kind `which` of p < q.
  FF_HD double of(int64_t p, int64_t q, int which) const {
    const int64_t baselines = job_.shape.antennas * (job_.shape.antennas - 1) / 2;
    const double* sums = interval_.sums +
                         (block_ * baselines + triangle_index(p, q, job_.shape.antennas)) * job_.sums +
                         4 * hand_ + which;
    return hands_ == 2 ? sums[0] + sums[4] : sums[0];
  }
  /// @return whether to fit once more, without the antennas that are barred now
  FF_HD bool fit(const cuda::Team& team, bool last, Outcome& outcome) {
    const auto& by = space_.by_antenna;
    n_ = connect(team, job_.shape.antennas, by, [&](int64_t p, int64_t q) {
      return by.barred[p] != 0 || by.barred[q] != 0 ? 0. : of(p, q, 2);
    });
    if (n_ == 0) return false;
    if (n_ < (phase_only_ ? 2 : 3)) {
      outcome.failed = true;
      return false;
    }
    gather(team);
    begin(team);
    settle(iterate(team, outcome.iterations), job_.limits, outcome);
    if (outcome.failed) return false;
    team.each(n_, [&](int64_t i) { by.size[i] = hypot(space_.g[i].re, space_.g[i].im); });
    const double least = job_.limits.dead * median_size(team, n_, by);
    const auto dead =
        team.sum<cuda::Count>(n_, [&](int64_t i) { return cuda::Count{by.size[i] > least ? 0. : 1.}; });
    team.each(n_, [&](int64_t i) {
      if (!(by.size[i] > least)) by.barred[by.list[i]] = 1;
    });
    if (dead.count > 0 && !last) return true;
    finish(team, outcome);
    return false;
  }
  FF_HD void gather(const cuda::Team& team) {
    const auto* list = space_.by_antenna.list;
    team.each(n_ * n_, [&](int64_t at) {
      const int64_t i = at / n_, j = at % n_, p = list[i], q = list[j];
      const int64_t low = p < q ? p : q, high = p < q ? q : p;
      const bool pair = i != j;
      space_.data[at] =
          pair ? cuda::Complex(of(low, high, 0), (p < q ? 1 : -1) * of(low, high, 1)) : cuda::Complex();
      space_.power[at] = pair ? of(low, high, 2) : 0;
      space_.observed[at] = pair ? of(low, high, 3) : 0;
    });
  }
  FF_HD void begin(const cuda::Team& team) {
    double level = 1;
    if (!phase_only_) {
      const auto total = team.sum<cuda::Pair2>(n_ * n_, [&](int64_t at) {
        return cuda::Pair2{space_.observed[at], space_.power[at]};
      });
      level = pow(total.a / total.b, 0.25);
    }
    // Phases along a tree of baselines: an earlier antenna has data with this one.
    team.once([&] {
      space_.g[0] = level;
      for (int64_t i = 1; i < n_; ++i) {
        int64_t j = 0;
        while (space_.power[i * n_ + j] == 0) ++j;
        space_.g[i] = level * phase_or_one(cuda::unit(space_.data[i * n_ + j]) * cuda::unit(space_.g[j]));
      }
    });
  }
  struct Row {
    double re = 0, im = 0, power = 0;
    FF_HD Row& operator+=(const Row& x) {
      re += x.re;
      im += x.im;
      power += x.power;
      return *this;
    }
  };
  /// @return the relative change of the last iteration, NaN when the gains ran away
  FF_HD double iterate(const cuda::Team& team, int32_t& iterations) {
    cuda::Complex *g = space_.g, *fresh = space_.fresh;
    double change = INFINITY;
    for (int iteration = 1; iteration <= job_.limits.iterations; ++iteration) {
      ++iterations;
      team.rows<Row>(
          n_, n_,
          [&](int64_t i, int64_t j) {
            const cuda::Complex product = space_.data[i * n_ + j] * g[j];
            return Row{product.re, product.im, phase_only_ ? 0 : space_.power[i * n_ + j] * cuda::norm(g[j])};
          },
          [&](int64_t i, const Row& row) {
            const cuda::Complex sum(row.re, row.im);
            fresh[i] = phase_only_     ? cuda::unit(sum)
                       : row.power > 0 ? cuda::Complex(row.re / row.power, row.im / row.power)
                                       : cuda::Complex();
          });
      const auto total = team.sum<cuda::Pair2>(n_, [&](int64_t i) {
        return cuda::Pair2{cuda::norm(fresh[i] - g[i]), cuda::norm(fresh[i])};
      });
      change = sqrt(total.a) / sqrt(total.b);
      if (!cuda::finite(change)) return NAN;
      // Without averaging every other time the common amplitude would swing between two values for ever.
      const bool average = iteration % 2 == 0 && change > job_.limits.tolerance;
      team.each(n_, [&](int64_t i) {
        if (!average) {
          g[i] = fresh[i];
          return;
        }
        const cuda::Complex mean = 0.5 * (fresh[i] + g[i]);
        g[i] = phase_only_ ? cuda::unit(mean) : mean;
      });
      if (change <= job_.limits.tolerance) break;
    }
    return change;
  }
  FF_HD void finish(const cuda::Team& team, Outcome& outcome) {
    const auto& by = space_.by_antenna;
    const auto good = [&](int64_t i) { return by.barred[by.list[i]] == 0; };
    const int64_t reference = reference_place(team, n_, by, job_.reference, good);
    const cuda::Complex turn = cuda::conj(cuda::unit(space_.g[reference]));
    team.each(n_, [&](int64_t i) {
      if (!good(i)) return;
      interval_.gains[place(by.list[i])] = space_.g[i] * turn;
      interval_.valid[place(by.list[i])] = 1;
    });
    conclude(
        team, n_, good,
        [&](int64_t at, int64_t i, int64_t j) {
          const cuda::Complex cross = cuda::conj(space_.g[i]) * space_.g[j] * space_.data[at];
          return cuda::Pair2{space_.observed[at],
                             space_.observed[at] - 2 * cross.re +
                                 cuda::norm(space_.g[i]) * cuda::norm(space_.g[j]) * space_.power[at]};
        },
        outcome);
  }

  const SolveJob& job_;
  const Space& space_;
  bool phase_only_;
  int64_t hand_, hands_, block_, n_ = 0;
  SolveInterval interval_;
};

/// solve_cpu of all intervals in device memory, on the stream. @param intervals pointers into the device's memory
void solve_cuda(cuda::Stream stream, const Shape& shape, std::span<const SolveInterval> intervals,
                const Limits& limits, int64_t reference);

}  // namespace fringeflow::calibrate
