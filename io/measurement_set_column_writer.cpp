// SPDX-License-Identifier: GPL-3.0-or-later
// Writing a model column into an existing set. No other column is ever opened for writing.
#include "io/measurement_set_impl.hpp"

#include <casacore/tables/DataMan/TiledShapeStMan.h>
#include <casacore/tables/Tables/ArrColDesc.h>
#include <casacore/tables/Tables/TableColumn.h>
#include <casacore/tables/Tables/TableRecord.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace fringeflow::io {

using detail::RowRanges;
using detail::translated;

namespace {

constexpr int64_t kTileBytes = 1 << 20;
constexpr int64_t kScanRows = 65536;
constexpr int64_t kBlockBytes = 4 << 20;

}  // namespace

struct ColumnWriter::Impl {
  MeasurementSetInfo info;
  std::string column;
  std::shared_ptr<std::mutex> mutex;
  casacore::Table table;
  detail::Subtables sub;
  detail::Tiling tiling;
  casacore::ArrayColumn<casacore::Complex> model;
  casacore::ArrayColumn<casacore::Double> uvw;
  casacore::ScalarColumn<casacore::Bool> flag_row;
  bool has_flag_row = false;
  std::vector<std::complex<float>> buffer, part;  ///< of write(), kept
  bool failed = false;  ///< a write has failed: what casacore still holds cannot be written either

  std::string name() const { return detail::in_quotes(info.path); }
  void add_column();
  void open_column();
  void open_windows();
  template <class Body>
  void writing(const std::string& context, Body&& body);
};

void ColumnWriter::Impl::add_column() {
  int64_t smallest = std::numeric_limits<int64_t>::max();
  for (const auto& d : sub.data_descriptions) {
    smallest = std::min(smallest, 8 * d.channels * static_cast<int64_t>(d.correlations.size()));
  }
  detail::check_flush(info.path, info.path);
  detail::check_space(info.path, info.path, static_cast<uint64_t>(info.rows * smallest));
  // The tile of DATA, unless it is not tiled or has tiles of few rows, which every later reader would suffer
  // from.
  const auto data = detail::tiling_of(table, "DATA");
  casacore::IPosition tile = data.shape;
  if (!data.tiled || tile.nelements() != 3 || data.tile_bytes < (32 << 10)) {
    int64_t channels = 1, correlations = 1;
    for (const auto& d : sub.data_descriptions) {
      channels = std::max(channels, d.channels);
      correlations = std::max(correlations, static_cast<int64_t>(d.correlations.size()));
    }
    const int64_t rows = std::clamp<int64_t>(kTileBytes / (8 * channels * correlations), 1, 8192);
    tile = casacore::IPosition(3, correlations, channels, rows);
  }
  casacore::ArrayColumnDesc<casacore::Complex> description(column,
                                                           "Model visibilities, written by Fringeflow", 2);
  const auto& all = table.tableDesc();
  if (all.isColumn("DATA") && all.columnDesc("DATA").keywordSet().isDefined("UNIT")) {
    description.rwKeywordSet().define("UNIT", all.columnDesc("DATA").keywordSet().asString("UNIT"));
  }
  table.addColumn(description, casacore::TiledShapeStMan("Tiled_" + column, tile));
}

/// Runs `body`, remembering that it failed.
template <class Body>
void ColumnWriter::Impl::writing(const std::string& context, Body&& body) {
  try {
    translated(context, body);
  } catch (...) {
    failed = true;
    throw;
  }
}

void ColumnWriter::Impl::open_column() {
  const bool reserved = column == "DATA" || column == "FLOAT_DATA";
  const bool exists = table.tableDesc().isColumn(column);
  const bool right = exists && table.tableDesc().columnDesc(column).isArray() &&
                     table.tableDesc().columnDesc(column).dataType() == casacore::TpComplex;
  if (column.empty() || reserved || (exists && !right)) {
    throw UserError(fmt::format(
        "{}: column {} is not one to write models to: use MODEL_DATA, CORRECTED_DATA or a new name", name(),
        column));
  }
  translated(
      fmt::format("{}: column {} cannot be {}", name(), column, exists ? "opened for writing" : "created"),
      [&] {
        if (!exists) add_column();
        if (!casacore::TableColumn(table, column).isWritable()) {
          throw UserError(fmt::format("{}: column {} is of a kind that cannot be written", name(), column));
        }
        if (exists) detail::check_column_size(table, column, info.path);
        model.attach(table, column);
      });
  tiling = detail::tiling_of(table, column);
  // A new column has no tiles yet.
  if (!exists) tiling.rows = std::max<int64_t>(detail::tiling_of(table, "DATA").rows, 1);
}

void ColumnWriter::Impl::open_windows() {
  for (size_t id = 0; id < sub.data_descriptions.size(); ++id) {
    auto& d = sub.data_descriptions[id];
    SpectralWindow window;
    window.id = d.spw;
    window.data_desc_id = static_cast<int>(id);
    window.correlations = static_cast<int64_t>(d.correlations.size());
    window.channel_end = d.channels;
    window.freq_hz = sub.freq_hz[static_cast<size_t>(d.spw)];
    window.width_hz = sub.width_hz[static_cast<size_t>(d.spw)];
    d.window = static_cast<int>(id);
    info.windows.push_back(window);
  }
}

ColumnWriter::ColumnWriter(const std::string& path, const std::string& column)
    : impl_(std::make_unique<Impl>()) {
  detail::quieten_casacore();
  Impl& m = *impl_;
  m.info.path = path;
  while (m.info.path.size() > 1 && m.info.path.back() == '/') m.info.path.pop_back();
  m.info.column = m.column = column;
  m.mutex = detail::table_mutex(m.info.path);
  const std::lock_guard lock(*m.mutex);
  {
    const casacore::Table readable = detail::open_measurement_set(m.info.path, false);
    if (!translated(m.name(), [&] { return casacore::Table::isWritable(m.info.path); })) {
      throw UserError(m.name() + " cannot be written: check its owner and permissions");
    }
  }
  m.table = detail::open_measurement_set(m.info.path, true);
  m.info.rows = static_cast<int64_t>(m.table.nrow());
  if (m.info.rows == 0) throw RunError(m.name() + " has no rows");
  m.sub = detail::read_subtables(m.table, m.info.path);
  m.info.antennas = m.sub.antennas;
  m.info.telescope = m.sub.telescope;
  m.info.observer = m.sub.observer;
  translated(m.name() + " cannot be read", [&] {
    detail::check_column_size(m.table, "UVW", m.info.path);
    m.uvw.attach(m.table, "UVW");
    m.has_flag_row = m.table.tableDesc().isColumn("FLAG_ROW");
    if (m.has_flag_row) m.flag_row.attach(m.table, "FLAG_ROW");
  });
  m.open_windows();
  try {
    m.open_column();
  } catch (const RunError&) {
    detail::abandon(std::move(impl_));
    throw;
  }
  m.info.tile_rows = m.tiling.rows;
}

ColumnWriter::~ColumnWriter() {
  const auto mutex = impl_->mutex;
  const std::lock_guard lock(*mutex);
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

const MeasurementSetInfo& ColumnWriter::info() const { return impl_->info; }

std::vector<ChunkSpec> ColumnWriter::chunks(int64_t target_visibilities) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const int64_t target = std::max<int64_t>(target_visibilities, 1);
  casacore::ScalarColumn<casacore::Int> data_desc, field;
  translated(m.name() + " cannot be read", [&] {
    data_desc.attach(m.table, "DATA_DESC_ID");
    field.attach(m.table, "FIELD_ID");
  });
  int64_t most_channels = 1;
  for (const auto& window : m.info.windows) most_channels = std::max(most_channels, window.channel_end);
  const int64_t align = std::clamp<int64_t>(m.tiling.rows, 1, std::max<int64_t>(target / most_channels, 1));

  std::vector<ChunkSpec> chunks;
  std::map<std::pair<int, int>, ChunkSpec> open;  // by data description and field, in that order
  const auto cut = [&] {
    for (auto& [key, chunk] : open) {
      if (chunk.rows > 0) chunks.push_back(std::move(chunk));
    }
    open.clear();
  };
  std::vector<casacore::Int> ids, fields;
  for (int64_t begin = 0; begin < m.info.rows; begin += kScanRows) {
    const int64_t end = std::min(begin + kScanRows, m.info.rows);
    ids.resize(static_cast<size_t>(end - begin));
    fields.resize(static_cast<size_t>(end - begin));
    translated(fmt::format("{}: columns DATA_DESC_ID and FIELD_ID, rows {} to {}", m.name(), begin, end - 1),
               [&] {
                 detail::get_scalars(data_desc, {{begin, end}}, ids.data());
                 detail::get_scalars(field, {{begin, end}}, fields.data());
               });
    for (int64_t row = begin; row < end; ++row) {
      const int id = ids[static_cast<size_t>(row - begin)], f = fields[static_cast<size_t>(row - begin)];
      if (id < 0 || id >= static_cast<int>(m.info.windows.size()) || f < 0 ||
          f >= static_cast<int>(m.sub.fields.size())) {
        throw RunError(fmt::format("{}: row {}: DATA_DESC_ID {} or FIELD_ID {} is not in its subtable",
                                   m.name(), row, id, f));
      }
      if (row % align == 0 && std::any_of(open.begin(), open.end(), [&](const auto& o) {
            return (o.second.rows + align) * o.second.channels > target;
          })) {
        cut();
      }
      auto [at, fresh] = open.try_emplace({id, f});
      ChunkSpec& chunk = at->second;
      if (fresh) {
        chunk.window = chunk.data_desc_id = id;
        chunk.field = f;
        chunk.phase_centre = m.sub.fields[static_cast<size_t>(f)].centre;
        chunk.channels = m.info.windows[static_cast<size_t>(id)].channel_end;
      }
      if (!chunk.row_ranges.empty() && chunk.row_ranges.back().second == row) {
        ++chunk.row_ranges.back().second;
      } else {
        chunk.row_ranges.emplace_back(row, row + 1);
      }
      ++chunk.rows;
      ++chunk.stored_rows;
    }
  }
  cut();
  for (auto& window : m.info.windows) window.rows = 0;
  for (const auto& chunk : chunks) m.info.windows[static_cast<size_t>(chunk.window)].rows += chunk.rows;
  return chunks;
}

void ColumnWriter::read_uvw(const ChunkSpec& chunk, View<double, 2> uvw_m) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const auto flagged = std::make_unique<bool[]>(static_cast<size_t>(chunk.rows));
  translated(fmt::format("{}: column UVW, rows {} to {}", m.name(), chunk.row_ranges.front().first,
                         chunk.row_ranges.back().second - 1),
             [&] {
               detail::get_arrays(m.uvw, chunk.row_ranges, casacore::IPosition(1, 3), nullptr, uvw_m.data());
               if (m.has_flag_row) detail::get_scalars(m.flag_row, chunk.row_ranges, flagged.get());
             });
  int64_t i = 0;
  for (const auto& [begin, end] : chunk.row_ranges) {
    for (int64_t row = begin; row < end; ++row, ++i) {
      if (std::isfinite(uvw_m(i, 0)) && std::isfinite(uvw_m(i, 1)) && std::isfinite(uvw_m(i, 2))) continue;
      if (!flagged[static_cast<size_t>(i)]) {
        throw RunError(fmt::format(
            "{}: column UVW, row {}: not a finite number; flag such rows in FLAG_ROW or repair them",
            m.name(), row));
      }
      std::fill_n(&uvw_m(i, 0), 3, 0.);
    }
  }
}

const std::vector<int>& ColumnWriter::correlations(const ChunkSpec& chunk) const {
  return impl_->sub.data_descriptions[static_cast<size_t>(chunk.data_desc_id)].correlations;
}

void ColumnWriter::read_keys(const ChunkSpec& chunk, View<int32_t, 2> antennas, View<double, 1> time_s) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const auto count = static_cast<int>(m.info.antennas.size());
  std::vector<casacore::Int> antenna(static_cast<size_t>(chunk.rows));
  translated(m.name() + ": columns ANTENNA1, ANTENNA2 and TIME", [&] {
    casacore::ScalarColumn<casacore::Int> columns[2] = {{m.table, "ANTENNA1"}, {m.table, "ANTENNA2"}};
    for (int side = 0; side < 2; ++side) {
      detail::get_scalars(columns[side], chunk.row_ranges, antenna.data());
      for (int64_t row = 0; row < chunk.rows; ++row) {
        const int a = antenna[static_cast<size_t>(row)];
        if (a < 0 || a >= count)
          throw RunError(fmt::format("{}: antenna {} is not in the subtable ANTENNA", m.name(), a));
        antennas(row, side) = a;
      }
    }
    const casacore::ScalarColumn<casacore::Double> time(m.table, "TIME");
    detail::get_scalars(time, chunk.row_ranges, time_s.data());
  });
}

void ColumnWriter::write(const ChunkSpec& chunk, View<const std::complex<float>, 3> vis) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const int64_t step = vis.extent(2), cell = step * chunk.channels;
  int64_t at = 0;
  for (const auto& [begin, end] : chunk.row_ranges) {
    m.writing(
        fmt::format("{}: column {}, rows {} to {} cannot be written", m.name(), m.column, begin, end - 1),
        [&] {
          const casacore::Array<casacore::Complex> values(
              casacore::IPosition(3, step, chunk.channels, end - begin),
              const_cast<std::complex<float>*>(vis.data() + at * cell), casacore::SHARE);
          m.model.putColumnRange(detail::row_slicer({begin, end}), values);
        });
    at += end - begin;
  }
}

void ColumnWriter::write(const ChunkSpec& chunk, const std::string& stokes,
                         View<const std::complex<float>, 3> stokes_vis) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  const auto& correlations = m.sub.data_descriptions[static_cast<size_t>(chunk.data_desc_id)].correlations;
  const int64_t step = static_cast<int64_t>(correlations.size()), cell = step * chunk.channels;
  const int64_t block = std::max<int64_t>(kBlockBytes / (8 * cell) / m.tiling.rows, 1) * m.tiling.rows;
  const auto kinds = static_cast<int64_t>(stokes.size());
  int64_t at = 0;
  for (auto [begin, end] : chunk.row_ranges) {
    while (begin < end) {
      // Blocks of whole tiles, cut at the tiles' ends.
      const int64_t stop =
                        std::min(end, std::max((begin + block) / m.tiling.rows * m.tiling.rows, begin + 1)),
                    rows = stop - begin;
      m.buffer.resize(static_cast<size_t>(rows * cell));
      m.part.resize(static_cast<size_t>(kinds * rows * chunk.channels));
      for (int64_t s = 0; s < kinds; ++s) {
        std::copy_n(&stokes_vis(s, at, 0), rows * chunk.channels, m.part.data() + s * rows * chunk.channels);
      }
      correlations_of(stokes, correlations, {m.part.data(), {kinds, rows, chunk.channels}},
                      {m.buffer.data(), {rows, chunk.channels, step}});
      m.writing(
          fmt::format("{}: column {}, rows {} to {} cannot be written", m.name(), m.column, begin, stop - 1),
          [&] {
            const casacore::Array<casacore::Complex> values(
                casacore::IPosition(3, step, chunk.channels, rows), m.buffer.data(), casacore::SHARE);
            m.model.putColumnRange(detail::row_slicer({begin, stop}), values);
          });
      begin = stop;
      at += rows;
    }
  }
}

void ColumnWriter::flush() {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  m.writing(fmt::format("{}: column {} cannot be written", m.name(), m.column), [&] {
    detail::check_flush(m.info.path, m.info.path);
    m.table.flush();
  });
}

}  // namespace fringeflow::io
