// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// accumulate and apply_gains on the device. Rows are sorted by baseline; a warp sums the samples of one baseline in one block of channels,
/// 32 at a time, and adds the lanes by a fixed tree. Of matrices each lane owns one of the 32 products, summed in the order of the data.
#include <cstdint>
#include <span>

#include "codelets/calibrate/calibrate.hpp"
#include "codelets/common/cuda_sort.hpp"
#include "codelets/common/cuda_stokes.hpp"
#include "codelets/common/cuda_team.hpp"

namespace fringeflow::calibrate {

/// Sorts behind all baselines.
inline constexpr uint32_t kNoBaseline = 0xffffffffu;

FF_HD inline int64_t baseline_of(int64_t p, int64_t q, int64_t antennas) {
  return p * (2 * antennas - p - 1) / 2 + (q - p - 1);
}

/// Key of row i.
struct BaselineKey {
  const int32_t* antennas;  ///< [row][2]
  int64_t count;            ///< antennas
  uint32_t* keys;
  FF_HD void operator()(int64_t i) const {
    const int32_t p = antennas[2 * i], q = antennas[2 * i + 1];
    keys[i] = p == q ? kNoBaseline
                     : static_cast<uint32_t>(p < q ? baseline_of(p, q, count) : baseline_of(q, p, count));
  }
};

/// Rows of a piece, on the device or, in tests, the host.
struct AccumulateRows {
  Shape shape;
  int64_t rows = 0;
  const cuda::Visibility* vis = nullptr;    ///< [row][channel][correlation]
  const float* weight = nullptr;            ///< the same extents
  const int32_t* antennas = nullptr;        ///< [row][2]
  const cuda::Visibility* model = nullptr;  ///< [stokes][row][channel]
  cuda::CorrelationMixes mixes;
  const uint32_t *keys = nullptr, *order = nullptr;  ///< [row]: baselines ascending, and their rows
  double* sums = nullptr;                            ///< [block][baseline][Shape::sums()]
  bool first = false;                                ///< sums start from 0

  FF_HD cuda::Visibility model_of(int64_t row, int64_t channel, int correlation) const {
    return mixes.mix[correlation](model, rows * shape.channels, row * shape.channels + channel);
  }
  /// Block and baseline of a warp, and the rows [begin, end) of `order` that are theirs.
  struct Part {
    int64_t channel_begin, channels, begin, end;
    double* sums;
  };
  FF_HD Part part(int64_t i) const {
    const int64_t baselines = shape.antennas * (shape.antennas - 1) / 2, block = i / baselines,
                  baseline = i % baselines;
    Part out;
    out.channel_begin = block * shape.channels_per_solution;
    out.channels = shape.channels - out.channel_begin < shape.channels_per_solution
                       ? shape.channels - out.channel_begin
                       : shape.channels_per_solution;
    out.begin = cuda::lower_bound(keys, rows, static_cast<uint32_t>(baseline));
    out.end = out.begin;
    while (out.end < rows && keys[out.end] == static_cast<uint32_t>(baseline)) ++out.end;
    out.sums = sums + i * (shape.kind == SolveKind::full ? 66 : 4 * (shape.correlations == 1 ? 1 : 2));
    return out;
  }
};

/// One warp's share: part i of blocks x baselines, hand by hand.
struct AccumulateHands {
  AccumulateRows in;
  struct Sums {
    double re = 0, im = 0, model = 0, data = 0;
    FF_HD Sums& operator+=(const Sums& x) {
      re += x.re;
      im += x.im;
      model += x.model;
      data += x.data;
      return *this;
    }
  };
  /// @param begin, count parts of this block of threads
  FF_HD void operator()(const cuda::Team& team, int64_t begin, int64_t count) const {
    const int64_t step = in.shape.correlations, hands = step == 1 ? 1 : 2;
    team.rows<Sums>(
        count * hands, cuda::kTeamLanes,
        [&](int64_t i, int64_t lane) { return lane_sums(in.part(begin + i / hands), i % hands, lane); },
        [&](int64_t i, const Sums& total) {
          double* out = in.part(begin + i / hands).sums + 4 * (i % hands);
          const Sums before = in.first ? Sums{} : Sums{out[0], out[1], out[2], out[3]};
          out[0] = before.re + total.re;
          out[1] = before.im + total.im;
          out[2] = before.model + total.model;
          out[3] = before.data + total.data;
        });
  }

 private:
  FF_HD Sums lane_sums(const AccumulateRows::Part& part, int64_t hand, int64_t lane) const {
    Sums sums;
    const int64_t step = in.shape.correlations, correlation = hand * (step - 1),
                  samples = (part.end - part.begin) * part.channels;
    for (int64_t s = lane; s < samples; s += cuda::kTeamLanes) {
      const auto row = static_cast<int64_t>(in.order[part.begin + s / part.channels]);
      const int64_t channel = part.channel_begin + s % part.channels,
                    at = (row * in.shape.channels + channel) * step + correlation;
      const auto w = static_cast<double>(in.weight[at]);
      const cuda::Visibility v = in.vis[at], m = in.model_of(row, channel, static_cast<int>(correlation));
      if (!(w > 0) || !v.finite() || !m.finite()) continue;
      const cuda::Complex product = w * (v.wide() * cuda::conj(m.wide()));
      const bool swapped = in.antennas[2 * row] > in.antennas[2 * row + 1];
      sums += {product.re, swapped ? -product.im : product.im, w * cuda::norm(m.wide()),
               w * cuda::norm(v.wide())};
    }
    return sums;
  }
};

/// Element (part, product k of 32): Σ w V_ab M*_cd for k < 16, Σ w M_ab M*_cd for the others; the first also Σ w |V|².
struct AccumulateMatrices {
  AccumulateRows in;
  static constexpr int kProducts = 32;

  FF_HD void operator()(int64_t element) const {
    const auto part = in.part(element / kProducts);
    const int k = static_cast<int>(element % kProducts), ab = k % 16 / 4, cd = k % 4;
    auto* out = reinterpret_cast<cuda::Complex*>(part.sums) + k;
    cuda::Complex sum = in.first ? cuda::Complex() : *out;
    double power = in.first ? 0 : part.sums[64];
    for (int64_t r = part.begin; r < part.end; ++r) {
      const auto row = static_cast<int64_t>(in.order[r]);
      const bool swapped = in.antennas[2 * row] > in.antennas[2 * row + 1];
      for (int64_t c = 0; c < part.channels; ++c) {
        const int64_t channel = part.channel_begin + c, at = (row * in.shape.channels + channel) * 4;
        auto w = static_cast<double>(in.weight[at]);
        bool good = true;
        cuda::Complex left, right;
        double square = 0;
        for (int i = 0; i < 4; ++i) {
          const auto wi = static_cast<double>(in.weight[at + i]);
          w = wi < w ? wi : w;
          const cuda::Visibility v = in.vis[at + i], m = in.model_of(row, channel, i);
          good = good && v.finite() && m.finite();
          // The baseline q, p is the Hermitian conjugate.
          const int to = swapped ? (i & 1) * 2 + i / 2 : i;
          const cuda::Complex mine = (k < 16 ? v : m).wide(), theirs = m.wide();
          if (to == ab) left = swapped ? cuda::conj(mine) : mine;
          if (to == cd) right = swapped ? cuda::conj(theirs) : theirs;
          square += cuda::norm(v.wide());
        }
        if (!good || !(w > 0)) continue;
        sum += left * (w * cuda::conj(right));
        power += w * square;
      }
    }
    *out = sum;
    if (k == 0) part.sums[64] = power;
  }
};

/// Sample i of [row][channel], corrected; apply_cpu's rule.
struct ApplySample {
  Shape shape;
  const cuda::Complex* gains;  ///< [block][antenna][polarisation]
  const uint8_t* valid;
  const int32_t* antennas;  ///< [row][2]
  cuda::Visibility* vis;    ///< [row][channel][correlation]
  uint8_t* flag;
  unsigned long long* flagged;  // NOLINT(google-runtime-int): atomicAdd's type

  FF_HD void operator()(int64_t i) const {
    const int64_t step = shape.correlations, row = i / shape.channels, channel = i % shape.channels,
                  block = channel / shape.channels_per_solution,
                  at_p = block * shape.antennas + antennas[2 * row],
                  at_q = block * shape.antennas + antennas[2 * row + 1];
    cuda::Complex out[4];
    bool good[4];
    if (shape.kind == SolveKind::full)
      full(at_p, at_q, vis + i * step, out, good);
    else
      for (int c = 0; c < 4; ++c) {
        if (c >= step) break;
        const bool scalar = shape.kind == SolveKind::scalar_phase || shape.kind == SolveKind::tec;
        const int64_t pols = scalar ? 1 : step == 1 ? 1 : 2;
        const int64_t x = at_p * pols + (pols == 1   ? 0
                                         : step == 2 ? c
                                                     : c / 2),
                      y = at_q * pols + (pols == 1   ? 0
                                         : step == 2 ? c
                                                     : c % 2);
        good[c] = valid[x] != 0 && valid[y] != 0;
        out[c] = vis[i * step + c].wide() / (gains[x] * cuda::conj(gains[y]));
      }
    int count = 0;
    for (int c = 0; c < 4; ++c) {
      if (c >= step) break;
      cuda::Visibility& value = vis[i * step + c];
      uint8_t& mark = flag[i * step + c];
      const bool usable = value.finite() && (!good[c] || cuda::finite(out[c]));
      if (!usable)
        value = {0, 0};
      else if (good[c])
        value = cuda::Visibility::of(out[c]);
      if ((!good[c] || !usable) && mark == 0) {
        mark = 1;
        ++count;
      }
    }
    if (count == 0) return;
#ifdef __CUDA_ARCH__
    atomicAdd(flagged, static_cast<unsigned long long>(count));  // NOLINT(google-runtime-int)
#else
    *flagged += static_cast<unsigned long long>(count);  // NOLINT(google-runtime-int)
#endif
  }

 private:
  FF_HD static void inverse(const cuda::Complex* m, bool is_valid, cuda::Complex* out) {
    if (!is_valid) {
      out[0] = out[3] = 1;
      return;
    }
    const cuda::Complex scale = cuda::Complex(1) / (m[0] * m[3] - m[1] * m[2]);
    out[0] = scale * m[3];
    out[1] = cuda::Complex() - scale * m[1];
    out[2] = cuda::Complex() - scale * m[2];
    out[3] = scale * m[0];
  }
  FF_HD void full(int64_t at_p, int64_t at_q, const cuda::Visibility* in, cuda::Complex* out,
                  bool* good) const {
    const bool valid_p = valid[4 * at_p] != 0, valid_q = valid[4 * at_q] != 0;
    cuda::Complex p[4], q[4], left[4];
    inverse(gains + 4 * at_p, valid_p, p);
    inverse(gains + 4 * at_q, valid_q, q);
    for (int r = 0; r < 2; ++r)
      for (int s = 0; s < 2; ++s) left[2 * r + s] = p[2 * r] * in[s].wide() + p[2 * r + 1] * in[2 + s].wide();
    for (int r = 0; r < 2; ++r)
      for (int s = 0; s < 2; ++s) {
        out[2 * r + s] = left[2 * r] * cuda::conj(q[2 * s]) + left[2 * r + 1] * cuda::conj(q[2 * s + 1]);
        good[2 * r + s] = valid_p && valid_q;
      }
  }
};

/// accumulate_cpu in device memory, on the stream. @param in without keys and order
void accumulate_cuda(cuda::Stream stream, AccumulateRows in);
/// apply_cpu in device memory, on the stream. @param flagged one number, overwritten
void apply_cuda(cuda::Stream stream, const Shape& shape, const cuda::Complex* gains, const uint8_t* valid,
                const int32_t* antennas, int64_t rows, cuda::Visibility* vis, uint8_t* flag,
                int64_t* flagged);

}  // namespace fringeflow::calibrate
