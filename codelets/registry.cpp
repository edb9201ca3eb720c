// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/registry.hpp"

#include "codelets/average/average.hpp"
#include "codelets/calibrate/calibrate_tasks.hpp"
#include "codelets/calibrate/directions_tasks.hpp"
#include "codelets/compress/compress.hpp"
#include "codelets/corrupt/corrupt_tasks.hpp"
#include "codelets/deconvolve/clean.hpp"
#include "codelets/degrid/degrid.hpp"
#include "codelets/facet/facet.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/grid/grid.hpp"
#include "codelets/gridder/gridder.hpp"
#include "codelets/handover/handover.hpp"
#include "codelets/image/image.hpp"
#include "codelets/read/cache.hpp"
#include "codelets/read/read.hpp"
#include "codelets/resample/refine.hpp"
#include "codelets/restore/restore_tasks.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#include "codelets/subtract/subtract.hpp"
#include "codelets/weight/weigh.hpp"
#include "codelets/write/visibilities.hpp"
#include "codelets/write/write.hpp"

namespace fringeflow {

std::vector<const runtime::CodeletDef*> all_codelets() {
  return {&uvw_codelet(),
          &corrupt::screen_codelet(),
          &simulate_codelet(),
          &corrupt::corrupt_codelet(),
          &average::average_codelet(),
          &handover::to_correlations_codelet(),
          &handover::calibration_rows_codelet(),
          &handover::geometry_codelet(),
          &handover::to_stokes_codelet(),
          &write_rows_codelet(),
          &calibrate::read_correlations_codelet(),
          &calibrate::accumulate_codelet(),
          &calibrate::solve_codelet(),
          &calibrate::accumulate_directions_codelet(),
          &calibrate::solve_directions_codelet(),
          &calibrate::apply_codelet(),
          &facet::divide_codelet(),
          &facet::multiply_codelet(),
          &facet::stitch_codelet(),
          &facet::cut_codelet(),
          &calibrate::write_correlations_codelet(),
          &read_codelet(),
          &keep_codelet(),
          &recall_codelet(),
          &weight::density_codelet(),
          &weight::density_summary_codelet(),
          &weight::weigh_codelet(),
          &weight::sum_weights_codelet(),
          &gridder::compress_codelet(),
          &gridder::index_codelet(),
          &gridder::clear_codelet(),
          &gridder::grid_codelet(),
          &fft::rows_to_sky_codelet(),
          &fft::columns_to_sky_codelet(),
          &fft::correct_codelet(),
          &image::assemble_codelet(),
          &resample::refine_codelet(),
          &image::combine_codelet(),
          &image::zero_codelet(),
          &image::fill_codelet(),
          &deconvolve::far_sidelobe_codelet(),
          &deconvolve::find_peak_codelet(),
          &deconvolve::statistics_codelet(),
          &deconvolve::decide_codelet(),
          &deconvolve::minor_codelet(),
          &deconvolve::share_iterations_codelet(),
          &deconvolve::minor_again_codelet(),
          &deconvolve::apply_components_codelet(),
          &fft::uncorrect_codelet(),
          &fft::columns_to_grid_codelet(),
          &fft::rows_to_grid_codelet(),
          &gridder::degrid_codelet(),
          &gridder::expand_codelet(),
          &subtract_codelet(),
          &restore::fit_beam_codelet(),
          &restore::restore_codelet(),
          &write_codelet(),
          &preview_codelet()};
}

}  // namespace fringeflow
