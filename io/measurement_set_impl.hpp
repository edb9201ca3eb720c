// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the parts of measurement_set*.cpp share; not for other files.
#include "io/casacore_cxx20.hpp"  // before casacore

#include <casacore/casa/Arrays/Slicer.h>
#include <casacore/tables/Tables/ArrayColumn.h>
#include <casacore/tables/Tables/RefRows.h>
#include <casacore/tables/Tables/ScalarColumn.h>
#include <casacore/tables/Tables/Table.h>

#include <array>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "io/averaging.hpp"
#include "io/error.hpp"
#include "io/measurement_set.hpp"
#include "io/measurement_set_stokes.hpp"

namespace fringeflow::io::detail {

using RowRanges = std::vector<std::pair<int64_t, int64_t>>;

/// casacore chatters on stderr about missing tables of the Earth's rotation and the like: failures reach us
/// as exceptions.
void quieten_casacore();

/// Sees to it that casacore knows the leap seconds, which conversions of UTC need, installed with it or not.
void ensure_leap_seconds();

/// casacore shares one object between all openings of a table, so that two readers of one set must not run
/// side by side.
std::shared_ptr<std::mutex> table_mutex(const std::string& path);

/// Runs `body`; whatever casacore throws becomes a RunError "CONTEXT: first line of its message".
template <class Body>
auto translated(const std::string& context, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const UserError&) {
    throw;
  } catch (const RunError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw RunError(context + ": not enough memory (a corrupted table asks for absurd sizes)");
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw RunError(context + ": " + text.substr(0, text.find('\n')));
  }
}

/// "'PATH'", the way all messages name a set.
std::string in_quotes(const std::string& path);

/// Opens the table without mapping it into memory (memory stays bounded). `what` names it in errors.
casacore::Table open_table(const std::string& path, const std::string& what, bool update = false);

/// Opens the set and its subtables in a child process first, once per set and process. Throws RunError if that
/// crashes or does not end, as casacore may on damaged files; otherwise what opening throws. Takes a few
/// milliseconds. To be called before there are threads that a fork would miss.
void check_survivable(const std::string& set_path);

/// Files of a table whose header says that they ought to be longer: casacore would deliver zeros for what is
/// missing. Throws RunError.
void check_file_sizes(const std::string& table_path, const std::string& set_path);
/// The same for the tiles (or Dysco blocks) of one column of an open table.
void check_column_size(const casacore::Table& table, const std::string& column, const std::string& set_path);

/// How a column is stored, as far as chunks care.
struct Tiling {
  bool tiled = false;
  int64_t rows = 1;           ///< table rows per tile if all rows lie in one hypercube in table order, else 1
  casacore::IPosition shape;  ///< of a tile (correlation, channel, row) of the largest hypercube
  int64_t tile_bytes = 0;
};
Tiling tiling_of(const casacore::Table& table, const std::string& column);
/// Bounds casacore's cache of a tiled column to about `bytes` (at least a row of tiles); returns the bytes
/// that it may take.
int64_t bound_tile_cache(const casacore::Table& table, const std::string& column, int64_t bytes);

/// casacore keeps 2 buckets of columns that are not tiled and reads all the others again for every column:
/// lets it keep what a pass over 65536 rows needs, about `bytes` per storage manager. Returns the bytes that
/// it may take.
int64_t widen_bucket_caches(const casacore::Table& table, const std::vector<std::string>& columns,
                            int64_t bytes);

/// One row of FIELD.
struct Field {
  std::string name;
  Direction centre;
  bool selected = false;
};

/// One row of DATA_DESCRIPTION with what it points to.
struct DataDescription {
  int window = -1;  ///< index into MeasurementSetInfo::windows, -1: not selected
  int spw = 0;
  int64_t channels = 0;           ///< stored
  std::vector<int> correlations;  ///< CORR_TYPE codes (casacore's Stokes enumeration)
};

/// Subtables as both the reader and the writer need them.
struct Subtables {
  std::vector<Field> fields;
  std::vector<DataDescription> data_descriptions;
  std::vector<std::vector<double>> freq_hz, width_hz;  ///< [spectral window][channel]
  std::vector<Antenna> antennas;
  std::string telescope, observer;
};
Subtables read_subtables(const casacore::Table& table, const std::string& set_path);

/// Throws RunError, which names `set_path`, if the file system of `folder` has less than `bytes` left.
void check_space(const std::string& folder, const std::string& set_path, uint64_t bytes);

/// Throws RunError unless casacore can write the small files that describe a table in `folder`: it does so in
/// destructors, where an exception would end the program.
void check_flush(const std::string& folder, const std::string& set_path);

/// Keeps `object` until the process ends. For tables that cannot be written any more: casacore tries again in
/// destructors, and an exception there would end the program.
void abandon(std::shared_ptr<void> object) noexcept;

/// Checks that `path` is a MeasurementSet and opens it. Throws UserError or RunError.
casacore::Table open_measurement_set(const std::string& path, bool update);

/// Names of the columns that hold visibilities, "DATA, CORRECTED_DATA".
std::string data_columns(const casacore::Table& table);

bool same_direction(const Direction& a, const Direction& b);

/// Rotation of baselines from the frame of one phase centre to that of another: uvw' = R uvw.
using Rotation = std::array<std::array<double, 3>, 3>;
Rotation rotation_between(const Direction& from, const Direction& to);

int64_t count_rows(const RowRanges& ranges);
/// Unselected rows that are read along rather than skipped (autocorrelations, mostly).
inline constexpr int64_t kGap = 256;

/// Reads the rows of `ranges` of a scalar column.
template <class T>
void get_scalars(const casacore::ScalarColumn<T>& column, const RowRanges& ranges, T* out);
/// Reads the cells of `ranges` (all of the shape `cell`, fastest axis first) of an array column; `section`:
/// part of each.
template <class T>
void get_arrays(const casacore::ArrayColumn<T>& column, const RowRanges& ranges,
                const casacore::IPosition& cell, const casacore::Slicer* section, T* out);

inline casacore::RefRows ref_rows(const RowRanges& ranges) {
  casacore::Vector<casacore::rownr_t> slices(3 * ranges.size());
  for (size_t i = 0; i < ranges.size(); ++i) {
    slices[3 * i] = static_cast<casacore::rownr_t>(ranges[i].first);
    slices[3 * i + 1] = static_cast<casacore::rownr_t>(ranges[i].second - 1);
    slices[3 * i + 2] = 1;
  }
  return casacore::RefRows(slices, true);
}

inline casacore::Slicer row_slicer(const std::pair<int64_t, int64_t>& range) {
  return {casacore::IPosition(1, range.first), casacore::IPosition(1, range.second - range.first)};
}

template <class T>
void get_scalars(const casacore::ScalarColumn<T>& column, const RowRanges& ranges, T* out) {
  casacore::Vector<T> values(casacore::IPosition(1, count_rows(ranges)), out, casacore::SHARE);
  if (ranges.size() == 1) {
    column.getColumnRange(row_slicer(ranges[0]), values);
  } else {
    column.getColumnCells(ref_rows(ranges), values);
  }
}

template <class T>
void get_arrays(const casacore::ArrayColumn<T>& column, const RowRanges& ranges,
                const casacore::IPosition& cell, const casacore::Slicer* section, T* out) {
  casacore::IPosition shape = cell;
  shape.append(casacore::IPosition(1, count_rows(ranges)));
  casacore::Array<T> values(shape, out, casacore::SHARE);
  if (ranges.size() == 1) {
    if (section) {
      column.getColumnRange(row_slicer(ranges[0]), *section, values);
    } else {
      column.getColumnRange(row_slicer(ranges[0]), values);
    }
  } else if (section) {
    column.getColumnCells(ref_rows(ranges), *section, values);
  } else {
    column.getColumnCells(ref_rows(ranges), values);
  }
}

/// Row numbers, times and such of consecutive rows; kept between calls to reuse the memory.
struct RowBlock {
  std::vector<casacore::Int> antenna1, antenna2, field, data_desc;
  std::unique_ptr<bool[]> flag_row;
  std::vector<double> time, uvw;
  int64_t capacity = 0;
  void reserve(int64_t rows);
};

/// Columns of consecutive rows as they are stored.
struct RawBlock {
  RowBlock rows;
  std::vector<std::complex<float>> data;
  std::vector<float> weight;
  std::unique_ptr<bool[]> flag;
  int64_t flag_size = 0;
};

/// A set that is known by its description only.
struct DeclaredSet {
  std::vector<std::array<double, 3>> uvw_m;  ///< [time][antenna]
  int64_t times = 0, antennas = 0;
  Direction phase_centre;
  std::vector<std::pair<int, int>> pairs;  ///< antennas of a baseline
  std::vector<AveragedRow> averaged;       ///< its rows; empty: [time][antenna 1][antenna 2 > antenna 1]
  int64_t baselines() const { return antennas * (antennas - 1) / 2; }
  std::vector<ChunkSpec> scan(
      MeasurementSetInfo& info, int64_t target_visibilities, const std::optional<Direction>& centre,
      const std::function<void(const ChunkSpec&, View<const double, 2>)>& visit) const;
  void read_uvw(const ChunkSpec& chunk, const std::optional<Direction>& centre, View<double, 2> out) const;
  /// UVW of a baseline at a time, towards `phase_centre`.
  std::array<double, 3> baseline_uvw(int64_t time, size_t first, size_t second) const;
};

/// Which columns load_rows() reads.
struct RowNeeds {
  bool antennas = true, field = true, data_desc = true, time = true, flag_row = true, uvw = true;
};

}  // namespace fringeflow::io::detail

namespace fringeflow::io {

class GainLookup;

struct MeasurementSet::Impl {
  MeasurementSetInfo info;
  std::optional<detail::DeclaredSet> declared;           ///< then there is no table
  std::vector<std::shared_ptr<const GainLookup>> gains;  ///< that read() corrects for, the outermost first
  Selection selection;
  std::shared_ptr<std::mutex> mutex;
  casacore::Table table;
  detail::Subtables sub;
  detail::Tiling tiling;  ///< of the data column
  bool has_flag_row = false;

  casacore::ArrayColumn<casacore::Complex> data;
  casacore::ArrayColumn<casacore::Float> weight;
  casacore::ArrayColumn<casacore::Bool> flag;
  casacore::ArrayColumn<casacore::Double> uvw;
  casacore::ScalarColumn<casacore::Bool> flag_row;
  casacore::ScalarColumn<casacore::Int> antenna1, antenna2, field, data_desc;
  casacore::ScalarColumn<casacore::Double> time;

  // Left by scan(), a bit per row of the table: small columns cost casacore more time than large ones.
  bool scanned = false;
  std::vector<bool> row_counts, row_flagged;
  // Where one field and one data description leave nothing to select, scan() reads UVW only, and the small
  // columns are read (and looked at) with the first visibilities of a row, when there is computing to hide it.
  bool deferred = false;
  std::vector<bool> row_checked;

  detail::RowBlock rows;  ///< what load_rows() fills
  /// Buffers of read(), kept between calls: as many as there have been readers at a time.
  std::vector<std::unique_ptr<detail::RawBlock>> raw_blocks;
  int64_t cache_bytes = 0, bucket_cache_bytes = 0;  ///< what casacore may keep of tiled and other columns

  void attach();
  void select_fields();
  void select_windows();
  void choose_weights();
  void load_rows(const detail::RowRanges& ranges, const detail::RowNeeds& needs);
  /// What read() needs besides what scan() has left behind.
  detail::RowNeeds needs_of_read(bool antennas, bool times) const;
  /// Rows of one block for scan(), of which only UVW is needed in most cases if it is deferred.
  void load_rows_of_scan(const std::pair<int64_t, int64_t>& range);
  /// Loads rows for read(), with the small columns that scan() has left to it. Throws RunError.
  void load_rows_of_read(const detail::RowRanges& ranges, const detail::RowNeeds& needs);
  /// Throw RunError unless the subtables have what row `i` of the block points to.
  void check_antennas(size_t i, int64_t row) const;
  void check_field(size_t i, int64_t row) const;
  void check_data_description(size_t i, int64_t row) const;
  /// True if the row at `i` of the row block counts; after scan() it knows.
  bool selected(int64_t i, int64_t row) const;
  /// UVW of row `i` of the block in the frame of the image; also w_stored − w_image, the phase that the data
  /// need, in metres.
  double image_uvw(const detail::RowBlock& of, int64_t i, int64_t row,
                   const std::vector<std::optional<detail::Rotation>>& rotations, double* out) const;
  std::vector<std::optional<detail::Rotation>> rotations(const std::optional<Direction>& centre) const;
  /// Rows of the table's first integration: those before TIME changes.
  int64_t integration_rows() const;
  /// Bounds casacore's caches of tiles, that of the data to about `bytes`, and notes what they may take.
  void bound_caches(int64_t bytes);
  std::string name() const { return detail::in_quotes(info.path); }
};

}  // namespace fringeflow::io
