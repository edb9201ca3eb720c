// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/correlations.hpp"

#include "io/measurement_set_impl.hpp"  // before casacore

#include <casacore/tables/Tables/TableColumn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/constants.hpp"
#include "io/gain_lookup.hpp"

namespace fringeflow::io {

using detail::translated;

namespace {

constexpr int64_t kScanRows = 65536;

}  // namespace

struct CorrelationAccess::Impl {
  MeasurementSetInfo info;
  CorrelationSelection selection;
  std::string output;
  std::shared_ptr<std::mutex> mutex;
  casacore::Table table;
  detail::Subtables sub;
  casacore::ArrayColumn<casacore::Complex> data, corrected;
  casacore::ArrayColumn<casacore::Float> weight;
  casacore::ArrayColumn<casacore::Bool> flag;
  casacore::ArrayColumn<casacore::Double> uvw;
  casacore::ScalarColumn<casacore::Bool> flag_row;
  casacore::ScalarColumn<casacore::Int> antenna1, antenna2;
  casacore::ScalarColumn<casacore::Double> time;
  bool has_flag_row = false;
  GainChain gains;
  std::vector<double> times_s;
  std::vector<std::pair<double, double>> bounds_s;
  std::pair<double, double> row_lengths_s;
  bool failed = false;  ///< a write has failed: what casacore still holds cannot be written either

  std::string name() const { return detail::in_quotes(info.path); }
  std::string rows_of(const std::string& column, const ChunkSpec& chunk) const {
    return fmt::format("{}: column {}, rows {} to {}", name(), column, chunk.row_ranges.front().first,
                       chunk.row_ranges.back().second - 1);
  }
  void attach();
  template <class T>
  void put(casacore::ArrayColumn<T>& column, const ChunkSpec& chunk, const T* values);
};

void CorrelationAccess::Impl::attach() {
  const auto& description = table.tableDesc();
  const bool exists = description.isColumn(selection.column);
  if (!exists || !description.columnDesc(selection.column).isArray() ||
      description.columnDesc(selection.column).dataType() != casacore::TpComplex)
    throw UserError(fmt::format("{}: {} {}; it has {}", name(),
                                exists ? "no visibilities are in the column" : "there is no column",
                                selection.column, detail::data_columns(table)));
  translated(name() + " cannot be read", [&] {
    for (const char* column : {"UVW", "FLAG"}) detail::check_column_size(table, column, info.path);
    detail::check_column_size(table, selection.column, info.path);
    data.attach(table, selection.column);
    flag.attach(table, "FLAG");
    uvw.attach(table, "UVW");
    antenna1.attach(table, "ANTENNA1");
    antenna2.attach(table, "ANTENNA2");
    time.attach(table, "TIME");
    has_flag_row = description.isColumn("FLAG_ROW");
    if (has_flag_row) flag_row.attach(table, "FLAG_ROW");
    if (description.isColumn("WEIGHT_SPECTRUM")) {
      weight.attach(table, "WEIGHT_SPECTRUM");
      info.weight_spectrum = weight.isDefined(0);
    }
    if (!info.weight_spectrum) weight.attach(table, "WEIGHT");
    detail::check_column_size(table, info.weight_spectrum ? "WEIGHT_SPECTRUM" : "WEIGHT", info.path);
    if (output.empty()) return;
    corrected.attach(table, output);
    if (!casacore::TableColumn(table, "FLAG").isWritable())
      throw UserError(name() + ": column FLAG cannot be written");
  });
}

CorrelationAccess::CorrelationAccess(const std::string& path, CorrelationSelection selection,
                                     const std::string& output)
    : impl_(std::make_unique<Impl>()) {
  detail::quieten_casacore();
  Impl& m = *impl_;
  m.selection = std::move(selection);
  m.output = output;
  m.info.path = path;
  while (m.info.path.size() > 1 && m.info.path.back() == '/') m.info.path.pop_back();
  m.info.column = m.selection.column;
  m.mutex = detail::table_mutex(m.info.path);
  if (!output.empty()) {
    // What can be wrong with the input is found before a column is made.
    if (output == m.selection.column)
      throw UserError(fmt::format("{}: column {} cannot be read and written at once", m.name(), output));
    { const CorrelationAccess probe(path, m.selection, ""); }
    const ColumnWriter creator(path, output);  // makes the column and sees to it that it can be written
  }
  const std::lock_guard lock(*m.mutex);
  m.table = detail::open_measurement_set(m.info.path, !output.empty());
  m.info.rows = static_cast<int64_t>(m.table.nrow());
  if (m.info.rows == 0) throw RunError(m.name() + " has no rows");
  m.attach();
  m.sub = detail::read_subtables(m.table, m.info.path);
  m.info.antennas = m.sub.antennas;
  m.info.telescope = m.sub.telescope;
  m.info.observer = m.sub.observer;
  for (size_t id = 0; id < m.sub.data_descriptions.size(); ++id) {
    const auto& d = m.sub.data_descriptions[id];
    SpectralWindow window;
    window.id = d.spw;
    window.data_desc_id = static_cast<int>(id);
    window.correlations = static_cast<int64_t>(d.correlations.size());
    window.channel_end = d.channels;
    window.freq_hz = m.sub.freq_hz[static_cast<size_t>(d.spw)];
    window.width_hz = m.sub.width_hz[static_cast<size_t>(d.spw)];
    m.info.windows.push_back(std::move(window));
  }
  for (const auto& table : m.selection.gains)
    m.gains.push_back(std::make_shared<const GainLookup>(
        *table, m.info.antennas, m.sub.data_descriptions.front().correlations, "the gains", m.info.path));
}

CorrelationAccess::~CorrelationAccess() {
  const auto mutex = impl_->mutex;
  const std::lock_guard lock(*mutex);
  if (impl_->output.empty()) return;
  try {
    if (!impl_->failed) {
      detail::check_flush(impl_->info.path, impl_->info.path);
      impl_->table.flush();
    }
  } catch (...) {
    impl_->failed = true;
  }
  if (impl_->failed) detail::abandon(std::move(impl_));
}

const MeasurementSetInfo& CorrelationAccess::info() const { return impl_->info; }
const std::vector<double>& CorrelationAccess::interval_times_s() const { return impl_->times_s; }
const std::vector<std::pair<double, double>>& CorrelationAccess::interval_bounds_s() const {
  return impl_->bounds_s;
}
std::pair<double, double> CorrelationAccess::row_lengths_s() const { return impl_->row_lengths_s; }
const std::vector<int>& CorrelationAccess::correlations(int window) const {
  return impl_->sub
      .data_descriptions[static_cast<size_t>(impl_->info.windows[static_cast<size_t>(window)].data_desc_id)]
      .correlations;
}

std::vector<IntervalRows> CorrelationAccess::divide(double interval_s, int64_t target_visibilities) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  casacore::ScalarColumn<casacore::Int> data_desc, field;
  casacore::ScalarColumn<casacore::Double> integration;
  std::vector<double> times(static_cast<size_t>(m.info.rows));
  std::vector<casacore::Int> ids(times.size()), fields(times.size()), first(times.size()),
      second(times.size());
  std::vector<double> lengths;
  translated(m.name() + " cannot be read", [&] {
    data_desc.attach(m.table, "DATA_DESC_ID");
    field.attach(m.table, "FIELD_ID");
    for (int64_t begin = 0; begin < m.info.rows; begin += kScanRows) {
      const detail::RowRanges ranges{{begin, std::min(begin + kScanRows, m.info.rows)}};
      detail::get_scalars(m.time, ranges, times.data() + begin);
      detail::get_scalars(data_desc, ranges, ids.data() + begin);
      detail::get_scalars(field, ranges, fields.data() + begin);
      detail::get_scalars(m.antenna1, ranges, first.data() + begin);
      detail::get_scalars(m.antenna2, ranges, second.data() + begin);
    }
    if (m.table.tableDesc().isColumn("INTERVAL")) {
      integration.attach(m.table, "INTERVAL");
      lengths.resize(times.size());
      for (int64_t begin = 0; begin < m.info.rows; begin += kScanRows)
        detail::get_scalars(integration, {{begin, std::min(begin + kScanRows, m.info.rows)}},
                            lengths.data() + begin);
    }
  });
  const auto antennas = static_cast<int>(m.info.antennas.size());
  for (int64_t row = 0; row < m.info.rows; ++row) {
    const auto i = static_cast<size_t>(row);
    if (ids[i] < 0 || ids[i] >= static_cast<int>(m.info.windows.size()) || fields[i] < 0 ||
        fields[i] >= static_cast<int>(m.sub.fields.size()))
      throw RunError(fmt::format("{}: row {}: DATA_DESC_ID {} or FIELD_ID {} is not in its subtable",
                                 m.name(), row, ids[i], fields[i]));
    if (std::min(first[i], second[i]) < 0 || std::max(first[i], second[i]) >= antennas)
      throw RunError(fmt::format("{}: row {}: ANTENNA1 {} or ANTENNA2 {} is not in the subtable ANTENNA",
                                 m.name(), row, first[i], second[i]));
    if (!std::isfinite(times[i]))
      throw RunError(fmt::format("{}: row {}: TIME is not a finite number", m.name(), row));
  }
  const auto chosen = [](const std::vector<int>& list, int id) {
    return list.empty() || std::find(list.begin(), list.end(), id) != list.end();
  };
  const auto selected = [&](size_t i) {
    const auto& only = m.selection;
    return chosen(only.fields, fields[i]) &&
           chosen(only.spws, m.info.windows[static_cast<size_t>(ids[i])].id) &&
           !(only.time_s.begin && times[i] < *only.time_s.begin) &&
           !(only.time_s.end && times[i] > *only.time_s.end);
  };
  double begin_s = INFINITY, end_s = -INFINITY, integration_s = 0;
  m.row_lengths_s = {INFINITY, 0};
  for (size_t i = 0; i < times.size(); ++i)
    if (selected(i)) {
      if (times[i] < begin_s && !lengths.empty()) integration_s = lengths[i];
      begin_s = std::min(begin_s, times[i]);
      end_s = std::max(end_s, times[i]);
      if (lengths.empty()) continue;
      m.row_lengths_s.first = std::min(m.row_lengths_s.first, lengths[i]);
      m.row_lengths_s.second = std::max(m.row_lengths_s.second, lengths[i]);
    }
  if (begin_s > end_s) throw RunError(m.name() + ": no rows are selected");
  const double span_s = end_s - begin_s;
  m.info.time_begin_s = begin_s;
  m.info.time_end_s = end_s;
  if (!(integration_s > 0) || !std::isfinite(integration_s)) integration_s = 0;
  // A little slack: integrations are seldom as long as people say.
  if (interval_s > span_s + 2 * integration_s && integration_s > 0)
    throw UserError(fmt::format(
        "interval: {:g} s is longer than the data of {}, which last {:g} s; 0s is one solution for all times",
        interval_s, m.name(), span_s + integration_s));

  std::map<std::pair<int64_t, int>, IntervalRows> units;
  std::map<int64_t, std::pair<double, double>> ends;
  for (int64_t row = 0; row < m.info.rows; ++row) {
    const auto i = static_cast<size_t>(row);
    if (!selected(i)) continue;
    // Times are stored with rounding errors: a thousandth of an interval does not tip a row out of its bin.
    const int64_t interval =
        interval_s > 0 ? static_cast<int64_t>(std::floor((times[i] - begin_s) / interval_s + 1e-3)) : 0;
    const auto [at, fresh] = ends.try_emplace(interval, times[i], times[i]);
    at->second.first = std::min(at->second.first, times[i]);
    at->second.second = std::max(at->second.second, times[i]);
    IntervalRows& unit = units[{interval, ids[i]}];
    unit.window = ids[i];
    const int64_t channels = m.info.windows[static_cast<size_t>(ids[i])].channel_end;
    if (unit.chunks.empty() || unit.chunks.back().field != fields[i] ||
        (unit.chunks.back().rows + 1) * channels > target_visibilities) {
      ChunkSpec chunk;
      chunk.window = chunk.data_desc_id = ids[i];
      chunk.field = fields[i];
      chunk.phase_centre = m.sub.fields[static_cast<size_t>(fields[i])].centre;
      chunk.channels = channels;
      unit.chunks.push_back(std::move(chunk));
    }
    ChunkSpec& chunk = unit.chunks.back();
    if (!chunk.row_ranges.empty() && chunk.row_ranges.back().second == row)
      ++chunk.row_ranges.back().second;
    else
      chunk.row_ranges.emplace_back(row, row + 1);
    ++chunk.rows;
    ++chunk.stored_rows;
    ++m.info.windows[static_cast<size_t>(ids[i])].rows;
  }
  std::map<int64_t, int64_t> number;
  m.times_s.clear();
  m.bounds_s.clear();
  for (const auto& [interval, range] : ends) {
    number[interval] = static_cast<int64_t>(m.times_s.size());
    m.times_s.push_back((range.first + range.second) / 2);
    m.bounds_s.push_back(range);
  }
  std::vector<IntervalRows> out;
  for (auto& [key, unit] : units) {
    unit.interval = number[key.first];
    out.push_back(std::move(unit));
  }
  return out;
}

void CorrelationAccess::read(const ChunkSpec& chunk, CorrelationBuffers& out) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const auto& window = m.info.windows[static_cast<size_t>(chunk.window)];
  const int64_t step = window.correlations, channels = chunk.channels, cell = step * channels;
  const casacore::IPosition shape(2, step, channels);
  const auto flags = std::make_unique<bool[]>(static_cast<size_t>(chunk.rows * cell));
  const auto flagged_rows = std::make_unique<bool[]>(static_cast<size_t>(chunk.rows));
  std::vector<float> weights(static_cast<size_t>(chunk.rows * (m.info.weight_spectrum ? cell : step)));
  std::vector<casacore::Int> antenna(static_cast<size_t>(chunk.rows));
  const auto get = [&](const std::string& column, auto&& body) {
    translated(m.rows_of(column, chunk), body);
  };
  get(m.selection.column,
      [&] { detail::get_arrays(m.data, chunk.row_ranges, shape, nullptr, out.vis.data()); });
  get("FLAG", [&] { detail::get_arrays(m.flag, chunk.row_ranges, shape, nullptr, flags.get()); });
  get(m.info.weight_spectrum ? "WEIGHT_SPECTRUM" : "WEIGHT", [&] {
    detail::get_arrays(m.weight, chunk.row_ranges,
                       m.info.weight_spectrum ? shape : casacore::IPosition(1, step), nullptr,
                       weights.data());
  });
  get("UVW", [&] {
    detail::get_arrays(m.uvw, chunk.row_ranges, casacore::IPosition(1, 3), nullptr, out.uvw_m.data());
  });
  if (m.has_flag_row)
    get("FLAG_ROW", [&] { detail::get_scalars(m.flag_row, chunk.row_ranges, flagged_rows.get()); });
  for (int side = 0; side < 2; ++side) {
    get(side == 0 ? "ANTENNA1" : "ANTENNA2",
        [&] { detail::get_scalars(side == 0 ? m.antenna1 : m.antenna2, chunk.row_ranges, antenna.data()); });
    for (int64_t row = 0; row < chunk.rows; ++row)
      out.antennas(row, side) = antenna[static_cast<size_t>(row)];
  }
  if (!m.gains.empty()) {
    std::vector<double> times(static_cast<size_t>(chunk.rows));
    get("TIME", [&] { detail::get_scalars(m.time, chunk.row_ranges, times.data()); });
    for (const auto& gain : m.gains) {
      const auto frequency = gain->frequencies_of(window.freq_hz);
      for (int64_t row = 0; row < chunk.rows; ++row)
        gain->correct(times[static_cast<size_t>(row)], out.antennas(row, 0), out.antennas(row, 1), frequency,
                      correlations(chunk.window), out.vis.data() + row * cell, flags.get() + row * cell);
    }
  }
  const Range &metres = m.selection.uv_m, &lambda = m.selection.uv_lambda;
  const auto inside = [](const Range& range, double x) {
    return !(range.begin && x < *range.begin) && !(range.end && x > *range.end);
  };
  for (int64_t row = 0; row < chunk.rows; ++row) {
    double* uvw = &out.uvw_m(row, 0);
    bool counts = !flagged_rows[static_cast<size_t>(row)] && out.antennas(row, 0) != out.antennas(row, 1);
    if (!std::isfinite(uvw[0]) || !std::isfinite(uvw[1]) || !std::isfinite(uvw[2])) {
      if (!flagged_rows[static_cast<size_t>(row)])
        throw RunError(fmt::format("{}: not a finite number; flag such rows in FLAG_ROW or repair them",
                                   m.rows_of("UVW", chunk)));
      std::fill_n(uvw, 3, 0.);
    }
    const double length = std::hypot(uvw[0], uvw[1]);
    counts = counts && inside(metres, length);
    for (int64_t channel = 0; channel < channels; ++channel) {
      const bool used =
          counts && inside(lambda, length * window.freq_hz[static_cast<size_t>(channel)] / kSpeedOfLight_m_s);
      for (int64_t c = 0; c < step; ++c) {
        const int64_t at = (row * channels + channel) * step + c;
        const float w = weights[static_cast<size_t>(m.info.weight_spectrum ? at : row * step + c)];
        const bool flag = flags[static_cast<size_t>(at)];
        out.flag.data()[at] = flag;
        out.weight.data()[at] = used && !flag && std::isfinite(w) && w > 0 ? w : 0;
      }
    }
  }
}

void CorrelationAccess::read_uvw(const ChunkSpec& chunk, View<double, 2> uvw_m) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  translated(m.rows_of("UVW", chunk), [&] {
    detail::get_arrays(m.uvw, chunk.row_ranges, casacore::IPosition(1, 3), nullptr, uvw_m.data());
  });
  for (int64_t row = 0; row < chunk.rows; ++row) {
    double* uvw = &uvw_m(row, 0);
    if (!std::isfinite(uvw[0]) || !std::isfinite(uvw[1]) || !std::isfinite(uvw[2])) std::fill_n(uvw, 3, 0.);
  }
}

template <class T>
void CorrelationAccess::Impl::put(casacore::ArrayColumn<T>& column, const ChunkSpec& chunk, const T* values) {
  const int64_t step = info.windows[static_cast<size_t>(chunk.window)].correlations,
                cell = step * chunk.channels;
  int64_t at = 0;
  for (const auto& [begin, end] : chunk.row_ranges) {
    const casacore::Array<T> part(casacore::IPosition(3, step, chunk.channels, end - begin),
                                  const_cast<T*>(values + at * cell), casacore::SHARE);
    column.putColumnRange(detail::row_slicer({begin, end}), part);
    at += end - begin;
  }
}

void CorrelationAccess::write(const ChunkSpec& chunk, View<const std::complex<float>, 3> vis,
                              View<const uint8_t, 3> flag, bool flags_changed) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  try {
    translated(m.rows_of(m.output, chunk) + " cannot be written",
               [&] { m.put<casacore::Complex>(m.corrected, chunk, vis.data()); });
    if (!flags_changed) return;
    const auto flags = std::make_unique<bool[]>(static_cast<size_t>(flag.size()));
    for (int64_t i = 0; i < flag.size(); ++i) flags[static_cast<size_t>(i)] = flag.data()[i] != 0;
    translated(m.rows_of("FLAG", chunk) + " cannot be written",
               [&] { m.put<casacore::Bool>(m.flag, chunk, flags.get()); });
  } catch (...) {
    m.failed = true;
    throw;
  }
}

void CorrelationAccess::flush() {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  if (m.output.empty()) return;
  try {
    translated(m.name() + " cannot be written", [&] {
      detail::check_flush(m.info.path, m.info.path);
      m.table.flush();
    });
  } catch (...) {
    m.failed = true;
    throw;
  }
}

}  // namespace fringeflow::io
