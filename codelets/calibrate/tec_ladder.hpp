// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "io/constants.hpp"

namespace fringeflow::calibrate::detail {

using Complex = std::complex<double>;

/// Electron contents tried for one antenna and direction: 16 a turn of the lowest frequency, the smallest first. A content is told from
/// one that is a turn away by the bend of the phases over the band.
class Ladder {
 public:
  explicit Ladder(const std::vector<double>& freq_hz) : blocks_(freq_hz.size()) {
    constexpr int kTurns = 12, kPerTurn = 16;
    turn_ = 2 * kPi * *std::min_element(freq_hz.begin(), freq_hz.end()) / kTecRadHz;
    for (const double f : freq_hz) slopes_.push_back(-kTecRadHz / f);
    for (int step = 0; step <= 2 * kTurns * kPerTurn; ++step) {
      contents_.push_back(turn_ / kPerTurn * (step % 2 == 1 ? (step + 1) / 2 : -step / 2));
      for (const double slope : slopes_) phasors_.push_back(std::polar(1., contents_.back() * slope));
    }
  }
  /// The content for which Re Σ_b rest_b* exp(iφ_b) is largest, within `turns` of `centre`.
  double best(const std::vector<Complex>& rest, double centre = 0, double turns = INFINITY) const {
    const double reach = turns * turn_;
    double most = -INFINITY, content = 0, total = 0;
    for (const Complex one : rest) total += std::abs(one);
    for (size_t step = 0; step < contents_.size(); ++step) {
      if (std::abs(contents_[step] - centre) > reach) continue;
      const Complex* phasor = phasors_.data() + step * blocks_;
      double agreement = 0;
      for (size_t b = 0; b < blocks_; ++b)
        agreement += rest[b].real() * phasor[b].real() + rest[b].imag() * phasor[b].imag();
      if (agreement > most + 1e-9 * total) {
        most = agreement;
        content = contents_[step];
      }
    }
    for (int newton = 0; newton < 3; ++newton) {
      double slope = 0, bend = 0;
      for (size_t b = 0; b < blocks_; ++b) {
        const Complex z = std::conj(rest[b]) * std::polar(1., content * slopes_[b]);
        slope -= slopes_[b] * z.imag();
        bend -= slopes_[b] * slopes_[b] * z.real();
      }
      if (!(bend < 0)) break;
      content -= slope / bend;
    }
    return content;
  }

 private:
  size_t blocks_;
  double turn_ = 0;
  std::vector<double> slopes_, contents_;
  std::vector<Complex> phasors_;  ///< [content][block]
};

}  // namespace fringeflow::calibrate::detail
