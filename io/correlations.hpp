// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Visibilities of a MeasurementSet as stored, correlation by correlation, in solution intervals of TIME: what calibration reads and
/// writes. (MeasurementSet forms Stokes parameters.)
#include <memory>
#include <string>
#include <vector>

#include "io/h5parm.hpp"
#include "io/measurement_set.hpp"
#include "io/view.hpp"

namespace fringeflow::io {

/// All rows of one data description in one interval of TIME, in pieces of one field each.
struct IntervalRows {
  int64_t interval = 0;  ///< index into CorrelationAccess::interval_times_s()
  int window = 0;        ///< index into MeasurementSetInfo::windows
  std::vector<ChunkSpec> chunks;
};

/// Destination of read(): preallocated with the extents of the chunk.
struct CorrelationBuffers {
  View<double, 2> uvw_m;             ///< [row][3]; 0 where a row of FLAG_ROW is not finite
  View<int32_t, 2> antennas;         ///< [row][2]
  View<std::complex<float>, 3> vis;  ///< [row][channel][correlation], as stored
  View<float, 3>
      weight;  ///< the same extents; 0 for flagged samples, autocorrelations and those outside the uv range
  View<uint8_t, 3>
      flag;  ///< the same extents; FLAG as stored, without FLAG_ROW, and set where a gain to correct for is missing
};

/// Which visibilities count.
struct CorrelationSelection {
  std::string column = "DATA";
  Range uv_m, uv_lambda;          ///< limits on sqrt(u^2+v^2)
  std::vector<int> fields, spws;  ///< FIELD_IDs and SPECTRAL_WINDOW_IDs; empty: all
  Range time_s;                   ///< of TIME
  /// Corrected for while reading, the first is the outermost.
  std::vector<std::shared_ptr<const GainTable>> gains = {};
};

/// Data to calibrate as far as planning needs to know them: what there is, its division into solution intervals, and UVW.
class CorrelationSource {
 public:
  virtual ~CorrelationSource() = default;
  /// Windows with all channels of all data descriptions; rows of each after divide().
  virtual const MeasurementSetInfo& info() const = 0;
  /// CORR_TYPE codes of a window.
  virtual const std::vector<int>& correlations(int window) const = 0;
  /// Divides all rows, autocorrelations included, into intervals [t0 + k·interval, t0 + (k+1)·interval) of TIME, t0 its first value;
  /// chunks have about `target_visibilities` (rows x channels). An interval of 0 s is all times. Throws UserError when the interval is
  /// longer than the data, RunError for indices outside their subtables.
  virtual std::vector<IntervalRows> divide(double interval_s, int64_t target_visibilities) = 0;
  /// Middle of the times in each interval that has rows, MJD UTC seconds, ascending; known after divide().
  virtual const std::vector<double>& interval_times_s() const = 0;
  /// First and last time of each.
  virtual const std::vector<std::pair<double, double>>& interval_bounds_s() const = 0;
  /// UVW as stored, 0 where it is not finite. @param uvw_m [row][3]
  virtual void read_uvw(const ChunkSpec& chunk, View<double, 2> uvw_m) = 0;
};

/// One call at a time per path is enforced by a lock.
class CorrelationAccess final : public CorrelationSource {
 public:
  /// Opens the set; with an `output` column also for writing that column (created, tiled like DATA, if absent) and FLAG. Throws
  /// UserError: not an MS, missing column, no right to write, a column that is not for results; RunError: unreadable, no rows.
  CorrelationAccess(const std::string& path, CorrelationSelection selection, const std::string& output);
  ~CorrelationAccess() override;
  CorrelationAccess(const CorrelationAccess&) = delete;
  CorrelationAccess& operator=(const CorrelationAccess&) = delete;

  const MeasurementSetInfo& info() const override;
  const std::vector<int>& correlations(int window) const override;
  std::vector<IntervalRows> divide(double interval_s, int64_t target_visibilities) override;
  const std::vector<double>& interval_times_s() const override;
  const std::vector<std::pair<double, double>>& interval_bounds_s() const override;
  /// Shortest and longest INTERVAL of the rows; known after divide().
  std::pair<double, double> row_lengths_s() const;
  void read_uvw(const ChunkSpec& chunk, View<double, 2> uvw_m) override;

  void read(const ChunkSpec& chunk, CorrelationBuffers& out);
  /// Writes the output column, and FLAG if `flags_changed`. Extents as in CorrelationBuffers.
  void write(const ChunkSpec& chunk, View<const std::complex<float>, 3> vis, View<const uint8_t, 3> flag,
             bool flags_changed);
  /// Writes casacore's caches to the disk. Throws RunError.
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fringeflow::io
