// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/observation_geometry.hpp"

#include "io/averaging.hpp"
#include "io/measurement_set_impl.hpp"

#include <casacore/casa/Quanta/MVuvw.h>
#include <casacore/measures/Measures/MBaseline.h>
#include <casacore/measures/Measures/MCBaseline.h>
#include <casacore/measures/Measures/MDirection.h>
#include <casacore/measures/Measures/MEpoch.h>
#include <casacore/measures/Measures/MPosition.h>
#include <casacore/measures/Measures/MeasConvert.h>
#include <casacore/measures/Measures/MeasFrame.h>
#include <fmt/format.h>

#include <cmath>

namespace fringeflow::io {

ObservationGeometry::ObservationGeometry(const NewMeasurementSet& description, std::string name)
    : set_(description), name_(std::move(name)) {
  detail::quieten_casacore();
  for (const auto& one : description.correlations) codes_.push_back(correlation_code(one));
  check();
  const int count = static_cast<int>(description.antennas.size());
  for (int i = 0; i < count; ++i)
    for (int j = description.autocorrelations ? i : i + 1; j < count; ++j) pairs_.emplace_back(i, j);
}

std::vector<int32_t> ObservationGeometry::baseline_antennas() const {
  std::vector<int32_t> antennas;
  for (const auto& [p, q] : pairs_) antennas.insert(antennas.end(), {p, q});
  return antennas;
}

void ObservationGeometry::check() const {
  const auto complain = [&](const std::string& what) {
    throw UserError(fmt::format("{} cannot be simulated: {}", detail::in_quotes(name_), what));
  };
  if (set_.antennas.size() < 2) complain("fewer than two antennas");
  if (set_.times_s.empty()) complain("no times");
  if (set_.freq_hz.empty()) complain("no channels");
  if (!(set_.interval_s > 0) || !std::isfinite(set_.interval_s)) complain("the interval must be above zero");
  if (!(set_.channel_width_hz != 0) || !std::isfinite(set_.channel_width_hz))
    complain("the channel width must not be zero");
  for (double f : set_.freq_hz) {
    if (!(f > 0) || !std::isfinite(f)) complain(fmt::format("a channel at {} Hz", f));
  }
  for (double t : set_.times_s) {
    if (!std::isfinite(t)) complain("a time that is not finite");
  }
  for (const auto& antenna : set_.antennas) {
    for (double x : antenna.position_m) {
      if (!std::isfinite(x)) complain("antenna " + antenna.name + " has a position that is not finite");
    }
  }
  if (codes_.empty() || codes_.size() > 4) complain("1 to 4 correlations are needed");
  const bool circular = codes_.front() <= 8;
  for (size_t i = 0; i < codes_.size(); ++i) {
    if (codes_[i] < 5 || (codes_[i] <= 8) != circular || (i > 0 && codes_[i] <= codes_[i - 1])) {
      complain("correlations must be some of XX, XY, YX, YY or of RR, RL, LR, LL, in that order");
    }
  }
}

uint64_t ObservationGeometry::set_bytes() const {
  const uint64_t rows =
      set_.averaging.empty()
          ? set_.times_s.size() * pairs_.size()
          : static_cast<uint64_t>(
                AveragedRows(set_.averaging, static_cast<int64_t>(set_.times_s.size())).rows());
  const uint64_t cell = codes_.size() * set_.freq_hz.size();
  return rows * (cell * 12 + (cell + 7) / 8 + codes_.size() * 8 + 24 + 84) + (1 << 20);
}

Direction ObservationGeometry::stored_phase_centre() const {
  const auto angles =
      casacore::MVDirection(set_.phase_centre.ra_rad, set_.phase_centre.dec_rad).getAngle("rad").getValue();
  return {angles[0], angles[1]};
}

void ObservationGeometry::antenna_uvw(int64_t time_index, View<double, 2> uvw_m) const {
  detail::translated(detail::in_quotes(name_) + ": UVW", [&] {
    detail::ensure_leap_seconds();
    using namespace casacore;  // NOLINT: a page of measures
    const auto& antennas = set_.antennas;
    const auto position = [&](size_t i) {
      return MVPosition(antennas[i].position_m[0], antennas[i].position_m[1], antennas[i].position_m[2]);
    };
    const MDirection centre(MVDirection(set_.phase_centre.ra_rad, set_.phase_centre.dec_rad),
                            MDirection::J2000);
    const MEpoch epoch(MVEpoch(Quantity(set_.times_s[static_cast<size_t>(time_index)], "s")), MEpoch::UTC);
    MeasFrame frame(epoch, MPosition(position(0), MPosition::ITRF), centre);
    MBaseline::Convert to_j2000(MBaseline::Ref(MBaseline::ITRF, frame),
                                MBaseline::Ref(MBaseline::J2000, frame));
    for (size_t i = 0; i < antennas.size(); ++i) {
      const MVBaseline offset(position(i) - position(0));
      const MVuvw uvw(to_j2000(offset).getValue(), centre.getValue());
      const auto v = uvw.getValue();
      for (size_t k = 0; k < 3; ++k) uvw_m(static_cast<int64_t>(i), static_cast<int64_t>(k)) = v[k];
    }
  });
}

void ObservationGeometry::baseline_uvw(View<const double, 2> antenna_uvw_m, View<double, 2> uvw_m) const {
  for (size_t b = 0; b < pairs_.size(); ++b)
    for (int64_t k = 0; k < 3; ++k)
      uvw_m(static_cast<int64_t>(b), k) =
          antenna_uvw_m(pairs_[b].second, k) - antenna_uvw_m(pairs_[b].first, k);
}

}  // namespace fringeflow::io
