// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The task graph of gains that do not depend on direction. Solution intervals are independent: read_correlations and simulate, or index and
/// degrid for an image, -> accumulate, piece by piece through a ring of buffers, -> solve, several intervals in a task where they are small.
/// When all gains are known and on disk, they are applied: read_correlations -> apply_gains -> write_correlations.
#include <atomic>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "codelets/calibrate/calibrate.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#include "graphs/calibrate/calibrate.hpp"
#include "graphs/calibrate/sky.hpp"
#include "graphs/calibrate/solve_batch.hpp"
#include "graphs/predict/image_model.hpp"

namespace fringeflow::graphs {

/// Its functions in the order in which they are called, by one thread.
class Calibration {
 public:
  /// Of a set. Throws UserError or RunError.
  Calibration(const CalibrateJob& job, io::CorrelationSelection rows);
  /// Of rows that are made in memory.
  Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source, CalibrationData& data);
  /// Its graph is recorded: nothing is read, written or made.
  Calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> source);

  const std::string& path() const { return source_->info().path; }
  size_t units() const { return units_.size(); }
  int64_t slots() const;
  int64_t bytes() const;
  int64_t visibilities() const;

  /// Who solves decides how many intervals are solved in one task.
  void solve_on(const Solvers& solvers);
  void create(runtime::TaskSink& runtime);
  /// Each unit once, in order. Its solution is submitted with it or with a later one.
  void submit_unit(runtime::TaskSink& runtime, size_t number_of_unit);
  /// Submits the solutions of all units so far.
  void submit_solutions(runtime::TaskSink& runtime);
  /// After the solutions have been found.
  void submit_corrections(runtime::TaskSink& runtime);
  void flush() { access_->flush(); }
  int64_t newly_flagged() const { return flagged_; }

  /// Convergence, χ² and failures; throws NoSolution.
  void report(const runtime::Runtime& runtime) const;
  /// Solutions of all windows on one frequency axis.
  io::GainTable gains(const runtime::Runtime& runtime) const;

 private:
  /// Buffers for the pieces in flight.
  struct Slot : CalibrationBuffers {
    runtime::DataId model = -1, count = -1;
  };
  /// One solution interval of one window.
  struct Unit {
    io::IntervalRows rows;
    calibrate::Shape shape;
    runtime::DataId gains = -1, valid = -1, outcomes = -1;
    int32_t first_piece = 0;
  };
  struct Sizes {
    int64_t rows = 1, samples = 1, correlations = 1, sums = 1, pieces = 0, most_pieces = 1;
  };
  void plan();
  Sizes sizes() const;
  int64_t sum_buffers() const;
  void load_image(runtime::TaskSink& runtime);
  calibrate::Shape shape_of(int window) const;
  const Slot& slot_of(int32_t piece) const { return ring_[static_cast<size_t>(piece) % ring_.size()]; }
  void submit_read(runtime::TaskSink& runtime, const io::ChunkSpec& chunk, const Slot& slot, int32_t number);
  void submit_correction(runtime::TaskSink& runtime, const Unit& unit, const io::ChunkSpec& chunk,
                         const Slot& slot, int32_t number);

  const CalibrateJob& job_;
  Sky sky_;
  std::shared_ptr<io::CorrelationSource> source_;
  std::shared_ptr<io::CorrelationAccess> access_;  ///< the same; null where data come in memory
  CalibrationData* data_ = nullptr;
  std::map<std::tuple<int, double, double>, std::shared_ptr<const std::vector<SourceGroup>>> groups_;
  std::map<int, std::shared_ptr<const std::vector<double>>> frequencies_;
  int32_t number_ = 0;  ///< of the next piece
  std::vector<Unit> units_;
  std::vector<Slot> ring_;
  std::vector<runtime::DataId> sums_;
  int64_t batch_ = 1;            ///< intervals that one task solves
  std::vector<size_t> waiting_;  ///< units that are accumulated and to be solved by the next task
  runtime::DataId token_ = -1;
  int64_t stokes_ = 1, reference_ = -1;
  std::unique_ptr<ImageModel> image_;
  std::atomic<int64_t> flagged_{0};
};

}  // namespace fringeflow::graphs
