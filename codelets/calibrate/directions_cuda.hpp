// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// accumulate_directions on the device: every direction is predicted into scratch, weights are formed sample by sample, and a thread for
/// each entry of the sums of a baseline, block and hand adds up its products in the order of the data.
#include "codelets/calibrate/accumulate_cuda.hpp"
#include "codelets/calibrate/directions_tasks.hpp"

namespace fringeflow::calibrate {

/// Rows of a piece, on the device or, in tests, the host.
struct DirectionRows {
  Shape shape;
  int64_t directions = 1, hands = 1, blocks = 1, rows = 0, stokes = 1;
  const cuda::Visibility* vis = nullptr;     ///< [row][channel][correlation]
  const float* weight = nullptr;             ///< the same extents
  const int32_t* antennas = nullptr;         ///< [row][2]
  const cuda::Visibility* models = nullptr;  ///< [direction][stokes][row][channel]
  cuda::CorrelationMixes mixes;
  const uint32_t *keys = nullptr, *order = nullptr;  ///< [row]: baselines ascending, and their rows
  double* weights = nullptr;                         ///< [row][channel][hand], as DirectionWeight makes them
  double* sums = nullptr;                            ///< [block][baseline][hand][entry]
  bool first = false;                                ///< sums start from 0
  double freedom = 0;                                ///< as in AccumulateDirectionsArguments, with:
  const cuda::Complex* gains = nullptr;
  const uint8_t* valid = nullptr;
  const Outcome* outcomes = nullptr;

  FF_HD int correlation(int64_t hand) const { return static_cast<int>(hand * (shape.correlations - 1)); }
  FF_HD cuda::Visibility model_of(int64_t d, int64_t row, int64_t channel, int64_t hand) const {
    const int64_t plane = rows * shape.channels;
    return mixes.mix[correlation(hand)](models + d * stokes * plane, plane, row * shape.channels + channel);
  }
};
DirectionRows direction_rows(const DirectionShape& shape);

/// Sample i of [row][channel][hand]: its weight, 0 if it does not count.
struct DirectionWeight {
  DirectionRows in;
  int64_t count() const { return in.rows * in.shape.channels * in.hands; }
  FF_HD void operator()(int64_t i) const {
    const int64_t hand = i % in.hands, channel = i / in.hands % in.shape.channels,
                  row = i / in.hands / in.shape.channels,
                  at = (row * in.shape.channels + channel) * in.shape.correlations + in.correlation(hand);
    auto w = static_cast<double>(in.weight[at]);
    bool good = w > 0 && in.vis[at].finite();
    for (int64_t d = 0; d < in.directions; ++d) good = good && in.model_of(d, row, channel, hand).finite();
    if (good && in.freedom > 0) w *= factor(row, channel, hand, w, in.vis[at].wide());
    in.weights[i] = good ? w : 0;
  }

 private:
  /// Less for samples that are far from the model seen through the gains of the pass before.
  FF_HD double factor(int64_t row, int64_t channel, int64_t hand, double w, cuda::Complex rest) const {
    const bool scalar = in.shape.kind == SolveKind::scalar_phase || in.shape.kind == SolveKind::tec;
    const int64_t pols = scalar ? 1 : in.hands, polarisation = scalar ? 0 : hand,
                  block = channel / in.shape.channels_per_solution;
    const Outcome& before = in.outcomes[block * pols + polarisation];
    const double spread = before.samples > 0 ? before.residual_power / before.samples : 0;
    if (!(spread > 0)) return 1;
    for (int64_t d = 0; d < in.directions; ++d) {
      const int64_t p = place(block, in.antennas[2 * row], d) * pols + polarisation,
                    q = place(block, in.antennas[2 * row + 1], d) * pols + polarisation;
      // Gains without a solution leave the others' residuals large: then weights are those of the data.
      if (in.valid[p] == 0 || in.valid[q] == 0) return 1;
      rest -= in.gains[p] * cuda::conj(in.gains[q]) * in.model_of(d, row, channel, hand).wide();
    }
    return (in.freedom + 2) / (in.freedom + 2 * w * cuda::norm(rest) / spread);
  }
  FF_HD int64_t place(int64_t block, int64_t antenna, int64_t d) const {
    return (block * in.shape.antennas + antenna) * in.directions + d;
  }
};

/// Entries of one hand's sums: Σ w |V|² with the count of samples, then P_d, then Q_de for d <= e by rows.
FF_HD inline int64_t direction_entries(int64_t directions) {
  return 1 + directions + directions * (directions + 1) / 2;
}
/// Where Q_de, d <= e, begins in the sums of a hand.
FF_HD inline int64_t square_offset(int64_t d, int64_t e, int64_t directions) {
  return 2 + 2 * directions + d * (2 * directions - d) + (e > d ? 2 * (e - d) - 1 : 0);
}
/// Its number among the pairs d <= e, by rows.
FF_HD inline int64_t square_index(int64_t d, int64_t e, int64_t directions) {
  return d * directions - d * (d - 1) / 2 + (e - d);
}

/// Element (block, baseline, hand, entry).
struct AccumulateDirection {
  DirectionRows in;
  int64_t count() const {
    return in.blocks * (in.shape.antennas * (in.shape.antennas - 1) / 2) * in.hands *
           direction_entries(in.directions);
  }
  FF_HD void operator()(int64_t element) const {
    const int64_t entries = direction_entries(in.directions), entry = element % entries,
                  part = element / entries, hand = part % in.hands,
                  baselines = in.shape.antennas * (in.shape.antennas - 1) / 2,
                  baseline = part / in.hands % baselines, block = part / in.hands / baselines;
    int64_t d = entry - 1, e = -1;  // P_d, and before them the first
    if (entry > in.directions) {
      int64_t left = entry - 1 - in.directions;
      for (d = 0; left >= in.directions - d; ++d) left -= in.directions - d;
      e = d + left;
    }
    double a = 0, b = 0;
    const int64_t begin = block * in.shape.channels_per_solution,
                  end = begin + in.shape.channels_per_solution < in.shape.channels
                            ? begin + in.shape.channels_per_solution
                            : in.shape.channels;
    for (int64_t at = cuda::lower_bound(in.keys, in.rows, static_cast<uint32_t>(baseline));
         at < in.rows && in.keys[at] == static_cast<uint32_t>(baseline); ++at) {
      const auto row = static_cast<int64_t>(in.order[at]);
      const double sign = in.antennas[2 * row] > in.antennas[2 * row + 1] ? -1 : 1;
      for (int64_t channel = begin; channel < end; ++channel) {
        const int64_t sample = row * in.shape.channels + channel;
        const double w = in.weights[sample * in.hands + hand];
        if (!(w > 0)) continue;
        const cuda::Complex v = in.vis[sample * in.shape.correlations + in.correlation(hand)].wide();
        if (entry == 0) {
          a += w * cuda::norm(v);
          b += 1;
          continue;
        }
        const cuda::Complex left = e < 0 ? v : in.model_of(e, row, channel, hand).wide(),
                            product = left * cuda::conj(in.model_of(d, row, channel, hand).wide());
        a += w * product.re;
        b += sign * w * product.im;
      }
    }
    double* out = in.sums + part * (2 + 2 * in.directions + in.directions * in.directions) +
                  (entry == 0 ? 0
                   : e < 0    ? 2 + 2 * d
                              : square_offset(d, e, in.directions));
    out[0] = in.first ? a : out[0] + a;
    if (entry == 0 || e != d) out[1] = in.first ? b : out[1] + b;
  }
};

/// accumulate_directions_cpu with its prediction, in device memory, on the stream. @param in without models, keys, order and weights
void accumulate_directions_cuda(cuda::Stream stream, DirectionRows in, const DirectionGroups& groups,
                                const std::vector<double>& freq_hz, const double* uvw_m);

}  // namespace fringeflow::calibrate
