// SPDX-License-Identifier: GPL-3.0-or-later
// Opening a MeasurementSet: checks, subtables, selection of fields, windows and channels, choice of columns.
#include "io/measurement_set_impl.hpp"

#include <casacore/measures/Measures/MCDirection.h>
#include <casacore/measures/Measures/MDirection.h>
#include <casacore/measures/Measures/MeasConvert.h>
#include <casacore/measures/TableMeasures/ArrayMeasColumn.h>
#include <casacore/tables/Tables/TableAttr.h>
#include <casacore/tables/Tables/TableRecord.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace fringeflow::io {
namespace detail {
namespace {

namespace fs = std::filesystem;
using casacore::Table;

bool has_column(const Table& table, const std::string& column) { return table.tableDesc().isColumn(column); }

/// A subtable, found as the set's keyword says; null if the set has none.
std::optional<Table> subtable(const Table& table, const std::string& set_path, const std::string& name) {
  std::string path = set_path + "/" + name;
  const auto& keywords = table.keywordSet();
  if (keywords.isDefined(name) && keywords.dataType(name) == casacore::TpTable)
    path = keywords.tableAttributes(name).name();
  if (!fs::exists(path + "/table.dat")) path = set_path + "/" + name;
  if (!fs::exists(path + "/table.dat")) return {};
  return translated(in_quotes(set_path) + ": subtable " + name + " cannot be opened", [&] {
    check_file_sizes(path, set_path);
    return open_table(path, in_quotes(set_path) + ": subtable " + name);
  });
}

Table required_subtable(const Table& table, const std::string& set_path, const std::string& name) {
  auto found = subtable(table, set_path, name);
  if (!found)
    throw RunError(in_quotes(set_path) + ": its subtable " + name + " is missing; copy the whole set again");
  return *found;
}

std::string text_cell(const Table& table, const std::string& column, casacore::rownr_t row) {
  if (!has_column(table, column) || row >= table.nrow()) return {};
  return casacore::ScalarColumn<casacore::String>(table, column)(row);
}

std::vector<Field> read_fields(const Table& table, const std::string& set_path) {
  const Table t = required_subtable(table, set_path, "FIELD");
  return translated(in_quotes(set_path) + ": subtable FIELD, column PHASE_DIR", [&] {
    const casacore::ArrayMeasColumn<casacore::MDirection> directions(t, "PHASE_DIR");
    std::vector<Field> fields;
    for (casacore::rownr_t row = 0; row < t.nrow(); ++row) {
      Field field;
      field.name = text_cell(t, "NAME", row);
      const casacore::Array<casacore::MDirection> cell = directions(row);
      if (cell.empty())
        throw RunError(
            fmt::format("{}: subtable FIELD, row {}: PHASE_DIR is empty", in_quotes(set_path), row));
      // Terms beyond the first are rates of moving fields.
      casacore::MDirection direction = *cell.begin();
      if (direction.getRef().getType() != casacore::MDirection::J2000) {
        direction = casacore::MDirection::Convert(direction, casacore::MDirection::J2000)();
      }
      const auto angles = direction.getAngle("rad").getValue();
      field.centre = {angles[0], angles[1]};
      if (!std::isfinite(angles[0]) || !std::isfinite(angles[1])) {
        throw RunError(
            fmt::format("{}: subtable FIELD, row {}: PHASE_DIR is not finite", in_quotes(set_path), row));
      }
      fields.push_back(field);
    }
    return fields;
  });
}

void read_windows(const Table& table, const std::string& set_path, Subtables& sub) {
  const Table t = required_subtable(table, set_path, "SPECTRAL_WINDOW");
  translated(in_quotes(set_path) + ": subtable SPECTRAL_WINDOW", [&] {
    const casacore::ArrayColumn<casacore::Double> freq(t, "CHAN_FREQ");
    for (casacore::rownr_t row = 0; row < t.nrow(); ++row) {
      const auto f = freq.isDefined(row) ? freq(row).tovector() : std::vector<double>();
      auto w = std::vector<double>(f.size(), 0.);
      if (has_column(t, "CHAN_WIDTH")) {
        const casacore::ArrayColumn<casacore::Double> width(t, "CHAN_WIDTH");
        if (width.isDefined(row)) w = width(row).tovector();
      }
      w.resize(f.size(), w.empty() ? 0. : w.back());
      sub.freq_hz.push_back(f);
      sub.width_hz.push_back(w);
    }
  });
}

void read_data_descriptions(const Table& table, const std::string& set_path, Subtables& sub) {
  const Table dd = required_subtable(table, set_path, "DATA_DESCRIPTION"),
              pol = required_subtable(table, set_path, "POLARIZATION");
  translated(in_quotes(set_path) + ": subtable DATA_DESCRIPTION or POLARIZATION", [&] {
    const casacore::ScalarColumn<casacore::Int> spw_id(dd, "SPECTRAL_WINDOW_ID"),
        pol_id(dd, "POLARIZATION_ID");
    const casacore::ArrayColumn<casacore::Int> types(pol, "CORR_TYPE");
    for (casacore::rownr_t row = 0; row < dd.nrow(); ++row) {
      DataDescription d;
      d.spw = spw_id(row);
      const int p = pol_id(row);
      if (d.spw < 0 || d.spw >= static_cast<int>(sub.freq_hz.size()) || p < 0 ||
          p >= static_cast<int>(pol.nrow())) {
        throw RunError(
            fmt::format("{}: subtable DATA_DESCRIPTION, row {}: points to spectral window {} and "
                        "polarisation {}, which do not exist",
                        in_quotes(set_path), row, d.spw, p));
      }
      d.channels = static_cast<int64_t>(sub.freq_hz[static_cast<size_t>(d.spw)].size());
      d.correlations = types(static_cast<casacore::rownr_t>(p)).tovector();
      sub.data_descriptions.push_back(d);
    }
  });
}

void read_antennas(const Table& table, const std::string& set_path, Subtables& sub) {
  const auto t = subtable(table, set_path, "ANTENNA");
  if (!t) return;
  translated(in_quotes(set_path) + ": subtable ANTENNA", [&] {
    const casacore::ArrayColumn<casacore::Double> position(*t, "POSITION");
    for (casacore::rownr_t row = 0; row < t->nrow(); ++row) {
      Antenna antenna;
      antenna.name = text_cell(*t, "NAME", row);
      antenna.station = text_cell(*t, "STATION", row);
      const auto xyz = position(row).tovector();
      for (size_t i = 0; i < 3 && i < xyz.size(); ++i) antenna.position_m[i] = xyz[i];
      if (has_column(*t, "DISH_DIAMETER"))
        antenna.diameter_m = casacore::ScalarColumn<casacore::Double>(*t, "DISH_DIAMETER")(row);
      sub.antennas.push_back(antenna);
    }
  });
}

}  // namespace

std::string data_columns(const Table& table) {
  std::string names;
  for (const auto& name : table.tableDesc().columnNames()) {
    const auto& column = table.tableDesc().columnDesc(name);
    if (column.isArray() && column.dataType() == casacore::TpComplex)
      names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "none" : names;
}

Subtables read_subtables(const Table& table, const std::string& set_path) {
  Subtables sub;
  sub.fields = read_fields(table, set_path);
  read_windows(table, set_path, sub);
  read_data_descriptions(table, set_path, sub);
  read_antennas(table, set_path, sub);
  if (const auto t = subtable(table, set_path, "OBSERVATION")) {
    translated(in_quotes(set_path) + ": subtable OBSERVATION", [&] {
      sub.telescope = text_cell(*t, "TELESCOPE_NAME", 0);
      sub.observer = text_cell(*t, "OBSERVER", 0);
    });
  }
  return sub;
}

Table open_measurement_set(const std::string& path, bool update) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw UserError(in_quotes(path) + " does not exist");
  if (!fs::exists(path + "/table.dat", ignored)) {
    throw UserError(
        in_quotes(path) + " is not a MeasurementSet: " +
        (fs::is_directory(path, ignored) ? "the folder has no table.dat" : "a MeasurementSet is a folder"));
  }
  check_file_sizes(path, path);
  check_survivable(path);
  const Table table = open_table(path, in_quotes(path), update);
  for (const char* column :
       {"ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "FLAG", "TIME", "UVW", "WEIGHT"}) {
    if (!has_column(table, column))
      throw UserError(
          fmt::format("{} is not a MeasurementSet: it has no column {}", in_quotes(path), column));
  }
  return table;
}

}  // namespace detail

using detail::in_quotes;
using detail::translated;

namespace {
constexpr int64_t kBucketCacheBytes = 8 << 20;
}

MeasurementSet::MeasurementSet(const std::string& path, const Selection& selection)
    : impl_(std::make_unique<Impl>()) {
  detail::quieten_casacore();
  Impl& m = *impl_;
  m.selection = selection;
  m.info.path = path;
  while (m.info.path.size() > 1 && m.info.path.back() == '/') m.info.path.pop_back();
  m.mutex = detail::table_mutex(m.info.path);
  const std::lock_guard lock(*m.mutex);
  m.table = detail::open_measurement_set(m.info.path, false);
  m.info.rows = static_cast<int64_t>(m.table.nrow());
  if (m.info.rows == 0) throw RunError(m.name() + " has no rows");
  m.sub = detail::read_subtables(m.table, m.info.path);
  m.info.antennas = m.sub.antennas;
  m.info.telescope = m.sub.telescope;
  m.info.observer = m.sub.observer;
  m.attach();
  m.select_fields();
  m.select_windows();
  m.choose_weights();
}

MeasurementSet::~MeasurementSet() {
  if (!impl_ || !impl_->mutex) return;
  const auto mutex = impl_->mutex;
  const std::lock_guard lock(*mutex);
  impl_.reset();
}

MeasurementSet::MeasurementSet(MeasurementSet&&) noexcept = default;
MeasurementSet& MeasurementSet::operator=(MeasurementSet&&) noexcept = default;

const MeasurementSetInfo& MeasurementSet::info() const { return impl_->info; }

void MeasurementSet::Impl::attach() {
  const auto& description = table.tableDesc();
  info.column = selection.column;
  info.column_was_auto = selection.column == "auto";
  if (info.column_was_auto) info.column = description.isColumn("CORRECTED_DATA") ? "CORRECTED_DATA" : "DATA";
  if (!description.isColumn(info.column)) {
    throw UserError(fmt::format("{} has no column {}; its columns of visibilities: {}", name(), info.column,
                                detail::data_columns(table)));
  }
  const auto& column = description.columnDesc(info.column);
  if (!column.isArray() || column.dataType() != casacore::TpComplex) {
    throw UserError(
        fmt::format("{}: column {} does not hold visibilities (complex numbers); those that do: {}", name(),
                    info.column, detail::data_columns(table)));
  }
  translated(name() + " cannot be read", [&] {
    data.attach(table, info.column);
    flag.attach(table, "FLAG");
    uvw.attach(table, "UVW");
    antenna1.attach(table, "ANTENNA1");
    antenna2.attach(table, "ANTENNA2");
    field.attach(table, "FIELD_ID");
    data_desc.attach(table, "DATA_DESC_ID");
    time.attach(table, "TIME");
    has_flag_row = description.isColumn("FLAG_ROW");
    if (has_flag_row) flag_row.attach(table, "FLAG_ROW");
    for (const std::string& used : {info.column, std::string("FLAG"), std::string("UVW")}) {
      detail::check_column_size(table, used, info.path);
    }
    tiling = detail::tiling_of(table, info.column);
    bucket_cache_bytes = detail::widen_bucket_caches(
        table, {"ANTENNA1", "ANTENNA2", "FIELD_ID", "DATA_DESC_ID", "TIME", "FLAG_ROW", "UVW"},
        kBucketCacheBytes);
    info.tile_rows = tiling.rows;
  });
}

void MeasurementSet::Impl::choose_weights() {
  translated(name() + ": column WEIGHT_SPECTRUM or WEIGHT", [&] {
    // Rule: WEIGHT_SPECTRUM if its first cell is defined; an empty or misshapen cell is as good as none.
    if (table.tableDesc().isColumn("WEIGHT_SPECTRUM")) {
      weight.attach(table, "WEIGHT_SPECTRUM");
      info.weight_spectrum =
          weight.isDefined(0) && data.isDefined(0) && weight.shape(0).isEqual(data.shape(0));
    }
    if (!info.weight_spectrum) weight.attach(table, "WEIGHT");
    detail::check_column_size(table, info.weight_spectrum ? "WEIGHT_SPECTRUM" : "WEIGHT", info.path);
  });
}

void MeasurementSet::Impl::select_fields() {
  const int count = static_cast<int>(sub.fields.size());
  const auto id_of = [&](int id) -> detail::Field& {
    if (id < 0 || id >= count) {
      throw RunError(fmt::format("{}: column FIELD_ID names field {}, but the subtable FIELD has {} rows",
                                 name(), id, count));
    }
    return sub.fields[static_cast<size_t>(id)];
  };
  int first = 0;
  if (selection.fields.empty()) {
    first = translated(name() + ": column FIELD_ID", [&] { return field(0); });
    const Direction centre = id_of(first).centre;
    for (auto& f : sub.fields) f.selected = detail::same_direction(f.centre, centre);
  } else {
    for (int id : selection.fields) {
      if (id < 0 || id >= count) {
        std::string names;
        for (int i = 0; i < count; ++i)
          names += fmt::format("{}{} {}", i ? ", " : "", i, sub.fields[static_cast<size_t>(i)].name);
        throw UserError(fmt::format("{} has no field {}; it has: {}", name(), id, names));
      }
      sub.fields[static_cast<size_t>(id)].selected = true;
    }
    first = selection.fields.front();
  }
  info.phase_centre = id_of(first).centre;
  info.field_name = id_of(first).name;
}

void MeasurementSet::Impl::select_windows() {
  const auto& spws = selection.spws;
  for (int spw : spws) {
    const auto& all = sub.data_descriptions;
    if (std::none_of(all.begin(), all.end(), [&](const auto& d) { return d.spw == spw; })) {
      throw UserError(
          fmt::format("{} has no spectral window {}; it has {}", name(), spw, sub.freq_hz.size()));
    }
  }
  const int64_t begin = selection.channel_begin.value_or(0);
  int64_t most = 0;
  for (size_t id = 0; id < sub.data_descriptions.size(); ++id) {
    auto& d = sub.data_descriptions[id];
    if (!spws.empty() && std::find(spws.begin(), spws.end(), d.spw) == spws.end()) continue;
    most = std::max(most, d.channels);
    // Of windows with too few channels for the range, what they have counts.
    const int64_t end = std::min(d.channels, selection.channel_end ? *selection.channel_end + 1 : d.channels);
    if (begin < 0 || begin >= end) continue;
    SpectralWindow window;
    window.id = d.spw;
    window.data_desc_id = static_cast<int>(id);
    window.correlations = static_cast<int64_t>(d.correlations.size());
    window.channel_begin = begin;
    window.channel_end = end;
    const auto &freq = sub.freq_hz[static_cast<size_t>(d.spw)],
               &width = sub.width_hz[static_cast<size_t>(d.spw)];
    window.freq_hz.assign(freq.begin() + begin, freq.begin() + end);
    window.width_hz.assign(width.begin() + begin, width.begin() + end);
    if (!std::all_of(window.freq_hz.begin(), window.freq_hz.end(),
                     [](double f) { return std::isfinite(f) && f > 0; })) {
      throw RunError(fmt::format(
          "{}: subtable SPECTRAL_WINDOW, row {}: CHAN_FREQ has frequencies that are not above zero", name(),
          d.spw));
    }
    d.window = static_cast<int>(info.windows.size());
    info.windows.push_back(window);
  }
  const bool outside = selection.channel_end && *selection.channel_end >= most;
  if (outside || (info.windows.empty() && most > 0)) {
    throw UserError(fmt::format(
        "{}: channels {}..{} are not all there: its spectral windows have up to {}, numbered from 0", name(),
        begin, selection.channel_end ? std::to_string(*selection.channel_end) : "", most));
  }
  if (info.windows.empty()) throw RunError(name() + ": no spectral window has channels");
}

void MeasurementSet::check_stokes(const std::string& stokes) const {
  const auto& windows = impl_->info.windows;
  const bool scanned =
      std::any_of(windows.begin(), windows.end(), [](const auto& window) { return window.rows > 0; });
  for (const auto& window : windows) {
    if (scanned && window.rows == 0) continue;  // nothing of it will be read
    const auto& d = impl_->sub.data_descriptions[static_cast<size_t>(window.data_desc_id)];
    for (char s : stokes) {
      if (stokes_term(s, d.correlations)) continue;
      throw UserError(
          fmt::format("{}: Stokes {} cannot be formed from the correlations {} of spectral window {}",
                      impl_->name(), s, correlation_names(d.correlations), window.id));
    }
  }
}

void check_compatible(std::span<const std::shared_ptr<MeasurementSet>> sets,
                      const std::optional<Direction>& centre) {
  if (centre) return;
  for (const auto& set : sets) {
    const auto &a = sets.front()->info(), &b = set->info();
    if (detail::same_direction(a.phase_centre, b.phase_centre)) continue;
    throw UserError(
        fmt::format("{} and {} have different phase centres (RA, Dec {:.5f}, {:.5f} and {:.5f}, {:.5f} deg): "
                    "choose one with --centre",
                    in_quotes(a.path), in_quotes(b.path), a.phase_centre.ra_rad * 180 / M_PI,
                    a.phase_centre.dec_rad * 180 / M_PI, b.phase_centre.ra_rad * 180 / M_PI,
                    b.phase_centre.dec_rad * 180 / M_PI));
  }
}

}  // namespace fringeflow::io
