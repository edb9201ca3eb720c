// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/calibrate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "graphs/calibrate/calibration.hpp"
#include "graphs/calibrate/directions.hpp"
#include "graphs/calibrate/solution_axes.hpp"
#include "graphs/progress.hpp"
#include "graphs/recorder.hpp"
#include "graphs/run_record.hpp"
#include "io/error.hpp"
#include "io/gain_plot.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using graphs::Calibration;

void submit_all(Calibration& calibration, runtime::TaskSink& sink) {
  for (size_t i = 0; i < calibration.units() && !sink.failed(); ++i) calibration.submit_unit(sink, i);
  calibration.submit_solutions(sink);
}

/// Solutions of all units, written. After they are done.
io::GainTable finish(const CalibrateJob& job, const Calibration& calibration,
                     const runtime::Runtime& runtime) {
  calibration.report(runtime);
  io::GainTable table = calibration.gains(runtime);
  if (job.normalise && table.amplitudes) normalise_amplitudes(table);
  graphs::report_antennas(table);
  io::write_h5parm(job.output, table);
  if (job.plot)
    for (const auto& file : io::write_gain_plots(job.output, table)) spdlog::info("plot {}", file);
  const auto good = std::count(table.valid.begin(), table.valid.end(), 1);
  spdlog::info("{}: {} intervals x {} frequencies x {} antennas x {}, {:.1f} % flagged", job.output,
               table.times_s.size(), table.freq_hz.size(), table.antennas.size(), table.pols(),
               100 - 100 * static_cast<double>(good) / static_cast<double>(table.size()));
  return table;
}

struct Calibrated {
  io::GainTable gains;
  runtime::IoTime io;
};

/// @param record of the job, of which it then leaves a run directory; null: it is part of another one
Calibrated run(const CalibrateJob& job, const io::CorrelationSelection& rows, graphs::RunRecord* record) {
  Calibration calibration(job, rows);
  const auto start = std::chrono::steady_clock::now();
  if (record != nullptr) record->phase("planning");
  runtime::Runtime runtime(graphs::with_fxt_folder(job.runtime, graphs::run_prefix(job.output)));
  if (record != nullptr) record->phase("start");
  calibration.solve_on(graphs::Solvers::of(runtime.info()));
  calibration.create(runtime);
  Calibrated out;
  {
    const graphs::RunWatch watch(runtime, 0);
    submit_all(calibration, runtime);
    runtime.wait_all();
    out.gains = finish(job, calibration, runtime);
    if (!job.apply_column.empty()) {
      calibration.submit_corrections(runtime);
      runtime.wait_all();
      calibration.flush();
      spdlog::info("{}: column {} written; {} correlations more are flagged, for want of a solution",
                   calibration.path(), job.apply_column, calibration.newly_flagged());
    }
  }
  out.io = runtime::io_time(runtime.timeline());
  if (record != nullptr) {
    record->phase("graph");
    graphs::leave_run(graphs::run_prefix(job.output), job.workflow_text, *record, runtime,
                      calibration.visibilities());
  }
  runtime.learn();
  spdlog::info("calibrated in {:.2f} s",
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return out;
}

}  // namespace

void normalise_amplitudes(io::GainTable& table) {
  // Off-diagonal elements of matrices are leakage, not gain.
  const auto pols = static_cast<size_t>(table.pols());
  const auto is_gain = [&](size_t i) {
    return table.valid[i] != 0 && (pols != 4 || i % pols == 0 || i % pols == 3) &&
           std::abs(table.gains[i]) > 0;
  };
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 0; i < table.gains.size(); ++i)
    if (is_gain(i)) {
      sum += std::log(std::abs(table.gains[i]));
      ++count;
    }
  if (count == 0) return;
  const double mean = std::exp(sum / static_cast<double>(count));
  for (size_t i = 0; i < table.gains.size(); ++i)
    if (table.valid[i]) table.gains[i] /= mean;
}

namespace graphs {

struct CalibrationInMemory::Impl {
  Impl(const CalibrateJob& the_job, std::shared_ptr<io::CorrelationSource> source, CalibrationData& data)
      : job(the_job), calibration(job, std::move(source), data) {}
  CalibrateJob job;
  Calibration calibration;
};

CalibrationInMemory::CalibrationInMemory(const CalibrateJob& job,
                                         std::shared_ptr<io::CorrelationSource> source, CalibrationData& data)
    : impl_(std::make_unique<Impl>(job, std::move(source), data)) {}
CalibrationInMemory::~CalibrationInMemory() = default;
size_t CalibrationInMemory::units() const { return impl_->calibration.units(); }
int64_t CalibrationInMemory::slots() const { return impl_->calibration.slots(); }
int64_t CalibrationInMemory::bytes() const { return impl_->calibration.bytes(); }
void CalibrationInMemory::create(runtime::TaskSink& sink) { impl_->calibration.create(sink); }
void CalibrationInMemory::submit(runtime::TaskSink& sink, size_t unit) {
  impl_->calibration.submit_unit(sink, unit);
}
void CalibrationInMemory::submit_solutions(runtime::TaskSink& sink) {
  impl_->calibration.submit_solutions(sink);
}
void CalibrationInMemory::finish(const runtime::Runtime& runtime) {
  fringeflow::finish(impl_->job, impl_->calibration, runtime);
}

RecordedFacts record_calibration(const CalibrateJob& job, std::shared_ptr<io::CorrelationSource> declared,
                                 Recorder& recorder) {
  if (declared == nullptr) {
    io::CorrelationSelection rows;
    rows.column = job.column;
    rows.uv_m = job.uv_m;
    rows.uv_lambda = job.uv_lambda;
    declared = std::make_shared<io::CorrelationAccess>(job.ms, std::move(rows), "");
  }
  struct Owner {
    CalibrateJob job;
    Calibration calibration;
    Owner(const CalibrateJob& the_job, std::shared_ptr<io::CorrelationSource> source)
        : job(the_job), calibration(job, std::move(source)) {}
  };
  constexpr int64_t kProgram = int64_t{192} << 20;  // libraries, StarPU, scratch
  auto owner = std::make_shared<Owner>(job, std::move(declared));
  // As run() submits them, which waits for all solutions before it corrects.
  owner->calibration.create(recorder);
  submit_all(owner->calibration, recorder);
  if (!job.apply_column.empty()) {
    recorder.wait(static_cast<int64_t>(recorder.tasks().size()) - 1);
    owner->calibration.submit_corrections(recorder);
  }
  return {owner->calibration.visibilities(), kProgram + owner->calibration.bytes(), owner};
}

}  // namespace graphs

void warn_of_long_rows(const io::CorrelationAccess& data, double interval_s) {
  const auto [shortest_s, longest_s] = data.row_lengths_s();
  if (interval_s <= 0 || longest_s < 1.01 * interval_s || longest_s < 1.01 * shortest_s) return;
  spdlog::warn(
      "{}: averages of short baselines are up to {:g} s long: an interval of {:g} s has those whose "
      "middle is in it",
      data.info().path, longest_s, interval_s);
}

int64_t reference_antenna(const io::MeasurementSetInfo& info, const std::string& name) {
  if (name.empty()) return -1;
  std::vector<std::string> names;
  for (const auto& antenna : info.antennas) names.push_back(antenna.name);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw UserError(fmt::format("reference: '{}' has no antenna '{}'; it has {}", info.path, name,
                                fmt::join(names, ", ")));
  return found - names.begin();
}

runtime::IoTime run_calibrate(const CalibrateJob& job) {
  graphs::RunRecord record(job.runtime.trace);
  if (graphs::needs_directions(job)) return graphs::calibrate_directions(job, {}, &record).io;
  return run(job, {}, &record).io;
}

io::GainTable solve_gains(const CalibrateJob& job, const io::CorrelationSelection& rows) {
  if (graphs::needs_directions(job))
    return graphs::calibrate_directions(job, rows, nullptr).gains.tables.front();
  return run(job, rows, nullptr).gains;
}

}  // namespace fringeflow
