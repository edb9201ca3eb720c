// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What an emulated observation is made of, and its tasks for a block of times: (screen) -> simulate -> (corrupt). The same whether
/// blocks are written to a MeasurementSet or handed to the next stage in memory.
#include <memory>
#include <string>
#include <vector>

#include "codelets/corrupt/corrupt_tasks.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#include "graphs/predict/image_model.hpp"
#include "io/catalogue.hpp"
#include "io/h5parm.hpp"
#include "io/observation_geometry.hpp"
#include "io/options_simulate.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::graphs {

class Emulator {
 public:
  /// Buffers of a block: uvw_m [row][3] double; tec, model and vis where their bytes are not 0.
  struct Buffers {
    runtime::DataId uvw = -1, tec = -1, model = -1, vis = -1;
  };
  struct Bytes {
    int64_t uvw = 0, tec = 0, model = 0, vis = 0;
    int64_t total() const { return uvw + tec + model + vis; }
  };

  /// Loads the sky and the layout and draws all that is random. Throws UserError.
  explicit Emulator(const SimulateJob& job);

  const io::NewMeasurementSet& set() const { return set_; }
  const io::ObservationGeometry& geometry() const { return geometry_; }
  /// "6 sources", for messages.
  std::string sky_text() const;
  int64_t stokes() const { return stokes_; }
  /// True when `vis` holds what was observed, [row][channel][correlation]; else it is `model`, [stokes][row][channel].
  bool corrupts() const {
    return instrument_->gains != nullptr || instrument_->noise_jy > 0 || !instrument_->bursts.empty();
  }
  bool has_flags() const { return job_.flags.any(); }
  /// Flags of all baselines of some times, [time and baseline][channel][correlation], 0 or 1. Several threads may call this at once.
  void flags(int64_t time, int64_t times, uint8_t* flag) const;
  /// What the truth takes in memory, at most.
  int64_t truth_bytes() const;

  Bytes bytes(int64_t times) const;
  Buffers create(runtime::TaskSink& sink, int64_t times) const;
  /// Before the first block of a graph, with all blocks in the order in which they are numbered (first time and count of times) and the
  /// number of buffers that they take in turn: an image is put on its grids.
  void begin(runtime::TaskSink& sink, const std::vector<std::pair<int64_t, int64_t>>& blocks, size_t slots);
  /// Submits the tasks of `times` times from `time` on, all baselines of each; uvw has been filled.
  void submit(runtime::TaskSink& sink, int64_t time, int64_t times, const Buffers& buffers,
              int32_t number) const;

  /// Gains, electrons and bursts that were put in; after all blocks are done. @return the files' names, empty when there is nothing to save
  std::string write_truth();

 private:
  void draw_truth();
  bool has_screen() const { return job_.screen.rms_tecu > 0; }
  std::shared_ptr<corrupt::RowKeys> keys(int64_t time, int64_t times) const;

  SimulateJob job_;
  io::SkyModel sky_;
  std::unique_ptr<ImageModel> image_;  ///< of the graph that is being made
  size_t slots_ = 1;
  io::NewMeasurementSet set_;
  io::ObservationGeometry geometry_;
  std::shared_ptr<const std::vector<double>> freq_, lmn_;
  std::shared_ptr<const std::vector<SourceGroup>> groups_;
  std::shared_ptr<corrupt::Instrument> instrument_ = std::make_shared<corrupt::Instrument>();
  std::shared_ptr<const std::vector<corrupt::ScreenWave>> waves_;
  std::shared_ptr<io::TecTable> tec_;
  io::GainTable gains_;
  int64_t stokes_ = 1;
};

}  // namespace fringeflow::graphs
