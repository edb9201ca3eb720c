// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <memory>

#include "graphs/forecast/recorded_facts.hpp"
#include "io/correlations.hpp"
#include "io/h5parm.hpp"
#include "io/options_calibrate.hpp"
#include "runtime/codelet.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow {

/// Solves for direction-independent gains, writes them as h5parm and, when asked, corrects the data. Nothing is applied unless solutions
/// were found and written. Throws UserError or RunError.
/// @return the time of its tasks for reading and writing
runtime::IoTime run_calibrate(const CalibrateJob& job);

/// The same for a part of the rows, or on top of other gains; the column and the uv range are those of the job.
/// @return the gains, with the bounds of their intervals
io::GainTable solve_gains(const CalibrateJob& job, const io::CorrelationSelection& rows);

namespace runtime {
class Runtime;
}

namespace graphs {

class Recorder;

/// Buffers of a piece of rows on its way through the calibrator, as read_correlations fills them.
struct CalibrationBuffers {
  runtime::DataId uvw = -1, antennas = -1, vis = -1, weight = -1, flag = -1;
};

/// The tasks of a job that does not solve by direction into a recorder. @param declared the set where it is not there yet; null: it is
/// looked at. Throws UserError.
RecordedFacts record_calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> declared,
                                 Recorder& recorder);

/// Where data come from and go to that are not in a MeasurementSet.
class CalibrationData {
 public:
  virtual ~CalibrationData() = default;
  /// Submits what fills the buffers. @param slot number of these buffers, below CalibrationInMemory::slots()
  virtual void submit_data(runtime::TaskSink& sink, const io::ChunkSpec& piece, size_t slot,
                           const CalibrationBuffers& buffers, int32_t number) = 0;
  /// Submits what takes vis and flag, corrected when the job has an apply_column, before the buffers are used again.
  virtual void submit_onwards(runtime::TaskSink& sink, const io::ChunkSpec& piece,
                              const CalibrationBuffers& buffers, int32_t number) = 0;
};

/// The calibrator as a part of a larger graph.
class CalibrationInMemory {
 public:
  /// Divides the source. Throws UserError.
  CalibrationInMemory(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source,
                      CalibrationData& data);
  ~CalibrationInMemory();
  /// Solution intervals, each of one spectral window, in the order of time.
  size_t units() const;
  int64_t slots() const;
  /// Of all buffers.
  int64_t bytes() const;
  void create(runtime::TaskSink& sink);
  /// Each unit once, in order. What solves a unit and hands it onwards may wait for the next ones, to be one task with theirs.
  void submit(runtime::TaskSink& sink, size_t unit);
  /// Of all units so far.
  void submit_solutions(runtime::TaskSink& sink);
  /// Writes the gains. Throws RunError when there are none.
  void finish(const runtime::Runtime& runtime);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace graphs
/// Geometric mean of the valid amplitudes over everything becomes 1; leakage does not count.
void normalise_amplitudes(io::GainTable& table);

/// Number of the antenna with this name, −1 for an empty one. Throws UserError.
int64_t reference_antenna(const io::MeasurementSetInfo& info, const std::string& name);

/// Says so when averages of several lengths are longer than what is solved for: a row counts where its middle is.
void warn_of_long_rows(const io::CorrelationAccess& data, double interval_s);

}  // namespace fringeflow
