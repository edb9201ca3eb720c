// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a user may ask for, as plain typed values: filled from the workflow or the command line, consumed by the graph builders.
/// Units are in the names; defaults are the safe ones of the manual.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fringeflow {

/// A direction on the sky, J2000.
struct Direction {
  double ra_rad = 0, dec_rad = 0;
};

/// Closed range; either end may be open (not set).
struct Range {
  std::optional<double> begin, end;
};

/// Which rows, channels and column of the MeasurementSets count.
struct Selection {
  std::string column = "auto";  ///< CORRECTED_DATA when it exists, else DATA
  std::vector<int>
      fields;  ///< FIELD_IDs; empty: the first one that has rows when all share one centre, else an error
  std::vector<int> spws;  ///< SPECTRAL_WINDOW_IDs; empty: all
  std::optional<int64_t> channel_begin,
      channel_end;        ///< inclusive range of channels of every spectral window
  Range time_s;           ///< seconds, MJD UTC (TIME's scale)
  Range uv_m, uv_lambda;  ///< limits on sqrt(u^2+v^2)
};

enum class WeightingScheme { natural, uniform, briggs };

struct ImageOptions {
  int64_t nx = 0, ny = 0;
  double cell_rad = 0;
  WeightingScheme weighting = WeightingScheme::briggs;
  double robust = 0;
  double taper_rad = 0;  ///< FWHM of a Gaussian taper in the image, 0: none
  double accuracy = 1e-4;
  std::string stokes = "I";  ///< a subset of IQUV in that order
  int64_t channels_out = 1;
  std::optional<Direction> centre;  ///< another phase centre than the data's
  int facets = 0;                   ///< per side, 0: chosen
  bool divide_by_n = false;
  bool psf = true;  ///< also make the point spread function
  std::string
      facet_gains;  ///< h5parm with directions, each of which holds for the pixels nearest to it; empty: none
  std::string
      facet_regions;  ///< DS9 regions whose centres are used instead of the directions of the gains; empty: none
};

enum class CleanAlgorithm { hogbom, clark, multiscale };
enum class ThresholdKind { none, jansky, sigma };

struct DeconvolveOptions {
  CleanAlgorithm algorithm = CleanAlgorithm::clark;
  int64_t iterations = 0;  ///< 0: dirty image and PSF only
  ThresholdKind threshold_kind = ThresholdKind::none;
  double threshold = 0;  ///< Jy/beam or sigmas
  double gain = 0.1, major_gain = 0.8;
  int64_t major_cycles = 20;
  double auto_mask_sigma = 0;         ///< 0: none
  std::string mask_file;              ///< FITS, non-zero pixels are cleaned
  std::string model_file;             ///< FITS model to continue from
  std::vector<double> scales_pixels;  ///< empty: automatic
  double scale_bias = 0.6;
};

struct WriteOptions {
  std::string prefix;
  bool png = true;
};

/// 'auto' is -1 for counts, 0 for memory.
struct RuntimeOptions {
  std::string scheduler = "auto";
  std::vector<std::string> scheduler_parameters;  ///< "beta=2" (runtime/scheduler_parameters.hpp)
  int cpus = -1, gpus = -1, io_workers = -1;
  int64_t memory_bytes = 0;
  std::string cache = "auto";  ///< folder of the visibilities' copy, "auto" or "none"
  bool strict = true;
  bool trace = true;       ///< record every task, reads and writes
  bool fxt = false;        ///< StarPU's own trace (FxT) as well
  std::string fxt_folder;  ///< where it goes: the run directory
};

struct SimulateJob;

/// One imaging job: MeasurementSets in, images out.
struct ImagingJob {
  std::string name;
  std::vector<std::string> ms;
  /// Stages of the same workflow that make some of `ms`: a forecast plans with what they declare where a set is not there yet.
  std::vector<std::shared_ptr<const SimulateJob>> made_by;
  bool plan_as_declared = false;  ///< even where such a set is there: forecasts
  Selection selection;
  ImageOptions image;
  DeconvolveOptions deconvolve;
  WriteOptions write;
  RuntimeOptions runtime;
  std::string workflow_text;  ///< resolved long form, for HISTORY and the run directory
  std::string command_line;
};

}  // namespace fringeflow
