// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Reading and writing MeasurementSets in chunks of whole tiles (casacore). What counts is imaging-anchors
/// 3d: WSClean's rule, with FLAG_ROW honoured.
#include <complex>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/options.hpp"
#include "io/row_order.hpp"
#include "io/view.hpp"

namespace fringeflow::io {

/// A spectral window as used: channels ascending or descending as stored, only those selected.
struct SpectralWindow {
  int id = 0;
  int64_t channel_begin = 0, channel_end = 0;  ///< of the stored channels, selected
  std::vector<double> freq_hz, width_hz;       ///< [selected channel]
  int data_desc_id = 0;                        ///< one window per data description in use
  int64_t correlations = 0;                    ///< stored
  int64_t rows = 0;                            ///< selected rows; known after scan()
};

struct Antenna {
  std::string name, station;
  double position_m[3] = {0, 0, 0};  ///< ITRF
  double diameter_m = 0;
};

/// What is known from subtables and the main table's description.
struct MeasurementSetInfo {
  std::string path;
  std::string column;  ///< data column in use
  bool column_was_auto = false;
  bool weight_spectrum = false;  ///< else WEIGHT
  Direction phase_centre;        ///< of the selected field
  std::string field_name, telescope, observer;
  double
      time_begin_s = 0,
      time_end_s =
          0;  ///< MJD UTC seconds, after scan(): of the selected rows (of a sample where nothing is selected)
  std::vector<Antenna> antennas;
  std::vector<SpectralWindow> windows;  ///< of the data descriptions that the selection allows
  int64_t rows = 0;                     ///< of the table
  int64_t tile_rows = 1;  ///< rows per tile of the data column; 1 if it is not tiled or in several shapes
  std::vector<std::string> notes;  ///< what the user ought to know, e.g. fields left out; grows in scan()
};

/// A piece of one MeasurementSet and one data description: its size is known after the scan, its content when
/// read.
struct ChunkSpec {
  int ms = 0;      ///< index into the list of sets
  int window = 0;  ///< index into MeasurementSetInfo::windows
  int data_desc_id = 0;
  std::vector<std::pair<int64_t, int64_t>>
      row_ranges;    ///< [begin, end) of table rows, ascending; unselected rows inside are dropped
  int64_t rows = 0;  ///< selected rows: extent of the arrays below
  int64_t channels = 0;
  int64_t stored_rows = 0;  ///< rows touched in the table
  int field = -1;           ///< FIELD_ID of all rows (chunks of a ColumnWriter), -1: any selected one
  Direction phase_centre;   ///< of that field
  RowOrder order;           ///< of the selected rows of row_ranges in the arrays, see group_times()
};

/// Chunks of about `target_visibilities` whose rows are in groups of up to `times` consecutive integrations of a baseline. Blocks of the
/// table in which not every integration has the same rows keep their order. The order of all rows does not depend on the target.
/// @param like what all chunks have in common   @param rows of the table, `integration_rows` for each integration
/// @param counts true for rows that are selected
std::vector<ChunkSpec> group_rows(const ChunkSpec& like, int64_t rows, int64_t integration_rows,
                                  int64_t times, int64_t target_visibilities,
                                  const std::function<bool(int64_t)>& counts);

/// Counts that the closing lines report; of rows x channels.
struct ReadStatistics {
  int64_t visibilities = 0;  ///< rows x channels of selected cross-correlations
  int64_t flagged =
      0;  ///< by FLAG or FLAG_ROW, not finite, or of a weight not above zero; outside the uv range too
  int64_t not_finite =
      0;              ///< of those flagged: not by FLAG or FLAG_ROW, but NaN or infinity in data or weight
  int64_t bytes = 0;  ///< of column payload read
};

/// Destination of read(): all preallocated with the extents of the ChunkSpec.
struct ChunkBuffers {
  View<double, 2> uvw_m;             ///< [row][3], rotated to the image's centre if one was asked
  View<std::complex<float>, 3> vis;  ///< [stokes][row][channel], Jy
  View<float, 3> weight;             ///< [stokes][row][channel], flags folded in as zero
  View<double, 1> time_s;            ///< [row] may be empty
  View<int32_t, 2> antennas;         ///< [row][2] may be empty
};

struct GainTable;
class GainLookup;

struct NewMeasurementSet;

/// Where visibilities to image come from, as far as planning needs to know: what there is, and UVW.
class VisibilitySource {
 public:
  virtual ~VisibilitySource() = default;
  virtual const MeasurementSetInfo& info() const = 0;
  /// Divides the rows into chunks of about `target_visibilities` (rows x channels) and calls visit(chunk, uvw_m[row][3]) for each.
  virtual std::vector<ChunkSpec> scan(
      int64_t target_visibilities, const std::optional<Direction>& centre,
      const std::function<void(const ChunkSpec&, View<const double, 2>)>& visit) = 0;
  /// After scan(): the same rows as group_rows() has them. Reads next to nothing. Empty: this source has no such order.
  virtual std::vector<ChunkSpec> group_times(int64_t times, int64_t target_visibilities) {
    (void)times, (void)target_visibilities;
    return {};
  }
  /// Target for group_times() where scan() was asked for chunks of `target_visibilities`.
  virtual int64_t grouped_target(int64_t times, int64_t target_visibilities) const {
    (void)times;
    return target_visibilities;
  }
  /// UVW again for chunks already known.
  virtual void read_uvw(const ChunkSpec& chunk, const std::optional<Direction>& centre,
                        View<double, 2> uvw_m) = 0;
};

/// An open MeasurementSet. Reading shares casacore's state: one call at a time per path is enforced by a
/// lock.
class MeasurementSet final : public VisibilitySource {
 public:
  /// Opens read-only and checks everything that subtables and file sizes can tell. Without a field in the
  /// selection, the fields with the phase centre of the table's first row count. Throws UserError: missing
  /// file, not an MS, missing column, unknown field or window, channel range outside; RunError: unreadable,
  /// truncated, no rows.
  MeasurementSet(const std::string& path, const Selection& selection);
  /// A set that does not exist yet, as simulate would write it: it can be planned with, its visibilities cannot be read. Of the
  /// selection, channels count. Throws UserError: what simulate would refuse; a selection of times.
  MeasurementSet(const std::string& path, const NewMeasurementSet& declared, const Selection& selection);
  ~MeasurementSet() override;
  MeasurementSet(MeasurementSet&&) noexcept;
  MeasurementSet& operator=(MeasurementSet&&) noexcept;
  const MeasurementSetInfo& info() const override;

  /// Throws UserError unless `stokes` can be formed from the correlations of every window.
  void check_stokes(const std::string& stokes) const;

  /// Divides the selected rows into chunks of about `target_visibilities` (rows x channels), whole tiles of
  /// the data column, one data description each, in table order; reads only UVW, TIME, antennas, FIELD_ID,
  /// DATA_DESC_ID, FLAG_ROW. Calls visit(chunk, uvw_m[row][3]) for each (UVW as read() will deliver it).
  /// Throws RunError: no rows, NaN or infinity in UVW (rows flagged by FLAG_ROW excepted, theirs is 0 then);
  /// UserError: selected fields with several phase centres and no `centre`.
  std::vector<ChunkSpec> scan(
      int64_t target_visibilities, const std::optional<Direction>& centre,
      const std::function<void(const ChunkSpec&, View<const double, 2>)>& visit) override;
  std::vector<ChunkSpec> group_times(int64_t times, int64_t target_visibilities) override;
  void read_uvw(const ChunkSpec& chunk, const std::optional<Direction>& centre,
                View<double, 2> uvw_m) override;

  /// TIME and antennas of the rows of a chunk. @param time_s [row]   @param antennas [row][2]
  void read_rows(const ChunkSpec& chunk, View<double, 1> time_s, View<int32_t, 2> antennas);
  /// Gains by this set's antennas. @param what their file, for messages. Throws UserError as correct_for() does.
  std::shared_ptr<const GainLookup> lookup(const GainTable& table, const std::string& what) const;

  /// Corrects what read() delivers for gains, in memory: one table after the other, the first is the outermost. Data without a valid
  /// gain are flagged. Throws UserError for gains of other antennas or feeds.
  void correct_for(std::span<const std::shared_ptr<const GainTable>> gains);

  /// Reads a chunk and forms Stokes parameters `stokes` (subset of "IQUV"). Selection by uv range is folded
  /// into the weights. Samples of weight zero have visibility zero. With `centre`, uvw and phases are those
  /// of that phase centre. Several threads may call this at once: casacore is called by one at a time.
  ReadStatistics read(const ChunkSpec& chunk, const std::string& stokes,
                      const std::optional<Direction>& centre, ChunkBuffers& out);

  /// Bytes that read() keeps between calls: its own buffers and casacore's tile caches, at most. Known after
  /// scan().
  int64_t buffer_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Checks that sets can be imaged together: same phase centre unless `centre` is given. Throws UserError.
void check_compatible(std::span<const std::shared_ptr<MeasurementSet>> sets,
                      const std::optional<Direction>& centre);

/// Bytes that children of this process have read so far to look at sets before it opened them: damaged ones end casacore.
int64_t bytes_read_by_probes();

/// Writes a column of an existing set (MODEL_DATA, CORRECTED_DATA), chunk by chunk; creates it, tiled like
/// DATA, if absent. Every other column stays as it is.
class ColumnWriter {
 public:
  /// Opens the set for writing. Throws UserError: not an MS, no right to write, a column that is not for
  /// models (DATA, FLAG, …); RunError: unreadable.
  ColumnWriter(const std::string& path, const std::string& column);
  ~ColumnWriter();
  ColumnWriter(const ColumnWriter&) = delete;
  ColumnWriter& operator=(const ColumnWriter&) = delete;

  /// Windows with all channels of all data descriptions; no selection.
  const MeasurementSetInfo& info() const;
  /// All rows of the table, autocorrelations included, in chunks of about `target_visibilities` (rows x
  /// channels), each of one data description and one field: ChunkSpec::phase_centre is the one that l and m
  /// of a model refer to.
  std::vector<ChunkSpec> chunks(int64_t target_visibilities);
  /// UVW as stored. Throws RunError for NaN or infinity (rows flagged by FLAG_ROW excepted, theirs is 0
  /// then).
  /// @param uvw_m [row][3]
  void read_uvw(const ChunkSpec& chunk, View<double, 2> uvw_m);
  /// CORR_TYPE codes of a chunk's rows.
  const std::vector<int>& correlations(const ChunkSpec& chunk) const;
  /// Who observed when. @param antennas [row][2] @param time_s [row], MJD UTC
  void read_keys(const ChunkSpec& chunk, View<int32_t, 2> antennas, View<double, 1> time_s);
  /// Writes visibilities as they are stored. @param vis [row][channel][correlation], Jy
  void write(const ChunkSpec& chunk, View<const std::complex<float>, 3> vis);
  /// Converts to the correlations of the chunk's rows, linear or circular, and writes them.
  /// @param stokes what stokes_vis holds: "I" or "IQUV"
  /// @param stokes_vis [stokes][row][channel], Jy, all rows of the chunk and all channels
  void write(const ChunkSpec& chunk, const std::string& stokes,
             View<const std::complex<float>, 3> stokes_vis);
  /// Writes casacore's caches to the disk: errors of a full disk come here at the latest. Throws RunError.
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A new, tiled MeasurementSet for simulated data.
struct NewMeasurementSet {
  std::vector<Antenna> antennas;
  std::vector<double> times_s;  ///< centroids, MJD UTC
  double interval_s = 0;
  std::vector<double> freq_hz;
  double channel_width_hz = 0;
  Direction phase_centre;
  std::string telescope = "Fringeflow", observer = "Fringeflow", field_name = "simulated";
  std::vector<std::string> correlations{"XX", "XY", "YX", "YY"};  ///< linear or circular, in this order
  bool autocorrelations = false;
  double sigma_jy = 0;  ///< of the noise, for SIGMA and the weights 1 / σ²; 0: weights and SIGMA are 1
  /// [baseline], integrations that become one row, powers of two (io/averaging.hpp); empty: every one is a row.
  std::vector<int32_t> averaging;
};

/// Consecutive rows of a new set.
struct RowBlock {
  std::vector<int32_t> antennas;                                   ///< [row][2]
  std::vector<double> time_s, centroid_s, interval_s, exposure_s;  ///< [row], MJD UTC and durations
  View<const double, 2> uvw_m;                                     ///< [row][3]
  View<const std::complex<float>, 3> vis;                          ///< [row][channel][correlation], Jy
  std::vector<uint8_t> flag;  ///< the same extents, 0 or 1; empty: nothing is flagged
  std::vector<float>
      samples;  ///< [row][channel], integrations in a visibility, that weights go with; empty: 1
};

class ObservationGeometry;

/// Creates the set under a temporary name beside `path`; rows are written time by time, in any order;
/// commit() renames it. Columns are tiled as telescopes write them: DATA, FLAG, WEIGHT_SPECTRUM, UVW, WEIGHT,
/// SIGMA.
class SimulationWriter {
 public:
  /// Throws UserError: `path` exists (unless `overwrite`), nonsense in the description; RunError: folder not
  /// writable, disk full.
  SimulationWriter(const std::string& path, const NewMeasurementSet& description, bool overwrite = false);
  ~SimulationWriter();  ///< removes the temporary set unless committed
  SimulationWriter(const SimulationWriter&) = delete;
  SimulationWriter& operator=(const SimulationWriter&) = delete;

  /// What FLAG will be; without it nothing is flagged. @param fill flags of a time, [baseline][channel][correlation], 0 or 1
  void flag_with(std::function<void(int64_t time_index, uint8_t* flag)> fill);
  /// Baselines and correlations of the set.
  const ObservationGeometry& geometry() const;
  /// Rows of one time.
  int64_t baselines() const;
  /// UVW of all baselines (antenna1 < antenna2, antenna1 slowest) at a time: position(antenna2) -
  /// position(antenna1), J2000, by casacore's measures. Several threads may call this at once.
  /// @param uvw_m [baseline][3]
  void uvw_m(int64_t time_index, View<double, 2> uvw_m) const;
  /// @param uvw_m [baseline][3]
  /// @param stokes what stokes_vis holds: "I" or "IQUV"
  /// @param stokes_vis [stokes][baseline][channel], Jy: converted to the set's correlations
  /// Throws RunError: disk full. One call at a time.
  void write_time(int64_t time_index, View<const double, 2> uvw_m, const std::string& stokes,
                  View<const std::complex<float>, 3> stokes_vis);
  /// The same for visibilities as they are stored.
  /// @param vis [baseline][channel][correlation], Jy
  void write_time(int64_t time_index, View<const double, 2> uvw_m, View<const std::complex<float>, 3> vis);
  /// Any rows, where `averaging` makes them other than those of one time. Throws RunError: disk full. One call at a time.
  void write_rows(int64_t first_row, const RowBlock& rows);
  /// The same for [stokes][row][channel], as in write_time(); `rows.vis` is not looked at.
  void write_rows(int64_t first_row, RowBlock rows, const std::string& stokes,
                  View<const std::complex<float>, 3> stokes_vis);
  /// Makes the set appear under its name. Throws RunError if a row has not been written or the disk is full.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fringeflow::io
