// SPDX-License-Identifier: GPL-3.0-or-later
// One pass over the row numbers of a MeasurementSet: which rows count, and their division into chunks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "io/interrupt.hpp"
#include "io/measurement_set_impl.hpp"

namespace fringeflow::io {

using detail::translated;

void MeasurementSet::Impl::load_rows(const detail::RowRanges& ranges, const detail::RowNeeds& needs) {
  const int64_t count = detail::count_rows(ranges);
  rows.reserve(count);
  const auto get = [&](const char* column, auto&& body) {
    translated(fmt::format("{}: column {}, rows {} to {}", name(), column, ranges.front().first,
                           ranges.back().second - 1),
               body);
  };
  if (needs.antennas) {
    get("ANTENNA1", [&] { detail::get_scalars(antenna1, ranges, rows.antenna1.data()); });
    get("ANTENNA2", [&] { detail::get_scalars(antenna2, ranges, rows.antenna2.data()); });
  }
  if (needs.field) {
    get("FIELD_ID", [&] { detail::get_scalars(field, ranges, rows.field.data()); });
  } else {
    const auto only =
        std::find_if(sub.fields.begin(), sub.fields.end(), [](const auto& f) { return f.selected; });
    std::fill_n(rows.field.begin(), count, static_cast<int>(only - sub.fields.begin()));
  }
  if (needs.data_desc)
    get("DATA_DESC_ID", [&] { detail::get_scalars(data_desc, ranges, rows.data_desc.data()); });
  if (needs.time) get("TIME", [&] { detail::get_scalars(time, ranges, rows.time.data()); });
  if (needs.uvw)
    get("UVW", [&] { detail::get_arrays(uvw, ranges, casacore::IPosition(1, 3), nullptr, rows.uvw.data()); });
  if (needs.flag_row && has_flag_row) {
    get("FLAG_ROW", [&] { detail::get_scalars(flag_row, ranges, rows.flag_row.get()); });
  } else {
    bool* at = rows.flag_row.get();
    for (const auto& [begin, end] : ranges) {
      for (int64_t row = begin; row < end; ++row) *at++ = scanned && row_flagged[static_cast<size_t>(row)];
    }
  }
}

detail::RowNeeds MeasurementSet::Impl::needs_of_read(bool antennas, bool times) const {
  if (!scanned) return {};
  const auto fields =
      std::count_if(sub.fields.begin(), sub.fields.end(), [](const auto& f) { return f.selected; });
  return {.antennas = antennas, .field = fields != 1, .data_desc = false, .time = times, .flag_row = false};
}

void MeasurementSet::Impl::check_field(size_t i, int64_t row) const {
  const int id = rows.field[i];
  if (id >= 0 && id < static_cast<int>(sub.fields.size())) return;
  throw RunError(fmt::format("{}: column FIELD_ID, row {}: field {}, but the subtable FIELD has {} rows",
                             name(), row, id, sub.fields.size()));
}

void MeasurementSet::Impl::check_data_description(size_t i, int64_t row) const {
  const int id = rows.data_desc[i];
  if (id >= 0 && id < static_cast<int>(sub.data_descriptions.size())) return;
  throw RunError(
      fmt::format("{}: column DATA_DESC_ID, row {}: {}, but the subtable DATA_DESCRIPTION has {} rows",
                  name(), row, id, sub.data_descriptions.size()));
}

void MeasurementSet::Impl::check_antennas(size_t i, int64_t row) const {
  const auto count = static_cast<int>(sub.antennas.size());
  for (const auto& [name_of_column, antenna] :
       {std::pair{"ANTENNA1", rows.antenna1[i]}, {"ANTENNA2", rows.antenna2[i]}})
    if (count > 0 && (antenna < 0 || antenna >= count))
      throw RunError(fmt::format("{}: column {}, row {}: antenna {}, but the subtable ANTENNA has {} rows",
                                 name(), name_of_column, row, antenna, count));
}

void MeasurementSet::Impl::load_rows_of_scan(const std::pair<int64_t, int64_t>& range) {
  if (!deferred) return load_rows({range}, {});
  load_rows({range},
            {.antennas = false, .field = false, .data_desc = false, .time = false, .flag_row = false});
  // Autocorrelations have no baseline; a row whose UVW is not a number is an error unless it is flagged.
  bool zero = false, finite = true;
  const auto count = static_cast<size_t>(range.second - range.first);
  for (size_t i = 0; i < count; ++i) {
    const double* at = rows.uvw.data() + 3 * i;
    zero = zero || (at[0] == 0 && at[1] == 0 && at[2] == 0);
    finite = finite && std::isfinite(at[0] + at[1] + at[2]);
    rows.data_desc[i] = 0;
  }
  std::fill_n(rows.antenna1.begin(), count, 0);
  std::fill_n(rows.antenna2.begin(), count, 1);
  if (zero || !finite)
    load_rows({range}, {.antennas = zero,
                        .field = false,
                        .data_desc = false,
                        .time = false,
                        .flag_row = !finite,
                        .uvw = false});
}

void MeasurementSet::Impl::load_rows_of_read(const detail::RowRanges& ranges, const detail::RowNeeds& needs) {
  if (!deferred) return load_rows(ranges, needs);
  const bool checked = std::all_of(ranges.begin(), ranges.end(), [&](const auto& range) {
    return std::all_of(row_checked.begin() + range.first, row_checked.begin() + range.second,
                       [](bool one) { return one; });
  });
  if (checked) return load_rows(ranges, needs);
  load_rows(ranges, {.time = needs.time});
  size_t i = 0;
  for (const auto& [begin, end] : ranges)
    for (int64_t row = begin; row < end; ++row, ++i) {
      const auto at = static_cast<size_t>(row);
      row_checked[at] = true;
      if (!row_counts[at]) continue;
      check_field(i, row);
      check_data_description(i, row);
      check_antennas(i, row);
      // An autocorrelation with a baseline: it has been counted, and must not be imaged.
      rows.flag_row[i] = rows.flag_row[i] || rows.antenna1[i] == rows.antenna2[i];
      row_flagged[at] = rows.flag_row[i];
    }
}

bool MeasurementSet::Impl::selected(int64_t i, int64_t row) const {
  if (scanned) return row_counts[static_cast<size_t>(row)];
  const auto at = static_cast<size_t>(i);
  if (rows.antenna1[at] == rows.antenna2[at]) return false;
  if (deferred) return true;
  check_field(at, row);
  if (!sub.fields[static_cast<size_t>(rows.field[at])].selected) return false;
  const double t = rows.time[at];
  return !(selection.time_s.begin && t < *selection.time_s.begin) &&
         !(selection.time_s.end && t > *selection.time_s.end);
}

std::vector<std::optional<detail::Rotation>> MeasurementSet::Impl::rotations(
    const std::optional<Direction>& centre) const {
  std::vector<std::optional<detail::Rotation>> all(sub.fields.size());
  for (size_t i = 0; i < sub.fields.size(); ++i) {
    const auto& f = sub.fields[i];
    if (!f.selected) continue;
    if (centre) {
      if (!detail::same_direction(f.centre, *centre)) all[i] = detail::rotation_between(f.centre, *centre);
    } else if (!detail::same_direction(f.centre, info.phase_centre)) {
      throw UserError(
          fmt::format("{}: the selected fields have different phase centres ({} and {}): select one with "
                      "--field or give --centre",
                      name(), info.field_name, f.name));
    }
  }
  return all;
}

double MeasurementSet::Impl::image_uvw(const detail::RowBlock& of, int64_t i, int64_t row,
                                       const std::vector<std::optional<detail::Rotation>>& rotations,
                                       double* out) const {
  const double* in = of.uvw.data() + 3 * i;
  if (!std::isfinite(in[0]) || !std::isfinite(in[1]) || !std::isfinite(in[2])) {
    if (!of.flag_row[static_cast<size_t>(i)]) {
      throw RunError(fmt::format(
          "{}: column UVW, row {}: not a finite number; flag such rows in FLAG_ROW or repair them", name(),
          row));
    }
    std::fill_n(out, 3, 0.);
    return 0;
  }
  const auto& rotation = rotations[static_cast<size_t>(of.field[static_cast<size_t>(i)])];
  if (!rotation) {
    std::copy_n(in, 3, out);
    return 0;
  }
  double w = in[2];
  for (size_t k = 0; k < 3; ++k)
    out[k] = (*rotation)[k][0] * in[0] + (*rotation)[k][1] * in[1] + (*rotation)[k][2] * in[2];
  return w - out[2];
}

namespace {

/// Rows of one window since the last cut.
struct Pending {
  detail::RowRanges ranges;
  std::vector<double> uvw;
  int64_t rows = 0;
};

constexpr int64_t kScanRows = 65536;

}  // namespace

std::vector<ChunkSpec> MeasurementSet::scan(
    int64_t target_visibilities, const std::optional<Direction>& centre,
    const std::function<void(const ChunkSpec&, View<const double, 2>)>& visit) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  if (m.declared) return m.declared->scan(m.info, target_visibilities, centre, visit);
  const auto rotations = m.rotations(centre);
  m.scanned = false;
  m.row_counts.assign(static_cast<size_t>(m.info.rows), false);
  m.row_flagged.assign(static_cast<size_t>(m.info.rows), false);
  m.deferred = m.sub.fields.size() == 1 && m.sub.data_descriptions.size() == 1 && !m.selection.time_s.begin &&
               !m.selection.time_s.end;
  m.row_checked.assign(m.deferred ? static_cast<size_t>(m.info.rows) : 0, false);
  const int64_t target = std::max<int64_t>(target_visibilities, 1), total = m.info.rows;
  const auto& descriptions = m.sub.data_descriptions;
  int64_t most_channels = 1;
  for (auto& window : m.info.windows) {
    window.rows = 0;
    most_channels = std::max<int64_t>(most_channels, static_cast<int64_t>(window.freq_hz.size()));
  }
  // Chunks are cut at rows where a tile ends, unless tiles are larger than chunks.
  const int64_t align = std::clamp<int64_t>(m.tiling.rows, 1, std::max<int64_t>(target / most_channels, 1));
  const int64_t block = (std::max(kScanRows / align, int64_t{1})) * align;

  std::vector<ChunkSpec> chunks;
  std::vector<Pending> pending(m.info.windows.size());
  std::vector<bool> left_out(m.sub.fields.size(), false);
  double time_begin = std::numeric_limits<double>::infinity(), time_end = -time_begin;
  int64_t cross = 0;
  const auto note_time = [&](double t) {
    if (!std::isfinite(t)) return;
    time_begin = std::min(time_begin, t);
    time_end = std::max(time_end, t);
  };

  const auto cut = [&] {
    for (size_t w = 0; w < pending.size(); ++w) {
      Pending& p = pending[w];
      if (p.rows == 0) continue;
      auto& window = m.info.windows[w];
      ChunkSpec chunk;
      chunk.window = static_cast<int>(w);
      chunk.data_desc_id = window.data_desc_id;
      chunk.rows = p.rows;
      chunk.channels = static_cast<int64_t>(window.freq_hz.size());
      chunk.stored_rows = detail::count_rows(p.ranges);
      chunk.row_ranges = std::move(p.ranges);
      chunk.phase_centre = centre.value_or(m.info.phase_centre);
      window.rows += p.rows;
      if (visit) visit(chunk, {p.uvw.data(), {p.rows, 3}});
      chunks.push_back(std::move(chunk));
      p.ranges.clear();
      p.uvw.clear();
      p.rows = 0;
    }
  };
  const auto cut_if_full = [&] {
    int64_t sum = 0, windows = 0;
    bool full = false;
    for (size_t w = 0; w < pending.size(); ++w) {
      if (pending[w].rows == 0) continue;
      const auto channels = static_cast<int64_t>(m.info.windows[w].freq_hz.size());
      full = full || (pending[w].rows + align) * channels > target;
      sum += pending[w].rows * channels;
      ++windows;
    }
    // Rows of several windows side by side: their chunks cover the same tiles, which casacore's cache must
    // hold meanwhile.
    if (full || (windows > 1 && sum > 2 * target)) cut();
  };

  int64_t run_begin = 0;  // first of the latest rows of one data description
  int run_id = -1;
  for (int64_t begin = 0; begin < total; begin += block) {
    const int64_t end = std::min(begin + block, total);
    throw_if_interrupted();
    m.load_rows_of_scan({begin, end});
    if (m.deferred) {  // sets are in the order of time, or of baselines with all times each
      for (const int64_t row : {begin, end - 1})
        note_time(translated(m.name() + ": column TIME",
                             [&] { return m.time(static_cast<casacore::rownr_t>(row)); }));
    }
    for (int64_t row = begin; row < end; ++row) {
      const int64_t i = row - begin;
      const auto at = static_cast<size_t>(i);
      if (row % align == 0) cut_if_full();
      const int id = m.rows.data_desc[at];
      if (id != run_id) {
        m.check_data_description(at, row);
        run_id = id;
        run_begin = row;
      }
      const int w = descriptions[static_cast<size_t>(id)].window;
      if (w < 0) continue;
      cross += m.rows.antenna1[at] != m.rows.antenna2[at];
      if (!m.selected(i, row)) {
        const int f = m.rows.field[at];
        if (f >= 0 && f < static_cast<int>(left_out.size()) && !m.sub.fields[static_cast<size_t>(f)].selected)
          left_out[static_cast<size_t>(f)] = true;
        continue;
      }
      if (!m.deferred) m.check_antennas(at, row);
      m.row_counts[static_cast<size_t>(row)] = true;
      m.row_flagged[static_cast<size_t>(row)] = m.rows.flag_row[at];
      Pending& p = pending[static_cast<size_t>(w)];
      if (!p.ranges.empty() && p.ranges.back().second > run_begin && row - p.ranges.back().second <= detail::kGap) {
        p.ranges.back().second = row + 1;
      } else {
        p.ranges.emplace_back(row, row + 1);
      }
      p.uvw.resize(p.uvw.size() + 3);
      m.image_uvw(m.rows, i, row, rotations, p.uvw.data() + p.uvw.size() - 3);
      ++p.rows;
      if (!m.deferred) note_time(m.rows.time[at]);
    }
  }
  cut();
  if (chunks.empty()) {
    throw RunError(m.name() + (cross == 0
                                   ? " has no rows of cross-correlations in the spectral windows selected"
                                   : " has no rows left after the selection of fields, windows and times"));
  }
  if (time_begin > time_end)
    throw RunError(m.name() + ": column TIME has no finite number in the rows selected");
  m.scanned = true;
  m.info.time_begin_s = time_begin;
  m.info.time_end_s = time_end;
  m.info.notes.clear();
  if (m.selection.fields.empty()) {
    std::string names;
    for (size_t i = 0; i < left_out.size(); ++i) {
      if (left_out[i]) names += fmt::format("{}{} {}", names.empty() ? "" : ", ", i, m.sub.fields[i].name);
    }
    if (!names.empty()) {
      m.info.notes.push_back(fmt::format(
          "{}: only rows with the phase centre of field {} count; left out: {} (choose with --field)",
          m.name(), m.info.field_name, names));
    }
  }

  // Chunks of several windows from the same rows share tiles; otherwise a chunk needs none of the tiles of
  // another.
  const bool shared =
      std::any_of(chunks.begin(), chunks.end(), [](const auto& c) { return c.row_ranges.size() > 1; });
  const int64_t keep =
      shared ? 2 * target * m.info.windows.front().correlations * 8 : 2 * m.tiling.tile_bytes;
  m.bound_caches(keep);
  return chunks;
}

void MeasurementSet::Impl::bound_caches(int64_t bytes) {
  cache_bytes = translated(name() + ": cache of tiles", [&] {
    const int64_t weights =
        detail::bound_tile_cache(table, info.weight_spectrum ? "WEIGHT_SPECTRUM" : "WEIGHT", bytes / 2);
    return detail::bound_tile_cache(table, info.column, bytes) +
           detail::bound_tile_cache(table, "FLAG", bytes / 64) + weights +
           detail::bound_tile_cache(table, "UVW", 1 << 20);
  });
}

}  // namespace fringeflow::io
