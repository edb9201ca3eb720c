// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/corrupt/corrupt.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/corrupt/random.hpp"

namespace fringeflow::corrupt {
namespace {

using Complex = std::complex<double>;

/// The coherency matrix by rows: linear or circular feeds (io/measurement_set_stokes.hpp).
void coherency(bool circular, Complex i, Complex q, Complex u, Complex v, Complex* out) {
  const Complex j(0, 1);
  if (circular) {
    out[0] = i + v;
    out[1] = q + j * u;
    out[2] = q - j * u;
    out[3] = i - v;
  } else {
    out[0] = i + q;
    out[1] = u + j * v;
    out[2] = u - j * v;
    out[3] = i - q;
  }
}

/// Without the care for infinities that the operator takes.
Complex times(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

void corrupt_cpu(const CorruptArguments& a) {
  const int64_t channels = a.vis.extent(1), step = a.vis.extent(2);
  const bool circular = a.correlations.front() <= 8, polarised = a.stokes_vis.extent(0) == 4;
  std::vector<uint32_t> counters;  // [channel][correlation]
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = 0; k < step; ++k)
      counters.push_back(
          static_cast<uint32_t>(4 * c + io::matrix_element(a.correlations[static_cast<size_t>(k)])));
  std::vector<double> noise_re(counters.size()), noise_im(counters.size());
  for (int64_t row = 0; row < a.vis.extent(0); ++row) {
    const int64_t p = a.antennas(row, 0), q = a.antennas(row, 1);
    const auto at = static_cast<size_t>(a.time_s.size() == 1 ? 0 : row);
    const int64_t time = a.gains ? a.gains->time_of(a.time_s[at]) : 0;
    if (a.noise_jy > 0)
      normal_cpu(a.seed, Stream::noise, counters, static_cast<uint32_t>(p), static_cast<uint32_t>(q),
                 static_cast<uint32_t>(a.time_number[at]), noise_re.data(), noise_im.data());
    std::vector<const RfiBurst*> active;
    for (const auto& burst : a.bursts)
      if (burst.at(a.time_s[at])) active.push_back(&burst);
    for (int64_t c = 0; c < channels; ++c) {
      const auto stokes = [&](int64_t s) { return Complex(a.stokes_vis(s, row, c)); };
      Complex v[4];
      coherency(circular, stokes(0), polarised ? stokes(1) : 0, polarised ? stokes(2) : 0,
                polarised ? stokes(3) : 0, v);
      bool good[2] = {true, true}, good_q[2] = {true, true};
      if (a.gains) {
        const int64_t f = a.gain_frequency[static_cast<size_t>(c)];
        const Complex *jp = a.gains->jones(time, f, p), *jq = a.gains->jones(time, f, q);
        for (int hand = 0; hand < 2; ++hand) {
          good[hand] = a.gains->valid(time, f, p, hand);
          good_q[hand] = a.gains->valid(time, f, q, hand);
        }
        Complex left[4];
        for (int i = 0; i < 2; ++i)
          for (int k = 0; k < 2; ++k)
            left[2 * i + k] = times(jp[2 * i], v[k]) + times(jp[2 * i + 1], v[2 + k]);
        for (int i = 0; i < 2; ++i)
          for (int k = 0; k < 2; ++k)
            v[2 * i + k] =
                times(left[2 * i], std::conj(jq[2 * k])) + times(left[2 * i + 1], std::conj(jq[2 * k + 1]));
      }
      for (int64_t k = 0; k < step; ++k) {
        const int element = io::matrix_element(a.correlations[static_cast<size_t>(k)]);
        Complex x = good[element / 2] && good_q[element % 2] ? v[element] : 0;
        for (const auto* burst : active)
          if (burst->in(a.freq_hz[static_cast<size_t>(c)]))
            x += burst->flux_jy * burst->response[static_cast<size_t>(2 * p + element / 2)] *
                 std::conj(burst->response[static_cast<size_t>(2 * q + element % 2)]);
        if (a.noise_jy > 0) {
          const auto sample = static_cast<size_t>(c * step + k);
          x += a.noise_jy * Complex(noise_re[sample], noise_im[sample]);
        }
        a.vis(row, c, k) = std::complex<float>(x);
      }
    }
  }
}

std::vector<ScreenWave> screen_waves(const Screen& screen) {
  constexpr uint32_t kWaves = 200;
  constexpr double kRange = 100;
  std::vector<ScreenWave> waves(kWaves);
  double power = 0;
  for (uint32_t i = 0; i < kWaves; ++i) {
    // Wave numbers even in log k: each stands for a ring of area 2π k² d(ln k), of power k^(−11/3) · k².
    const auto angle = uniform(screen.seed, Stream::screen, i, 0, 0, 0),
               phase = uniform(screen.seed, Stream::screen, i, 1, 0, 0);
    const double k =
        2 * kPi / screen.scale_m * std::pow(kRange, (static_cast<double>(i) + angle[1]) / kWaves);
    waves[i].u = k * std::cos(2 * kPi * angle[0]);
    waves[i].v = k * std::sin(2 * kPi * angle[0]);
    waves[i].phase = 2 * kPi * phase[0];
    waves[i].amplitude = std::pow(k, -5. / 6);
    power += waves[i].amplitude * waves[i].amplitude / 2;
  }
  for (auto& wave : waves) wave.amplitude *= screen.rms_tecu / std::sqrt(power);
  return waves;
}

void screen_cpu(const Screen& screen, std::span<const ScreenWave> waves, double seconds,
                View<const double, 2> antenna_uv_m, View<const double, 2> lmn, View<double, 2> tec) {
  const double drift = screen.speed_m_s * seconds;
  for (int64_t s = 0; s < tec.extent(0); ++s) {
    // tan of the angle from the line of sight to the phase centre, along l and m.
    const double n = 1 + lmn(s, 2), far = screen.height_m / std::max(n, 0.1);
    for (int64_t a = 0; a < tec.extent(1); ++a) {
      const double x = antenna_uv_m(a, 0) + far * lmn(s, 0) - drift, y = antenna_uv_m(a, 1) + far * lmn(s, 1);
      double sum = 0;
      for (const auto& wave : waves) sum += wave.amplitude * std::cos(wave.u * x + wave.v * y + wave.phase);
      tec(s, a) = sum;
    }
  }
}

}  // namespace fringeflow::corrupt
