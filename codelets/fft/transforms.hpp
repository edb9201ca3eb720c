// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of the transforms: the steps of fft.hpp as tasks over strips.
#include <memory>
#include <string>
#include <vector>

#include "codelets/fft/fft.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::fft {

/// A range of y-blocks of a facet.
struct YStrip {
  int64_t block_begin = 0, block_end = 0;
};

/// Arguments of all steps. Buffers:
///   rows_to_sky      rows (write), store (read), store of strip - 1 (read; absent for strip 0)
///   columns_to_sky   image strip (write when `first`, else read-write), rows of every strip (read)
///   correct          pixels [y][x] float of this y-strip (write), image strip (read), sums of weights double[] (read)
///   uncorrect        image strip (write), model image [ny][nx] float of the whole image (read)
///   columns_to_grid  columns (write), image strip (read)
///   rows_to_grid     store (write), columns of every y-strip (read)
struct StepArgs {
  std::shared_ptr<const FacetPlan> plan;
  int64_t slab = 0, strip = 0;
  YStrip y{};
  std::vector<int64_t> y_strip_begin{};  ///< rows_to_grid: y-blocks of each y-strip
  bool first = false;
  bool divide_by_n = false;
  int64_t sum_index = 0;    ///< correct: which sum of weights normalises
  int64_t sums = 1;         ///< correct: number of sums; all zero is an error, one zero is a blank plane
  std::string data_name{};  ///< correct: what that error names
  int64_t image_nx = 0, image_ny = 0;  ///< uncorrect: extents of the whole image
};
const runtime::CodeletDef& rows_to_sky_codelet();
const runtime::CodeletDef& columns_to_sky_codelet();
const runtime::CodeletDef& correct_codelet();
const runtime::CodeletDef& uncorrect_codelet();
const runtime::CodeletDef& columns_to_grid_codelet();
const runtime::CodeletDef& rows_to_grid_codelet();

/// Bytes of the intermediate buffers, for either precision.
int64_t rows_bytes(const FacetPlan& plan, int64_t strip);
int64_t columns_bytes(const FacetPlan& plan, const YStrip& y);
int64_t image_strip_bytes(const FacetPlan& plan, const YStrip& y);
int64_t pixel_strip_bytes(const FacetPlan& plan, const YStrip& y);
int64_t scratch_bytes(const FacetPlan& plan);
/// y-strips of a facet: `target` of them, of whole y-blocks.
std::vector<YStrip> y_strips(const FacetPlan& plan, int64_t target);
/// Rows of the facet's image that a y-strip covers: [first, last).
std::pair<int64_t, int64_t> y_rows(const FacetPlan& plan, const YStrip& y);

}  // namespace fringeflow::fft
