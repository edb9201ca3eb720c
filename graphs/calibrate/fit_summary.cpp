// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/fit_summary.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "io/error.hpp"

namespace fringeflow::graphs {

void FitSummary::add(const calibrate::Outcome& one) {
  ++fits_;
  found_ += one.antennas;
  data_ += one.data_power;
  residual_ += one.residual_power;
  if (one.failed) {
    ++failed_;
  } else if (one.antennas == 0) {
    ++empty_;
  } else {
    iterations_.push_back(one.iterations);
    unconverged_ += one.converged ? 0 : 1;
  }
}

void FitSummary::report(const std::string& path, const std::string& where, double tolerance) {
  if (found_ == 0)
    throw NoSolution(
        failed_ > 0 ? fmt::format("'{}': none of {} solutions converged; nothing is written", path, fits_)
                    : fmt::format("'{}': no visibilities are left to calibrate on: all are flagged, not "
                                  "finite or outside the uv range",
                                  path));
  const auto middle = iterations_.begin() + static_cast<int64_t>(iterations_.size() / 2);
  std::nth_element(iterations_.begin(), middle, iterations_.end());
  spdlog::info("{} fits in {}: median {} iterations, residual {:.3g} of the data (rms)", fits_, where,
               *middle, std::sqrt(residual_ / data_));
  spdlog::info("chi^2 (sum of weight x |data - model|^2): {:.6g} of {:.6g} without a model", residual_,
               data_);
  if (empty_ > 0) spdlog::info("{} fits had no data", empty_);
  if (unconverged_ > 0)
    spdlog::warn("{} of {} fits stopped before the tolerance of {:g}, closer than 1e-3", unconverged_, fits_,
                 tolerance);
  if (failed_ > 0) spdlog::warn("{} of {} fits failed: their solutions are flagged", failed_, fits_);
}

}  // namespace fringeflow::graphs
