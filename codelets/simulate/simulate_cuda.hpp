// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// simulate on the device: a thread has one row and a few channels, whose sums over all sources of all groups stay in registers, in double,
/// and are rounded once. Neighbouring threads have neighbouring rows, so that they read the same positions and fluxes.
#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "codelets/common/cuda_complex.hpp"
#include "codelets/common/cuda_worker.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#include "codelets/simulate/spacing.hpp"

namespace fringeflow::simulate_device {

using cuda::Complex;
using cuda::Visibility;

/// Of a group: its sources end before `end`, those of all groups counted; a and b are the standard deviations of its Gaussian, rad.
struct Shape {
  double end = 0, a = 0, b = 0, sine = 0, cosine = 1;
  FF_HD bool point() const { return !(a > 0) && !(b > 0); }
};

/// All groups in one piece of memory.
struct SkyTables {
  int64_t groups = 0, sources = 0, channels = 0;
  bool regular = true;                ///< every segment of channels is evenly spaced
  const Shape* shape = nullptr;       ///< [group]
  const double* lmn = nullptr;        ///< [source][3]
  const double* flux_jy = nullptr;    ///< [source][channel][stokes]
  const double* inverse_m = nullptr;  ///< [channel] ν/c
  const double* step_m = nullptr;     ///< [segment] between its channels
};
/// The same numbers with pointers relative to a base, made once per list of groups.
class PackedSky {
 public:
  PackedSky(const std::vector<SourceGroup>& groups, const std::vector<double>& freq_hz, int64_t stokes);
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};
/// @param base PackedSky::values(), wherever they are
SkyTables sky_tables(const std::vector<SourceGroup>& groups, const std::vector<double>& freq_hz,
                     int64_t stokes, const double* base);

/// exp(2πi t) to double precision for |t| < 2^50: as in simulate_cpu.cpp.
FF_HD inline Complex unit_phasor(double turns) {
  const double x = turns - rint(turns);
  const double quadrant = rint(4 * x), y = fma(-0.25, quadrant, x), a = 2 * kPi * y, a2 = a * a;
  double s = -1.0 / 1307674368000.0, c = 1.0 / 20922789888000.0;
  s = fma(s, a2, 1.0 / 6227020800.0);
  s = fma(s, a2, -1.0 / 39916800.0);
  s = fma(s, a2, 1.0 / 362880.0);
  s = fma(s, a2, -1.0 / 5040.0);
  s = fma(s, a2, 1.0 / 120.0);
  s = fma(s, a2, -1.0 / 6.0);
  s = fma(s, a2, 1.0);
  c = fma(c, a2, -1.0 / 87178291200.0);
  c = fma(c, a2, 1.0 / 479001600.0);
  c = fma(c, a2, -1.0 / 3628800.0);
  c = fma(c, a2, 1.0 / 40320.0);
  c = fma(c, a2, -1.0 / 720.0);
  c = fma(c, a2, 1.0 / 24.0);
  c = fma(c, a2, -0.5);
  c = fma(c, a2, 1.0);
  s *= a;
  const int q = static_cast<int>(quadrant) & 3;  // −1 is 3, ±2 are 2
  const double re = q & 1 ? s : c, im = q & 1 ? c : s;
  return {q == 1 || q == 2 ? -re : re, q == 2 || q == 3 ? -im : im};
}

/// sin(πx)/(πx).
FF_HD inline double sinc(double x) {
  const double angle = kPi * x, square = angle * angle;
  if (square < 1e-5) return fma(square, fma(square, 1.0 / 120, -1.0 / 6), 1.0);
  return unit_phasor(0.5 * x).im / angle;
}

/// Electrons and smearing; neither where `antennas` is null and the widths are 0.
struct Propagation {
  const double* tec = nullptr;        ///< [source][tec_antennas], TECU
  const int32_t* antennas = nullptr;  ///< [row][2]
  int64_t tec_antennas = 0;
  double channel_width_per_c = 0, rotation = 0;  ///< Δν/c; Ω Δt / c
  double sine = 0, cosine = 0;                   ///< of the declination
  bool smears = false;

  FF_HD double electrons(int64_t source, int64_t row) const {
    if (antennas == nullptr) return 0;
    const double* of = tec + source * tec_antennas;
    return (of[antennas[2 * row]] - of[antennas[2 * row + 1]]) * (-kTecRadHz / (2 * kPi));
  }
};

/// Row i % rows, and channels from Block (i / rows). @tparam Exact every channel's phase on its own: for uneven channels, electrons, smearing
template <int Stokes, bool Exact>
struct PredictBlock {
  static constexpr int kBlock = (Stokes == 1 ? 8 : 4) / (Exact ? 2 : 1);
  static_assert(kSegmentChannels % kBlock == 0);
  SkyTables sky;
  Propagation through;
  const double* uvw_m;  ///< [row][3]
  int64_t rows;
  Visibility* vis;  ///< [Stokes][row][channel]

  int64_t count() const { return rows * ((sky.channels + kBlock - 1) / kBlock); }

  FF_HD void operator()(int64_t i) const {
    const int64_t row = i % rows, first = i / rows * kBlock, left = sky.channels - first;
    const double u = uvw_m[3 * row], v = uvw_m[3 * row + 1], w = uvw_m[3 * row + 2];
    const double step_m = sky.step_m[first / kSegmentChannels];
    Complex sum[Stokes][kBlock];
    int64_t source = 0;
    for (int64_t g = 0; g < sky.groups; ++g) {
      const Shape shape = sky.shape[g];
      double factor[kBlock];
      attenuation(shape, u, v, first, left, factor);
      for (const auto end = static_cast<int64_t>(shape.end); source < end; ++source) {
        const double* at = sky.lmn + 3 * source;
        const double path = fma(w, at[2], fma(v, at[1], u * at[0]));
        const double* flux = sky.flux_jy + (source * sky.channels + first) * Stokes;
        Complex z, step;
        double electrons = 0, narrow = 1, turns_per_hz = 0;
        if constexpr (Exact) {
          electrons = through.electrons(source, row);
          if (through.smears) {
            narrow = sinc(path * through.channel_width_per_c);
            const double along_m = through.sine * at[1] - through.cosine * at[2];
            turns_per_hz =
                through.rotation * fma(u, along_m, (w * through.cosine - v * through.sine) * at[0]);
          }
        } else {
          z = unit_phasor(path * sky.inverse_m[first]);
          step = unit_phasor(path * step_m);
        }
        for (int c = 0; c < kBlock; ++c) {
          if (c >= left) break;
          Complex now = z;
          if constexpr (Exact) {
            const double inverse_m = sky.inverse_m[first + c], freq_hz = inverse_m * kSpeedOfLight_m_s;
            now = unit_phasor(path * inverse_m + electrons / freq_hz);
            if (through.smears) now = narrow * sinc(turns_per_hz * freq_hz) * now;
          }
          now = factor[c] * now;
          for (int p = 0; p < Stokes; ++p) {
            const double f = flux[c * Stokes + p];
            sum[p][c].re = fma(f, now.re, sum[p][c].re);
            sum[p][c].im = fma(f, now.im, sum[p][c].im);
          }
          if constexpr (!Exact) z = z * step;
        }
      }
    }
    for (int p = 0; p < Stokes; ++p)
      for (int c = 0; c < kBlock; ++c)
        if (c < left) vis[(p * rows + row) * sky.channels + first + c] = Visibility::of(sum[p][c]);
  }

 private:
  /// The Fourier transform of the group's Gaussian, by channel.
  FF_HD void attenuation(const Shape& shape, double u, double v, int64_t first, int64_t left,
                         double* factor) const {
    for (int c = 0; c < kBlock; ++c) factor[c] = 1;
    if (shape.point()) return;
    const double a = shape.a * (u * shape.sine + v * shape.cosine),
                 b = shape.b * (u * shape.cosine - v * shape.sine);
    for (int c = 0; c < kBlock; ++c) {
      if (c >= left) break;
      const double lambda = sky.inverse_m[first + c];
      factor[c] = exp(-2 * kPi * kPi * (a * a + b * b) * lambda * lambda);
    }
  }
};

/// Calls launch(functor) with the functor that does it. @param stokes 1 or 4
template <class Launch>
void predict_with(const SkyTables& sky, const Propagation& through, const double* uvw_m, int64_t rows,
                  int64_t stokes, Visibility* vis, Launch&& launch) {
  const bool exact = !sky.regular || through.smears || through.antennas != nullptr;
  const auto with = [&]<int Stokes>() {
    if (exact)
      launch(PredictBlock<Stokes, true>{sky, through, uvw_m, rows, vis});
    else
      launch(PredictBlock<Stokes, false>{sky, through, uvw_m, rows, vis});
  };
  if (stokes == 1)
    with.template operator()<1>();
  else if (stokes == 4)
    with.template operator()<4>();
  else
    throw std::invalid_argument("simulate on a device: I alone, or I, Q, U, V");
}

/// @param antennas [row][2] where the kernel runs; null: no electrons
Propagation propagation(const Smearing& smearing, const double* tec, int64_t tec_antennas,
                        const int32_t* antennas);

}  // namespace fringeflow::simulate_device

namespace fringeflow {

/// simulate_groups in device memory, on the stream. @param tec, tec_antennas, antennas as in SimulateTaskArgs; antennas on the host
void simulate_cuda(cuda::Stream stream, const std::shared_ptr<const std::vector<SourceGroup>>& groups,
                   const std::vector<double>& freq_hz, const double* uvw_m, int64_t rows, int64_t stokes,
                   cuda::Visibility* vis, const Smearing& smearing = {}, const double* tec = nullptr,
                   int64_t tec_antennas = 0, const int32_t* antennas = nullptr);

}  // namespace fringeflow
