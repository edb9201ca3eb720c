// SPDX-License-Identifier: GPL-3.0-or-later
// Creating a MeasurementSet for simulated data.
#include "io/measurement_set_impl.hpp"
#include "io/observation_geometry.hpp"

#include <casacore/measures/Measures/MDirection.h>
#include <casacore/measures/Measures/MFrequency.h>
#include <casacore/ms/MeasurementSets/MSColumns.h>
#include <casacore/ms/MeasurementSets/MeasurementSet.h>
#include <casacore/tables/DataMan/StandardStMan.h>
#include <casacore/tables/DataMan/TiledShapeStMan.h>
#include <casacore/tables/Tables/ScaColDesc.h>
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
  std::optional<ObservationGeometry> geometry;
  std::string path, temporary;
  bool overwrite = false, committed = false;
  std::vector<int> codes;  ///< of the correlations
  std::vector<std::pair<int, int>> pairs;
  std::vector<bool> written;  ///< [row]
  std::function<void(int64_t, uint8_t*)> fill_flags;
  std::shared_ptr<OpenSet> open;

  void create();
  void fill_subtables();
  void fill_feed();
  void describe_averaging();
  int64_t rows() const {
    const auto times = static_cast<int64_t>(set.times_s.size());
    return set.averaging.empty() ? times * static_cast<int64_t>(pairs.size())
                                 : AveragedRows(set.averaging, times).rows();
  }
  void discard() noexcept;
  /// Everything but the visibilities.
  RowBlock rows_of_time(int64_t time_index, View<const double, 2> uvw_m) const;
};

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
  open = std::make_shared<OpenSet>(setup, static_cast<casacore::rownr_t>(this->rows()));
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
  if (!set.averaging.empty()) describe_averaging();
}

/// The subtables by which DP3 knows baseline-dependent averaging (proposed for MS 3: BDA_TIME_AXIS, BDA_FACTORS).
void SimulationWriter::Impl::describe_averaging() {
  using casacore::Int, casacore::ScalarColumn, casacore::ScalarColumnDesc;
  const auto subtable = [&](const char* name, const casacore::TableDesc& description,
                            casacore::rownr_t rows) {
    casacore::SetupNewTable setup(temporary + "/" + name, description, casacore::Table::New);
    casacore::Table table(setup, rows);
    open->ms.rwKeywordSet().defineTable(name, table);
    return table;
  };
  casacore::TableDesc axis_columns("BDA_TIME_AXIS", "1", casacore::TableDesc::Scratch);
  axis_columns.rwKeywordSet().define("BDA_TIME_AXIS_VERSION", "1.0");
  for (const char* column : {"BDA_TIME_AXIS_ID", "FIELD_ID", "BDA_FREQ_AXIS_ID"})
    axis_columns.addColumn(ScalarColumnDesc<Int>(column));
  for (const char* column :
       {"IS_BDA_APPLIED", "SINGLE_FACTOR_PER_BASELINE", "INTEGER_INTERVAL_FACTORS", "HAS_BDA_ORDERING"})
    axis_columns.addColumn(ScalarColumnDesc<casacore::Bool>(column));
  for (const char* column : {"MAX_TIME_INTERVAL", "MIN_TIME_INTERVAL", "UNIT_TIME_INTERVAL"})
    axis_columns.addColumn(ScalarColumnDesc<casacore::Double>(column));
  casacore::Table axis = subtable("BDA_TIME_AXIS", axis_columns, 1);
  for (const char* column : {"BDA_TIME_AXIS_ID", "FIELD_ID", "BDA_FREQ_AXIS_ID"})
    ScalarColumn<Int>(axis, column).put(0, 0);
  const auto [least, most] = std::minmax_element(set.averaging.begin(), set.averaging.end());
  // A last average that the observation ends in is shorter than its factor says.
  const auto times = static_cast<Int>(set.times_s.size());
  const bool regular =
      std::all_of(set.averaging.begin(), set.averaging.end(), [&](int n) { return times % n == 0; });
  ScalarColumn<casacore::Bool>(axis, "IS_BDA_APPLIED").put(0, true);
  ScalarColumn<casacore::Bool>(axis, "SINGLE_FACTOR_PER_BASELINE").put(0, regular);
  ScalarColumn<casacore::Bool>(axis, "INTEGER_INTERVAL_FACTORS").put(0, true);
  ScalarColumn<casacore::Bool>(axis, "HAS_BDA_ORDERING").put(0, true);
  ScalarColumn<casacore::Double>(axis, "MAX_TIME_INTERVAL").put(0, *most * set.interval_s);
  ScalarColumn<casacore::Double>(axis, "MIN_TIME_INTERVAL").put(0, *least * set.interval_s);
  ScalarColumn<casacore::Double>(axis, "UNIT_TIME_INTERVAL").put(0, set.interval_s);

  casacore::TableDesc factor_columns("BDA_FACTORS", "1", casacore::TableDesc::Scratch);
  for (const char* column : {"BDA_TIME_AXIS_ID", "ANTENNA1", "ANTENNA2", "FACTOR", "SPECTRAL_WINDOW_ID"})
    factor_columns.addColumn(ScalarColumnDesc<Int>(column));
  casacore::Table factors = subtable("BDA_FACTORS", factor_columns, pairs.size());
  for (const char* column : {"BDA_TIME_AXIS_ID", "SPECTRAL_WINDOW_ID"})
    ScalarColumn<Int>(factors, column).fillColumn(0);
  for (casacore::rownr_t b = 0; b < pairs.size(); ++b) {
    ScalarColumn<Int>(factors, "ANTENNA1").put(b, pairs[b].first);
    ScalarColumn<Int>(factors, "ANTENNA2").put(b, pairs[b].second);
    ScalarColumn<Int>(factors, "FACTOR").put(b, set.averaging[b]);
  }
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
  if (m.path.empty()) throw UserError("the simulation needs a name for its MeasurementSet");
  m.geometry.emplace(description, m.path);
  m.codes = m.geometry->correlations();
  m.pairs = m.geometry->pairs();
  std::error_code ignored;
  if (!overwrite && fs::exists(m.path, ignored))
    throw UserError(in_quotes(m.path) + " exists already: remove it or choose another name");
  m.written.assign(static_cast<size_t>(m.rows()), false);
  fs::path folder = fs::path(m.path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored))
    throw RunError(
        fmt::format("{} cannot be created: there is no folder {}", in_quotes(m.path), in_quotes(folder)));
  detail::check_flush(folder, m.path);
  detail::check_space(folder, m.path, m.geometry->set_bytes());
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

void SimulationWriter::flag_with(std::function<void(int64_t time_index, uint8_t* flag)> fill) {
  impl_->fill_flags = std::move(fill);
}

const ObservationGeometry& SimulationWriter::geometry() const { return *impl_->geometry; }

void SimulationWriter::uvw_m(int64_t time_index, View<double, 2> uvw_m) const {
  const auto antennas = static_cast<int64_t>(impl_->set.antennas.size());
  std::vector<double> at(static_cast<size_t>(3 * antennas));
  impl_->geometry->antenna_uvw(time_index, {at.data(), {antennas, 3}});
  impl_->geometry->baseline_uvw({at.data(), {antennas, 3}}, uvw_m);
}

RowBlock SimulationWriter::Impl::rows_of_time(int64_t time_index, View<const double, 2> uvw_m) const {
  const size_t rows = pairs.size();
  const double time_s = set.times_s[static_cast<size_t>(time_index)];
  RowBlock block;
  block.antennas = geometry->baseline_antennas();
  block.time_s = block.centroid_s = std::vector<double>(rows, time_s);
  block.interval_s = block.exposure_s = std::vector<double>(rows, set.interval_s);
  block.uvw_m = uvw_m;
  if (fill_flags) {
    block.flag.resize(rows * set.freq_hz.size() * codes.size());
    fill_flags(time_index, block.flag.data());
  }
  return block;
}

void SimulationWriter::write_time(int64_t time_index, View<const double, 2> uvw_m, const std::string& stokes,
                                  View<const std::complex<float>, 3> stokes_vis) {
  write_rows(time_index * baselines(), impl_->rows_of_time(time_index, uvw_m), stokes, stokes_vis);
}

void SimulationWriter::write_time(int64_t time_index, View<const double, 2> uvw_m,
                                  View<const std::complex<float>, 3> vis) {
  RowBlock block = impl_->rows_of_time(time_index, uvw_m);
  block.vis = vis;
  write_rows(time_index * baselines(), block);
}

void SimulationWriter::write_rows(int64_t first_row, RowBlock rows, const std::string& stokes,
                                  View<const std::complex<float>, 3> stokes_vis) {
  const std::array<int64_t, 3> extents{stokes_vis.extent(1), stokes_vis.extent(2),
                                       static_cast<int64_t>(impl_->codes.size())};
  std::vector<std::complex<float>> vis(static_cast<size_t>(extents[0] * extents[1] * extents[2]));
  correlations_of(stokes, impl_->codes, stokes_vis, {vis.data(), extents});
  rows.vis = {vis.data(), extents};
  write_rows(first_row, rows);
}

void SimulationWriter::write_rows(int64_t first_row, const RowBlock& block) {
  Impl& m = *impl_;
  const int64_t rows = block.vis.extent(0), channels = block.vis.extent(1),
                correlations = block.vis.extent(2);
  translated(fmt::format("{} cannot be written", in_quotes(m.path)), [&] {
    using casacore::IPosition;
    const auto slicer = detail::row_slicer({first_row, first_row + rows});
    const auto scalars = [&](const char* column, auto value) {
      using T = decltype(value);
      casacore::ScalarColumn<T>(m.open->ms, column)
          .putColumnRange(slicer, casacore::Vector<T>(static_cast<size_t>(rows), value));
    };
    const auto each = [&](const char* column, const std::vector<double>& values) {
      casacore::ScalarColumn<double>(m.open->ms, column)
          .putColumnRange(slicer, casacore::Vector<double>(values));
    };
    each("TIME", block.time_s);
    each("TIME_CENTROID", block.centroid_s);
    each("INTERVAL", block.interval_s);
    each("EXPOSURE", block.exposure_s);
    for (const char* column : {"ARRAY_ID", "DATA_DESC_ID", "FEED1", "FEED2", "FIELD_ID", "OBSERVATION_ID"})
      scalars(column, casacore::Int{0});
    for (const char* column : {"PROCESSOR_ID", "STATE_ID"}) scalars(column, casacore::Int{-1});
    scalars("SCAN_NUMBER", casacore::Int{1});
    scalars("FLAG_ROW", casacore::Bool{false});
    casacore::Vector<casacore::Int> first(static_cast<size_t>(rows)), second(static_cast<size_t>(rows));
    for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
      first[i] = block.antennas[2 * i];
      second[i] = block.antennas[2 * i + 1];
    }
    casacore::ScalarColumn<casacore::Int>(m.open->ms, "ANTENNA1").putColumnRange(slicer, first);
    casacore::ScalarColumn<casacore::Int>(m.open->ms, "ANTENNA2").putColumnRange(slicer, second);
    casacore::Array<double> baselines_m(IPosition(2, 3, rows));
    for (int64_t row = 0; row < rows; ++row)
      std::copy_n(&block.uvw_m(row, 0), 3, baselines_m.data() + 3 * row);
    m.open->uvw.putColumnRange(slicer, baselines_m);
    const IPosition cells(3, correlations, channels, rows), vectors(2, correlations, rows);
    m.open->data.putColumnRange(
        slicer, casacore::Array<casacore::Complex>(cells, const_cast<std::complex<float>*>(block.vis.data()),
                                                   casacore::SHARE));
    casacore::Array<casacore::Bool> flags(cells, false);
    std::transform(block.flag.begin(), block.flag.end(), flags.data(), [](uint8_t one) { return one != 0; });
    m.open->flag.putColumnRange(slicer, flags);
    const auto sigma = static_cast<float>(m.set.sigma_jy > 0 ? m.set.sigma_jy : 1),
               weight = 1 / (sigma * sigma);
    casacore::Array<casacore::Float> spectrum(cells, weight), weights(vectors, weight),
        sigmas(vectors, sigma);
    if (!block.samples.empty()) {
      float* cell = spectrum.data();
      for (int64_t row = 0; row < rows; ++row) {
        double sum = 0;
        for (int64_t c = 0; c < channels; ++c) {
          const float n = block.samples[static_cast<size_t>(row * channels + c)];
          cell = std::fill_n(cell, correlations, n * weight);
          sum += n;
        }
        const auto mean = static_cast<float>(sum / static_cast<double>(channels)) * weight;
        std::fill_n(weights.data() + row * correlations, correlations, mean);
        std::fill_n(sigmas.data() + row * correlations, correlations, 1 / std::sqrt(mean));
      }
    }
    m.open->weight_spectrum.putColumnRange(slicer, spectrum);
    m.open->weight.putColumnRange(slicer, weights);
    m.open->sigma.putColumnRange(slicer, sigmas);
  });
  std::fill_n(m.written.begin() + first_row, rows, true);
}

void SimulationWriter::commit() {
  Impl& m = *impl_;
  const auto missing = std::find(m.written.begin(), m.written.end(), false);
  if (missing != m.written.end())
    throw RunError(
        fmt::format("{}: row {} was never written", in_quotes(m.path), missing - m.written.begin()));
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
