// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/averaging.hpp"

#include <algorithm>
#include <cmath>

#include "io/constants.hpp"
#include "io/observation_geometry.hpp"

namespace fringeflow::io {
namespace {

/// Of the earth, radians per second of UTC: IERS conventions 2010, table 1.2.
constexpr double kEarthRate_rad_s = 7.292115e-5;

/// What the mean of n samples loses whose phases are 2x apart. 1 from the first zero on: more is never asked for.
double loss(double n, double x) {
  if (x == 0) return 0;
  return n * x < kPi ? 1 - std::sin(n * x) / (n * std::sin(x)) : 1;
}

}  // namespace

std::vector<int32_t> integrations_to_average(const NewMeasurementSet& set, const AveragingOptions& options) {
  const double highest_hz = *std::max_element(set.freq_hz.begin(), set.freq_hz.end());
  const double chord = 2 * std::sin(options.field_rad / 4);  // half the field from the centre
  const double per_metre = kPi * kEarthRate_rad_s * chord * highest_hz / kSpeedOfLight_m_s * set.interval_s;
  const auto times = static_cast<double>(set.times_s.size());
  const double most = std::min(options.interval_s / set.interval_s * (1 + 1e-9), times);
  std::vector<int32_t> integrations;
  const ObservationGeometry geometry(set, "the observation");
  for (const auto& [p, q] : geometry.pairs()) {
    const auto &a = set.antennas[static_cast<size_t>(p)].position_m,
               &b = set.antennas[static_cast<size_t>(q)].position_m;
    const double x = per_metre * std::hypot(b[0] - a[0], b[1] - a[1]);
    int32_t n = 1;
    while (2 * n <= most && loss(2 * n, x) <= options.smearing) n *= 2;
    integrations.push_back(n);
  }
  return integrations;
}

AveragedRows::AveragedRows(std::vector<int32_t> integrations, int64_t times)
    : integrations_(std::move(integrations)), times_(times) {
  for (const int32_t n : integrations_) block_times_ = std::max<int64_t>(block_times_, n);
}

int64_t AveragedRows::rows_of_block(int64_t times) const {
  int64_t rows = 0;
  for (const int32_t n : integrations_) rows += (times + n - 1) / n;
  return rows;
}

int64_t AveragedRows::rows() const { return rows_of_block(times_); }

std::vector<AveragedRow> AveragedRows::block(int64_t index) const {
  const int64_t begin = index * block_times_, end = std::min(begin + block_times_, times_);
  std::vector<AveragedRow> rows;
  for (size_t b = 0; b < integrations_.size(); ++b)
    for (int64_t t = begin; t < end; t += integrations_[b])
      rows.push_back(
          {static_cast<int32_t>(b), static_cast<int32_t>(std::min<int64_t>(integrations_[b], end - t)), t});
  std::stable_sort(rows.begin(), rows.end(), [](const AveragedRow& one, const AveragedRow& other) {
    return one.begin + one.count < other.begin + other.count;
  });
  return rows;
}

}  // namespace fringeflow::io
