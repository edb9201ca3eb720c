// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Pieces of rows on their way from a set into the sums of a solution.
#include <memory>

#include "codelets/calibrate/calibrate_tasks.hpp"
#include "codelets/read/chunk.hpp"
#include "graphs/calibrate/calibrate.hpp"
#include "io/correlations.hpp"

namespace fringeflow::graphs {

/// @param samples rows x channels of the largest piece
inline CalibrationBuffers create_buffers(runtime::TaskSink& sink, int64_t rows, int64_t samples,
                                         int64_t correlations) {
  return {sink.create({"uvw", padded(rows * 24), 0}), sink.create({"antennas", padded(rows * 8), 0}),
          sink.create({"vis", padded(samples * correlations * 8), 0}),
          sink.create({"weight", padded(samples * correlations * 4), 0}),
          sink.create({"flag", padded(samples * correlations), 0})};
}

/// @param chunk outlives the task   @param token of the set, whose reads come one after the other
inline void submit_read_of(runtime::TaskSink& sink, std::shared_ptr<io::CorrelationAccess> access,
                           const io::ChunkSpec& chunk, int64_t correlations, const CalibrationBuffers& to,
                           runtime::DataId token, int32_t number) {
  using runtime::Access;
  auto read = [access = std::move(access), &chunk](io::CorrelationBuffers& out) { access->read(chunk, out); };
  sink.submit(runtime::make_task(
      calibrate::read_correlations_codelet(),
      calibrate::ReadCorrelationsArgs{chunk.rows, chunk.channels, correlations, std::move(read)},
      {{to.uvw, Access::write},
       {to.antennas, Access::write},
       {to.vis, Access::write},
       {to.weight, Access::write},
       {to.flag, Access::write},
       {token, Access::read_write}},
      {number}, 2));
}

}  // namespace fringeflow::graphs
