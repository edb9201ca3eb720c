// SPDX-License-Identifier: GPL-3.0-or-later
// Creating a MeasurementSet for simulated data.
#include "io/measurement_set_impl.hpp"

#include <casacore/measures/Measures/MBaseline.h>
#include <casacore/measures/Measures/MCBaseline.h>
#include <casacore/measures/Measures/MDirection.h>
#include <casacore/measures/Measures/MEpoch.h>
#include <casacore/measures/Measures/MPosition.h>
#include <casacore/measures/Measures/MeasConvert.h>
#include <casacore/measures/Measures/MeasFrame.h>
#include <casacore/ms/MeasurementSets/MSColumns.h>
#include <casacore/ms/MeasurementSets/MeasurementSet.h>
#include <casacore/tables/DataMan/StandardStMan.h>
#include <casacore/tables/DataMan/TiledShapeStMan.h>
#include <casacore/tables/Tables/SetupNewTab.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>

namespace fringeflow::io {

using detail::in_quotes;
using detail::translated;
namespace fs = std::filesystem;

namespace {

/// The set while it is written: the columns keep the table open.
struct OpenSet {
  explicit OpenSet(casacore::SetupNewTable& setup, casacore::rownr_t rows) : ms(setup, rows) {}

  casacore::MeasurementSet ms;
  casacore::ArrayColumn<casacore::Complex> data;
  casacore::ArrayColumn<casacore::Float> weight_spectrum, weight, sigma;
  casacore::ArrayColumn<casacore::Bool> flag;
  casacore::ArrayColumn<casacore::Double> uvw;
};

}  // namespace

struct SimulationWriter::Impl {
  NewMeasurementSet set;
  std::string path, temporary;
  bool overwrite = false, committed = false;
  std::vector<int> codes;                  ///< of the correlations
  std::vector<std::pair<int, int>> pairs;  ///< antennas of a baseline
  std::vector<bool> written;
  std::shared_ptr<OpenSet> open;

  void check() const;
  uint64_t bytes() const;
  void create();
  void fill_subtables();
  void fill_feed();
  void discard() noexcept;
};

void SimulationWriter::Impl::check() const {
  const auto complain = [&](const std::string& what) {
    throw UserError(fmt::format("{} cannot be simulated: {}", in_quotes(path), what));
  };
  if (path.empty()) throw UserError("the simulation needs a name for its MeasurementSet");
  if (set.antennas.size() < 2) complain("fewer than two antennas");
  if (set.times_s.empty()) complain("no times");
  if (set.freq_hz.empty()) complain("no channels");
  if (!(set.interval_s > 0) || !std::isfinite(set.interval_s)) complain("the interval must be above zero");
  if (!(set.channel_width_hz != 0) || !std::isfinite(set.channel_width_hz))
    complain("the channel width must not be zero");
  for (double f : set.freq_hz) {
    if (!(f > 0) || !std::isfinite(f)) complain(fmt::format("a channel at {} Hz", f));
  }
  for (double t : set.times_s) {
    if (!std::isfinite(t)) complain("a time that is not finite");
  }
  for (const auto& antenna : set.antennas) {
    for (double x : antenna.position_m) {
      if (!std::isfinite(x)) complain("antenna " + antenna.name + " has a position that is not finite");
    }
  }
  if (codes.empty() || codes.size() > 4) complain("1 to 4 correlations are needed");
  const bool circular = codes.front() <= 8;
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] < 5 || (codes[i] <= 8) != circular || (i > 0 && codes[i] <= codes[i - 1])) {
      complain("correlations must be some of XX, XY, YX, YY or of RR, RL, LR, LL, in that order");
    }
  }
}

void SimulationWriter::Impl::create() {
  using casacore::MS;
  casacore::TableDesc description = MS::requiredTableDesc();
  MS::addColumnToDesc(description, MS::DATA, 2);
  MS::addColumnToDesc(description, MS::WEIGHT_SPECTRUM, 2);
  description.rwColumnDesc("DATA").rwKeywordSet().define("UNIT", "Jy");
  casacore::SetupNewTable setup(temporary, description, casacore::Table::New);
  setup.bindAll(casacore::StandardStMan("Standard", -4096));
  const auto channels = static_cast<ssize_t>(set.freq_hz.size()),
             correlations = static_cast<ssize_t>(codes.size());
  // 1 MiB of DATA per tile, or 1024 rows of small cells.
  const ssize_t rows = std::clamp<ssize_t>((1 << 20) / (8 * channels * correlations), 1024, 16384);
  const casacore::IPosition cells(3, correlations, channels, rows), vectors(2, correlations, 4096);
  const auto tile = [&](const char* column, const casacore::IPosition& shape) {
    setup.bindColumn(column, casacore::TiledShapeStMan(std::string("Tiled") + column, shape));
  };
  tile("DATA", cells);
  tile("FLAG", cells);
  tile("WEIGHT_SPECTRUM", cells);
  tile("WEIGHT", vectors);
  tile("SIGMA", vectors);
  tile("UVW", casacore::IPosition(2, 3, 4096));
  open = std::make_shared<OpenSet>(setup, static_cast<casacore::rownr_t>(set.times_s.size() * pairs.size()));
  open->ms.createDefaultSubtables(casacore::Table::New);
  open->data.attach(open->ms, "DATA");
  open->flag.attach(open->ms, "FLAG");
  open->weight_spectrum.attach(open->ms, "WEIGHT_SPECTRUM");
  open->weight.attach(open->ms, "WEIGHT");
  open->sigma.attach(open->ms, "SIGMA");
  open->uvw.attach(open->ms, "UVW");
}

void SimulationWriter::Impl::fill_subtables() {
  using casacore::Vector;
  casacore::MSColumns columns(open->ms);
  const auto count = static_cast<casacore::rownr_t>(set.antennas.size());
  open->ms.antenna().addRow(count);
  for (casacore::rownr_t i = 0; i < count; ++i) {
    const Antenna& antenna = set.antennas[i];
    auto& c = columns.antenna();
    c.name().put(i, antenna.name);
    c.station().put(i, antenna.station.empty() ? antenna.name : antenna.station);
    c.type().put(i, "GROUND-BASED");
    c.mount().put(i, "ALT-AZ");
    c.position().put(i, Vector<double>(std::vector<double>(antenna.position_m, antenna.position_m + 3)));
    c.offset().put(i, Vector<double>(3, 0.));
    c.dishDiameter().put(i, antenna.diameter_m);
    c.flagRow().put(i, false);
  }

  const auto channels = set.freq_hz.size();
  const Vector<double> freq(set.freq_hz), width(channels, set.channel_width_hz),
      breadth(channels, std::abs(set.channel_width_hz));
  open->ms.spectralWindow().addRow();
  auto& spw = columns.spectralWindow();
  spw.numChan().put(0, static_cast<casacore::Int>(channels));
  spw.name().put(0, set.field_name);
  spw.chanFreq().put(0, freq);
  spw.chanWidth().put(0, width);
  spw.effectiveBW().put(0, breadth);
  spw.resolution().put(0, breadth);
  spw.refFrequency().put(0, set.freq_hz.front());
  spw.totalBandwidth().put(0, std::abs(set.channel_width_hz) * static_cast<double>(channels));
  spw.measFreqRef().put(0, casacore::MFrequency::TOPO);
  spw.netSideband().put(0, 1);
  spw.ifConvChain().put(0, 0);
  spw.freqGroup().put(0, 0);
  spw.freqGroupName().put(0, "");
  spw.flagRow().put(0, false);

  open->ms.polarization().addRow();
  casacore::Matrix<casacore::Int> products(2, codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    const int hands = (codes[i] - 5) % 4;  // RR, RL, LR, LL and XX, XY, YX, YY
    products(0, i) = hands / 2;
    products(1, i) = hands % 2;
  }
  columns.polarization().numCorr().put(0, static_cast<casacore::Int>(codes.size()));
  columns.polarization().corrType().put(0, Vector<casacore::Int>(codes));
  columns.polarization().corrProduct().put(0, products);
  columns.polarization().flagRow().put(0, false);

  open->ms.dataDescription().addRow();
  columns.dataDescription().spectralWindowId().put(0, 0);
  columns.dataDescription().polarizationId().put(0, 0);
  columns.dataDescription().flagRow().put(0, false);

  const double begin = set.times_s.front() - set.interval_s / 2,
               end = set.times_s.back() + set.interval_s / 2;
  open->ms.field().addRow();
  auto& field = columns.field();
  casacore::Matrix<double> direction(2, 1);
  direction(0, 0) = set.phase_centre.ra_rad;
  direction(1, 0) = set.phase_centre.dec_rad;
  field.name().put(0, set.field_name);
  field.code().put(0, "");
  field.time().put(0, begin);
  field.numPoly().put(0, 0);
  field.delayDir().put(0, direction);
  field.phaseDir().put(0, direction);
  field.referenceDir().put(0, direction);
  field.sourceId().put(0, -1);
  field.flagRow().put(0, false);

  open->ms.observation().addRow();
  auto& observation = columns.observation();
  observation.telescopeName().put(0, set.telescope);
  observation.observer().put(0, set.observer);
  observation.project().put(0, set.field_name);
  observation.scheduleType().put(0, "");
  observation.schedule().put(0, Vector<casacore::String>(1, ""));
  observation.log().put(0, Vector<casacore::String>(1, ""));
  observation.timeRange().put(0, Vector<double>(std::vector<double>{begin, end}));
  observation.releaseDate().put(0, end);
  observation.flagRow().put(0, false);
  fill_feed();
}

void SimulationWriter::Impl::fill_feed() {
  casacore::MSColumns columns(open->ms);
  auto& feed = columns.feed();
  const auto count = static_cast<casacore::rownr_t>(set.antennas.size());
  const bool circular = codes.front() <= 8;
  casacore::Vector<casacore::String> types(2);
  types[0] = circular ? "R" : "X";
  types[1] = circular ? "L" : "Y";
  casacore::Matrix<casacore::Complex> response(2, 2, casacore::Complex(0));
  response(0, 0) = response(1, 1) = 1;
  open->ms.feed().addRow(count);
  for (casacore::rownr_t i = 0; i < count; ++i) {
    feed.antennaId().put(i, static_cast<casacore::Int>(i));
    feed.feedId().put(i, 0);
    feed.spectralWindowId().put(i, -1);
    feed.time().put(i, set.times_s.front());
    feed.interval().put(i, 0);
    feed.numReceptors().put(i, 2);
    feed.beamId().put(i, -1);
    feed.beamOffset().put(i, casacore::Matrix<double>(2, 2, 0.));
    feed.polarizationType().put(i, types);
    feed.polResponse().put(i, response);
    feed.position().put(i, casacore::Vector<double>(3, 0.));
    feed.receptorAngle().put(i, casacore::Vector<double>(2, 0.));
  }
}

uint64_t SimulationWriter::Impl::bytes() const {
  const uint64_t rows = set.times_s.size() * pairs.size(), cell = codes.size() * set.freq_hz.size();
  return rows * (cell * 12 + (cell + 7) / 8 + codes.size() * 8 + 24 + 84) + (1 << 20);
}

void SimulationWriter::Impl::discard() noexcept {
  // casacore would flush into the files while it closes them, and a full disk is what brings us here.
  if (open) detail::abandon(std::move(open));
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(temporary, ignored)) {
    if (entry.is_regular_file(ignored)) fs::resize_file(entry.path(), 0, ignored);
  }
  fs::remove_all(temporary, ignored);
}

SimulationWriter::SimulationWriter(const std::string& path, const NewMeasurementSet& description,
                                   bool overwrite)
    : impl_(std::make_unique<Impl>()) {
  detail::quieten_casacore();
  Impl& m = *impl_;
  m.set = description;
  m.path = path;
  while (m.path.size() > 1 && m.path.back() == '/') m.path.pop_back();
  m.overwrite = overwrite;
  for (const auto& name : description.correlations) m.codes.push_back(correlation_code(name));
  m.check();
  std::error_code ignored;
  if (!overwrite && fs::exists(m.path, ignored))
    throw UserError(in_quotes(m.path) + " exists already: remove it or choose another name");
  const int count = static_cast<int>(description.antennas.size());
  for (int i = 0; i < count; ++i) {
    for (int j = description.autocorrelations ? i : i + 1; j < count; ++j) m.pairs.emplace_back(i, j);
  }
  m.written.assign(description.times_s.size(), false);
  fs::path folder = fs::path(m.path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored))
    throw RunError(
        fmt::format("{} cannot be created: there is no folder {}", in_quotes(m.path), in_quotes(folder)));
  detail::check_flush(folder, m.path);
  detail::check_space(folder, m.path, m.bytes());
  static std::atomic<int> serial{0};
  m.temporary = fmt::format("{}.part-{}-{}", m.path, getpid(), serial++);
  fs::remove_all(m.temporary, ignored);
  try {
    translated(in_quotes(m.path) + " cannot be created", [&] {
      m.create();
      m.fill_subtables();
      m.open->ms.flush();
    });
  } catch (...) {
    m.discard();
    throw;
  }
}

SimulationWriter::~SimulationWriter() {
  if (!impl_->committed) impl_->discard();
}

int64_t SimulationWriter::baselines() const { return static_cast<int64_t>(impl_->pairs.size()); }

std::vector<std::array<double, 3>> detail::antenna_uvw_m(const NewMeasurementSet& set, double time_s,
                                                         const std::string& path) {
  return translated(in_quotes(path) + ": UVW", [&] {
    ensure_leap_seconds();
    using namespace casacore;  // NOLINT: a page of measures
    const auto& antennas = set.antennas;
    const auto position = [&](size_t i) {
      return MVPosition(antennas[i].position_m[0], antennas[i].position_m[1], antennas[i].position_m[2]);
    };
    const MDirection centre(MVDirection(set.phase_centre.ra_rad, set.phase_centre.dec_rad),
                            MDirection::J2000);
    const MEpoch epoch(MVEpoch(Quantity(time_s, "s")), MEpoch::UTC);
    MeasFrame frame(epoch, MPosition(position(0), MPosition::ITRF), centre);
    MBaseline::Convert to_j2000(MBaseline::Ref(MBaseline::ITRF, frame),
                                MBaseline::Ref(MBaseline::J2000, frame));
    std::vector<std::array<double, 3>> at(antennas.size());
    for (size_t i = 0; i < antennas.size(); ++i) {
      const MVBaseline offset(position(i) - position(0));
      const MVuvw uvw(to_j2000(offset).getValue(), centre.getValue());
      const auto v = uvw.getValue();
      at[i] = {v[0], v[1], v[2]};
    }
    return at;
  });
}

void SimulationWriter::uvw_m(int64_t time_index, View<double, 2> uvw_m) const {
  const Impl& m = *impl_;
  const auto at = detail::antenna_uvw_m(m.set, m.set.times_s[static_cast<size_t>(time_index)], m.path);
  for (size_t b = 0; b < m.pairs.size(); ++b) {
    const auto &p = at[static_cast<size_t>(m.pairs[b].first)],
               &q = at[static_cast<size_t>(m.pairs[b].second)];
    for (size_t k = 0; k < 3; ++k) uvw_m(static_cast<int64_t>(b), static_cast<int64_t>(k)) = q[k] - p[k];
  }
}

const std::vector<int>& SimulationWriter::correlations() const { return impl_->codes; }

std::vector<int32_t> SimulationWriter::baseline_antennas() const {
  std::vector<int32_t> antennas;
  for (const auto& [p, q] : impl_->pairs) antennas.insert(antennas.end(), {p, q});
  return antennas;
}

void SimulationWriter::write_time(int64_t time_index, View<const double, 2> uvw_m, const std::string& stokes,
                                  View<const std::complex<float>, 3> stokes_vis) {
  const std::array<int64_t, 3> extents{baselines(), static_cast<int64_t>(impl_->set.freq_hz.size()),
                                       static_cast<int64_t>(impl_->codes.size())};
  std::vector<std::complex<float>> vis(static_cast<size_t>(extents[0] * extents[1] * extents[2]));
  correlations_of(stokes, impl_->codes, stokes_vis, {vis.data(), extents});
  write_time(time_index, uvw_m, View<const std::complex<float>, 3>(vis.data(), extents));
}

void SimulationWriter::write_time(int64_t time_index, View<const double, 2> uvw_m,
                                  View<const std::complex<float>, 3> vis) {
  Impl& m = *impl_;
  const auto channels = static_cast<int64_t>(m.set.freq_hz.size()),
             correlations = static_cast<int64_t>(m.codes.size()), rows = baselines();
  const std::pair<int64_t, int64_t> range{time_index * rows, (time_index + 1) * rows};
  translated(fmt::format("{} cannot be written", in_quotes(m.path)), [&] {
    using casacore::IPosition;
    const auto slicer = detail::row_slicer(range);
    const auto scalars = [&](const char* column, auto value) {
      using T = decltype(value);
      casacore::ScalarColumn<T>(m.open->ms, column)
          .putColumnRange(slicer, casacore::Vector<T>(static_cast<size_t>(rows), value));
    };
    const double time = m.set.times_s[static_cast<size_t>(time_index)];
    for (const char* column : {"TIME", "TIME_CENTROID"}) scalars(column, time);
    for (const char* column : {"EXPOSURE", "INTERVAL"}) scalars(column, m.set.interval_s);
    for (const char* column : {"ARRAY_ID", "DATA_DESC_ID", "FEED1", "FEED2", "FIELD_ID", "OBSERVATION_ID"})
      scalars(column, casacore::Int{0});
    for (const char* column : {"PROCESSOR_ID", "STATE_ID"}) scalars(column, casacore::Int{-1});
    scalars("SCAN_NUMBER", casacore::Int{1});
    scalars("FLAG_ROW", casacore::Bool{false});
    casacore::Vector<casacore::Int> first(static_cast<size_t>(rows)), second(static_cast<size_t>(rows));
    for (size_t b = 0; b < m.pairs.size(); ++b) {
      first[b] = m.pairs[b].first;
      second[b] = m.pairs[b].second;
    }
    casacore::ScalarColumn<casacore::Int>(m.open->ms, "ANTENNA1").putColumnRange(slicer, first);
    casacore::ScalarColumn<casacore::Int>(m.open->ms, "ANTENNA2").putColumnRange(slicer, second);
    casacore::Array<double> baselines_m(IPosition(2, 3, rows));
    std::copy_n(uvw_m.data(), 3 * rows, baselines_m.data());
    m.open->uvw.putColumnRange(slicer, baselines_m);
    const IPosition cells(3, correlations, channels, rows), vectors(2, correlations, rows);
    m.open->data.putColumnRange(
        slicer, casacore::Array<casacore::Complex>(cells, const_cast<std::complex<float>*>(vis.data()),
                                                   casacore::SHARE));
    m.open->flag.putColumnRange(slicer, casacore::Array<casacore::Bool>(cells, false));
    const auto sigma = static_cast<float>(m.set.sigma_jy > 0 ? m.set.sigma_jy : 1),
               weight = 1 / (sigma * sigma);
    m.open->weight_spectrum.putColumnRange(slicer, casacore::Array<casacore::Float>(cells, weight));
    m.open->weight.putColumnRange(slicer, casacore::Array<casacore::Float>(vectors, weight));
    m.open->sigma.putColumnRange(slicer, casacore::Array<casacore::Float>(vectors, sigma));
  });
  m.written[static_cast<size_t>(time_index)] = true;
}

void SimulationWriter::commit() {
  Impl& m = *impl_;
  const auto missing = std::find(m.written.begin(), m.written.end(), false);
  if (missing != m.written.end())
    throw RunError(
        fmt::format("{}: time {} was never written", in_quotes(m.path), missing - m.written.begin()));
  translated(fmt::format("{} cannot be written", in_quotes(m.path)), [&] {
    detail::check_flush(m.temporary, m.path);
    m.open->ms.flush();
    m.open.reset();
  });
  const auto rename = [&](const std::string& from, const std::string& to) {
    std::error_code error;
    fs::rename(from, to, error);
    if (error)
      throw RunError(
          fmt::format("{} cannot be renamed to {}: {}", in_quotes(from), in_quotes(to), error.message()));
  };
  const std::string old = fmt::format("{}.old-{}", m.path, getpid());
  const bool replace = m.overwrite && fs::exists(m.path);
  if (replace) rename(m.path, old);
  rename(m.temporary, m.path);
  m.committed = true;
  std::error_code ignored;
  if (replace) fs::remove_all(old, ignored);
}

}  // namespace fringeflow::io
