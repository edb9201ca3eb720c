// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/registry.hpp"

#include <numbers>

namespace fringeflow::graphs {
namespace {

// Ids of stages end up in messages beside option names: keep docs short, one sentence, the manual adds the
// type and the default.

StageSchema read_stage() {
  return {.name = "read",
          .doc = "reads visibilities, weights and flags of MeasurementSets",
          .details =
              "Rows, channels and the data column are selected here. A MeasurementSet is opened read-only "
              "and read in chunks; "
              "it may be far larger than memory. Several sets in one stage are imaged together.",
          .section = "inputs",
          .inputs = {{"ms", PortType::measurement_set,
                      "MeasurementSets: paths, $inputs.NAME, or a stage that makes one", true, true}},
          .outputs = {{"vis", PortType::visibilities, "the selected visibilities"}},
          .options = {
              {.key = "column",
               .kind = Kind::text,
               .doc = "data column; auto is CORRECTED_DATA where it exists, else DATA",
               .fallback = "auto",
               .aliases = {{"data_column"}},
               .example = "DATA"},
              {.key = "field",
               .kind = Kind::integer_list,
               .doc = "FIELD_IDs; without it the one field that has rows",
               .min = 0,
               .aliases = {{"fields"}},
               .example = "0"},
              {.key = "spw",
               .kind = Kind::integer_list,
               .doc = "SPECTRAL_WINDOW_IDs; without it all",
               .min = 0,
               .aliases = {{"spws"}},
               .example = "0,2"},
              {.key = "channels",
               .kind = Kind::integer_range,
               .doc = "channels of every spectral window, counted from 0",
               .aliases = {{"channel_range"}},
               .example = "0..63"},
              {.key = "time",
               .kind = Kind::time_range,
               .doc = "rows whose TIME (centre of the integration) lies in the range",
               .example = "2026-01-01T00:00:00..2026-01-01T01:00:00"},
              {.key = "uv_range",
               .kind = Kind::uv_range,
               .doc = "visibilities whose sqrt(u^2+v^2) lies in the range",
               .aliases = {{"uvrange"}},
               .example = "100..30000lambda"},
          }};
}

StageSchema simulate_stage() {
  constexpr double kMaxCount = 1e9;
  return {
      .name = "simulate",
      .doc = "makes a MeasurementSet of sources seen by a station layout",
      .details =
          "The visibilities are the direct Fourier sum over points and Gaussians, seen through a beam, an "
          "ionosphere and gains, with noise, where they are asked for. Whatever is random follows from the "
          "seed alone, not from workers or chunks. Gains and electrons that were put in are saved as "
          "OUTPUT-truth.h5 beside the set. The set is written tiled, with "
          "UVW = position(ANTENNA2) - position(ANTENNA1).",
      .section = "",
      .inputs = {},
      .outputs = {{"ms", PortType::measurement_set, "the MeasurementSet that is written"}},
      .options = {
          {.key = "layout",
           .kind = Kind::input_file,
           .doc = "stations, one a line: east, north[, up] in metres, or X, Y, Z (ITRF) without a position; "
                  "or a MeasurementSet whose antennas are used",
           .required = true,
           .example = "meerkat.layout.txt"},
          {.key = "position",
           .kind = Kind::input_file,
           .doc = "longitude and latitude of the origin of east and north, in degrees",
           .example = "meerkat.position.txt"},
          {.key = "sources",
           .kind = Kind::input_file,
           .doc = "component list (text, as DP3's and WSClean's), image (FITS, Jy/pixel), or catalogue (CSV, "
                  "VOTable, table in FITS) "
                  "with ra_deg, dec_deg, i_jy and optional q_jy, u_jy, v_jy, spectral_index, "
                  "spectral_curvature, "
                  "reference_frequency_hz, major_asec, minor_asec, pa_deg",
           .required = true,
           .example = "sky.csv"},
          {.key = "columns",
           .kind = Kind::text,
           .doc = "which column of the catalogue is what: KEY=COLUMN, KEY=COLUMN*FACTOR or KEY=NUMBER, "
                  "joined by commas; units that the "
                  "catalogue names are converted",
           .example = "ra_deg=RAJ2000,dec_deg=DEJ2000,i_jy=Fintwide,spectral_index=alpha,reference_frequency_"
                      "hz=200e6"},
          {.key = "start",
           .kind = Kind::time,
           .doc = "beginning of the first integration",
           .required = true,
           .example = "2026-01-01T00:00:00"},
          {.key = "times",
           .kind = Kind::integer,
           .doc = "integrations",
           .required = true,
           .min = 1,
           .max = kMaxCount,
           .example = "60"},
          {.key = "interval",
           .kind = Kind::quantity,
           .doc = "length of an integration",
           .fallback = "8s",
           .dimension = Dimension::duration,
           .min = 0,
           .above_min = true},
          {.key = "channels",
           .kind = Kind::integer,
           .doc = "spectral channels",
           .fallback = "1",
           .min = 1,
           .max = kMaxCount},
          {.key = "frequency",
           .kind = Kind::quantity,
           .doc = "centre of the first channel",
           .required = true,
           .dimension = Dimension::frequency,
           .min = 0,
           .above_min = true,
           .example = "1.3GHz"},
          {.key = "channel_width",
           .kind = Kind::quantity,
           .doc = "width and distance of the channels",
           .fallback = "1MHz",
           .dimension = Dimension::frequency,
           .min = 0,
           .above_min = true},
          {.key = "centre",
           .kind = Kind::direction,
           .doc = "phase centre, J2000",
           .required = true,
           .aliases = {{"center"}},
           .example = "30deg,-30deg"},
          {.key = "correlations",
           .kind = Kind::text_list,
           .doc = "correlations to write, linear or circular",
           .fallback = "XX,YY",
           .choices = {"XX", "XY", "YX", "YY", "RR", "RL", "LR", "LL"}},
          {.key = "autocorrelations",
           .kind = Kind::boolean,
           .doc = "write autocorrelations too",
           .fallback = "false"},
          {.key = "gains",
           .kind = Kind::text,
           .doc = "gains of the antennas: an h5parm, or effects joined by +, each KIND[:KEY=VALUE,...] of "
                  "constant, "
                  "walk, sinusoid, bandpass, leakage with amplitude, phase and time",
           .example = "walk:phase=60deg,time=5min+constant:amplitude=0.1"},
          {.key = "noise",
           .kind = Kind::text,
           .doc = "standard deviation of the real and of the imaginary part of a correlation, or sefd:FLUX: "
                  "SEFD / sqrt(2 x channel width x interval)",
           .example = "sefd:420Jy"},
          {.key = "tec",
           .kind = Kind::text,
           .doc = "turbulent ionosphere: rms in TECU, or rms=0.1,scale=20km,height=300km,speed=100 (m/s)",
           .example = "0.1"},
          {.key = "beam",
           .kind = Kind::text,
           .doc = "primary beam: gaussian:FWHM or cosine:FWHM of the power at the first channel, or a FITS "
                  "image of the "
                  "power",
           .example = "gaussian:1.1deg"},
          {.key = "rfi",
           .kind = Kind::text,
           .doc = "interference: bursts=N[,flux=100Jy][,duration=30s][,width=1MHz], exponential means of the "
                  "last two; saved as OUTPUT-rfi.csv",
           .example = "bursts=20,flux=50Jy"},
          {.key = "flags",
           .kind = Kind::text,
           .doc = "what is flagged: rfi (all that bursts are in), a share of the visibilities at random, or "
                  "both joined by +",
           .example = "rfi+0.05"},
          {.key = "smearing",
           .kind = Kind::choice,
           .doc = "what the width of a channel and the length of an integration take from sources off the "
                  "phase centre",
           .fallback = "none",
           .choices = {"none", "bandwidth", "time", "both"}},
          {.key = "seed", .kind = Kind::integer, .doc = "of all that is random", .fallback = "1", .min = 0},
          {.key = "output",
           .kind = Kind::output_path,
           .doc = "the new MeasurementSet",
           .required = true,
           .example = "sim.ms",
           .short_flag = "o"},
      }};
}

StageSchema image_stage() {
  return {
      .name = "image",
      .doc = "weights and grids visibilities: the dirty image and the point spread function",
      .details =
          "Improved w-stacking: accurate over the whole field, up to the hemisphere. A source at direction "
          "cosines (l, m) "
          "lands on pixel (NX/2 - l/cell, NY/2 + m/cell), counted from 0.",
      .section = "image",
      .inputs = {{"vis", PortType::visibilities, "what to image; several are imaged together", true, true}},
      .outputs = {{"image", PortType::image, "dirty image and point spread function"}},
      .options = {
          {.key = "size",
           .kind = Kind::size,
           .doc = "pixels, even; one number is a square",
           .required = true,
           .min = 16,
           .max = 65536,
           .range_text = "even, 16 .. 65536",
           .example = "4096"},
          {.key = "cell",
           .kind = Kind::quantity,
           .doc = "size of a pixel; size x cell may span the hemisphere (1.414 in l and m)",
           .required = true,
           .dimension = Dimension::angle,
           .min = 0,
           .max = 0.1,
           .above_min = true,
           .aliases = {{"scale"}},
           .range_text = "above 0, at most 0.1rad",
           .example = "1.5asec"},
          {.key = "weighting",
           .kind = Kind::weighting,
           .doc = "imaging weights; briggs:R with robustness R from -5 to 5",
           .fallback = "briggs:0",
           .min = -5,
           .max = 5,
           .aliases = {{"weight"}, {"robust", "briggs:"}},
           .range_text = "R from -5 to 5"},
          {.key = "taper",
           .kind = Kind::quantity,
           .doc = "Gaussian taper, its FWHM in the image; 0asec is none",
           .fallback = "0asec",
           .dimension = Dimension::angle,
           .min = 0,
           .max = std::numbers::pi,
           .range_text = "at least 0"},
          {.key = "accuracy",
           .kind = Kind::number,
           .doc = "relative L2 error of the gridder against the direct Fourier sum",
           .fallback = "1e-4",
           .min = 1e-13,
           .max = 0.1},
          {.key = "stokes",
           .kind = Kind::stokes,
           .doc = "Stokes parameters to image",
           .fallback = "I",
           .aliases = {{"pol"}},
           .example = "IQUV"},
          {.key = "channels_out",
           .kind = Kind::integer,
           .doc = "output channels, cleaned jointly; with several a combined image too",
           .fallback = "1",
           .min = 1,
           .max = 65536},
          {.key = "centre",
           .kind = Kind::direction,
           .doc = "another phase centre than the data's, J2000",
           .aliases = {{"center"}},
           .example = "30deg,-30deg"},
          {.key = "facet_gains",
           .kind = Kind::input_file,
           .doc =
               "gains (h5parm) of several directions: every pixel is imaged through those of the nearest one",
           .example = "directions.h5"},
          {.key = "facet_regions",
           .kind = Kind::input_file,
           .doc = "regions of DS9 whose centres take the place of the directions of facet_gains; of the same "
                  "name, or else the nearest",
           .example = "facets.reg"},
          {.key = "facets",
           .kind = Kind::integer,
           .doc = "facets per side; 0 leaves the choice to the planner",
           .fallback = "0",
           .min = 0,
           .max = 6},
          {.key = "divide_by_n",
           .kind = Kind::boolean,
           .doc = "divide the image by n = sqrt(1-l^2-m^2)",
           .fallback = "false"},
          {.key = "psf",
           .kind = Kind::boolean,
           .doc = "make the point spread function (cleaning always does)",
           .fallback = "true"},
      }};
}

StageSchema deconvolve_stage() {
  return {
      .name = "deconvolve",
      .doc = "cleans an image in major cycles: degrid the model, subtract it from the data, grid again",
      .details =
          "Cleaning stops at the threshold, at the number of iterations, or when nothing improves, whichever "
          "comes first; one "
          "of the first two must be given. With auto_mask the cleaned pixels are frozen once the residual "
          "falls below that "
          "many sigma, and cleaning goes on inside them down to the threshold.",
      .section = "clean",
      .inputs = {{"image", PortType::image, "an image stage's output"}},
      .outputs = {{"image", PortType::image, "model, residual and restored image, beside the dirty ones"}},
      .options = {
          {.key = "algorithm",
           .kind = Kind::choice,
           .doc = "minor cycle",
           .fallback = "clark",
           .choices = {"hogbom", "clark", "multiscale"},
           .aliases = {{"multiscale", "", "multiscale"}}},
          {.key = "iterations",
           .kind = Kind::integer,
           .doc =
               "components at most; 0 is no cleaning; without it only the threshold stops (at most 1000000)",
           .min = 0,
           .max = 1e9,
           .aliases = {{"niter"}},
           .range_text = "at least 0",
           .example = "20000"},
          {.key = "threshold",
           .kind = Kind::threshold,
           .doc = "stop when the residual's peak is below this flux, or this multiple of "
                  "its noise",
           .example = "3sigma"},
          {.key = "gain",
           .kind = Kind::number,
           .doc = "share of a peak that one iteration takes",
           .fallback = "0.1",
           .min = 0,
           .max = 1,
           .above_min = true},
          {.key = "major_gain",
           .kind = Kind::number,
           .doc = "share by which a major cycle lowers the peak",
           .fallback = "0.8",
           .min = 0,
           .max = 1,
           .above_min = true,
           .aliases = {{"mgain"}}},
          {.key = "major_cycles",
           .kind = Kind::integer,
           .doc = "major cycles at most",
           .fallback = "20",
           .min = 1,
           .max = 10000,
           .aliases = {{"nmiter"}}},
          {.key = "auto_mask",
           .kind = Kind::number,
           .doc = "freeze the mask of components at this many sigma; 0 is none",
           .fallback = "0",
           .min = 0,
           .max = 1000},
          {.key = "mask",
           .kind = Kind::input_file,
           .doc = "FITS image; only its non-zero pixels are cleaned",
           .aliases = {{"fits_mask"}},
           .example = "mask.fits"},
          {.key = "model",
           .kind = Kind::input_file,
           .doc = "FITS model (Jy/pixel) to continue from",
           .example = "old-model.fits"},
          {.key = "scales",
           .kind = Kind::number_list,
           .doc = "scales of multiscale in pixels; without it automatic",
           .min = 0,
           .max = 65536,
           .aliases = {{"multiscale_scales"}},
           .example = "0,4,8,16"},
          {.key = "scale_bias",
           .kind = Kind::number,
           .doc = "preference for small scales; smaller is stronger",
           .fallback = "0.6",
           .min = 0,
           .max = 1,
           .above_min = true},
      }};
}

StageSchema selfcal_stage() {
  return {
      .name = "selfcal",
      .doc =
          "self-calibrates: images, solves for gains against the model, corrects in memory, and images again",
      .details =
          "Each round solves the data against the model of the image before (the first against start_model, "
          "where that is given; components fainter than 10 x the noise are left out, and those of a source "
          "that is not told from a point become one), corrected for the "
          "latest gains of the other kind: phases, or amplitudes. "
          "It ends after the last round, or when one lowers the dynamic range (peak of the restored image / "
          "1.4826 x its median absolute deviation) by more than 5 %. Round N leaves PREFIX-roundN-*.fits "
          "and PREFIX-roundN-gains.h5, the best round PREFIX-*.fits, and the table of the rounds is "
          "PREFIX-selfcal.txt. No column of the sets is written, unless apply asks for one.",
      .section = "selfcal",
      .inputs = {{"image", PortType::image, "the output of a deconvolve stage"}},
      .outputs = {{"image", PortType::image, "the images of the best round"}},
      .options = {
          {.key = "rounds",
           .kind = Kind::text_list,
           .doc = "gains and interval of each round, KIND:INTERVAL, with KIND scalar-phase, phase, diagonal "
                  "or full; "
                  "0s is one solution for all times",
           .required = true,
           .example = "phase:60s,phase:16s,diagonal:120s"},
          {.key = "start_model",
           .kind = Kind::text,
           .doc = "model of the first round: point:FLUX in the phase centre, a catalogue (CSV), a component "
                  "list "
                  "(text) or an image (FITS); without it that of the uncalibrated image",
           .example = "point:1Jy"},
          {.key = "channels_per_solution",
           .kind = Kind::integer,
           .doc = "channels of a solution; 0 is all of a spectral window",
           .fallback = "0",
           .min = 0},
          {.key = "solve_uv_range",
           .kind = Kind::uv_range,
           .doc = "visibilities whose sqrt(u^2+v^2) lies in the range are fitted",
           .example = "200..15000lambda"},
          {.key = "reference",
           .kind = Kind::text,
           .doc = "antenna whose phases are 0; without it the first that has a solution",
           .example = "m000"},
          {.key = "normalise",
           .kind = Kind::boolean,
           .doc = "make the geometric mean of the amplitudes 1; without it yes, unless start_model is given"},
          {.key = "apply",
           .kind = Kind::text,
           .doc = "column for the data corrected by the best round; without it none is written",
           .example = "CORRECTED_DATA"},
          {.key = "plot",
           .kind = Kind::boolean,
           .doc = "PNGs of amplitude and phase of every antenna beside the gains",
           .fallback = "false"},
      }};
}

StageSchema write_stage() {
  return {.name = "write",
          .doc = "writes the FITS products, previews and the run directory",
          .details =
              "Products are PREFIX[-0000|-MFS][-I|-Q|-U|-V]-{dirty,psf,residual,model,image}.fits and the "
              "run directory PREFIX-run.",
          .section = "output",
          .inputs = {{"image", PortType::image, "what to write"}},
          .outputs = {},
          .options = {
              {.key = "prefix",
               .kind = Kind::output_path,
               .doc = "beginning of the products' names",
               .required = true,
               .aliases = {{"output"}},
               .example = "out/field",
               .short_flag = "o"},
              {.key = "png",
               .kind = Kind::boolean,
               .doc = "PNG previews beside the FITS files",
               .fallback = "true"},
          }};
}

StageSchema predict_stage() {
  return {
      .name = "predict",
      .doc = "fills a column of MeasurementSets with the visibilities of a model",
      .details = "Every other column stays as it is. A column that does not exist is made, tiled like DATA.",
      .section = "",
      .inputs = {{"ms", PortType::measurement_set, "MeasurementSets to fill", true, true}},
      .outputs = {{"ms", PortType::measurement_set, "the same sets, when the column is there"}},
      .options = {
          {.key = "model",
           .kind = Kind::input_file,
           .doc = "catalogue (CSV), image (FITS, Jy/pixel) or component list (text)",
           .required = true,
           .example = "sky.csv"},
          {.key = "column",
           .kind = Kind::text,
           .doc = "column to write",
           .fallback = "MODEL_DATA",
           .aliases = {{"data_column"}}},
          {.key = "accuracy",
           .kind = Kind::number,
           .doc = "relative L2 error of the degridder against the direct Fourier sum",
           .fallback = "1e-7",
           .min = 1e-13,
           .max = 0.1},
          {.key = "gains",
           .kind = Kind::input_file,
           .doc = "gains (h5parm) that the model is seen through; 0 where they are flagged",
           .example = "gains.h5"},
      }};
}

StageSchema calibrate_stage() {
  return {
      .name = "calibrate",
      .doc = "solves for the gains of a MeasurementSet's antennas against a model, and applies them",
      .details =
          "StEFCal for gains that do not depend on direction, one solution per interval of TIME and block of "
          "channels. The gains are "
          "written as h5parm. A solution that fails is flagged, never NaN: its weight is 0 and, with apply, "
          "its visibilities are flagged "
          "in FLAG and left as they were. Nothing is applied unless solutions were found.",
      .section = "",
      .inputs = {{"ms", PortType::measurement_set, "the MeasurementSet to calibrate", true, true}},
      .outputs = {{"ms", PortType::measurement_set, "the same set, when the gains are applied"}},
      .options = {
          {.key = "model",
           .kind = Kind::text,
           .doc = "point:FLUX in the phase centre, a catalogue (CSV), a component list (text) or an image "
                  "(FITS, "
                  "Jy/pixel)",
           .required = true,
           .example = "point:1Jy"},
          {.key = "solve",
           .kind = Kind::choice,
           .doc = "free gains: one phase for both hands, a phase per hand, a complex gain per hand, a Jones "
                  "matrix, or an electron content (phase -8.448e9 TEC / frequency)",
           .fallback = "diagonal",
           .choices = {"scalar-phase", "phase", "diagonal", "full", "tec"}},
          {.key = "interval",
           .kind = Kind::quantity,
           .doc =
               "length of a solution in TIME, counted from its first value; 0s is one solution for all times",
           .required = true,
           .dimension = Dimension::duration,
           .min = 0,
           .example = "16s"},
          {.key = "channels_per_solution",
           .kind = Kind::integer,
           .doc = "channels of a solution; 0 is all of a spectral window",
           .fallback = "0",
           .min = 0},
          {.key = "uv_range",
           .kind = Kind::uv_range,
           .doc = "visibilities whose sqrt(u^2+v^2) lies in the range are fitted",
           .aliases = {{"uvrange"}},
           .example = "200..15000lambda"},
          {.key = "column",
           .kind = Kind::text,
           .doc = "column to calibrate",
           .fallback = "DATA",
           .aliases = {{"data_column"}}},
          {.key = "reference",
           .kind = Kind::text,
           .doc = "antenna whose phases are 0; without it the first that has a solution",
           .example = "m000"},
          {.key = "plot",
           .kind = Kind::boolean,
           .doc = "PNGs of amplitude and phase of every antenna beside the gains",
           .fallback = "false"},
          {.key = "output",
           .kind = Kind::output_path,
           .doc = "the gains, an h5parm",
           .required = true,
           .example = "gains.h5",
           .short_flag = "o"},
          {.key = "apply",
           .kind = Kind::text,
           .doc = "column for the corrected data; without it gains are not applied",
           .example = "CORRECTED_DATA"},
          {.key = "directions",
           .kind = Kind::text,
           .doc = "gains of their own for parts of the model: a number of clusters of its components, or "
                  "FILE.reg, regions of DS9 to the nearest of whose directions components belong; without it "
                  "gains hold for the whole sky",
           .example = "7"},
          {.key = "solver",
           .kind = Kind::choice,
           .doc = "of gains with directions: one antenna and direction after the other, or all together "
                  "after that",
           .fallback = "iterative",
           .choices = {"iterative", "levenberg-marquardt"}},
          {.key = "smooth",
           .kind = Kind::quantity,
           .doc = "full width at half maximum of the Gaussian that gains are smoothed with in frequency; "
                  "0Hz: free",
           .fallback = "0Hz",
           .dimension = Dimension::frequency,
           .min = 0,
           .example = "4MHz"},
          {.key = "robust",
           .kind = Kind::number,
           .doc = "degrees of freedom of Student's t that residuals are taken to have, which makes outliers "
                  "count less; 0 is a normal distribution",
           .fallback = "0",
           .min = 0},
          {.key = "facets",
           .kind = Kind::output_path,
           .doc = "regions of DS9 for the Voronoi cells of the directions",
           .example = "facets.reg"},
      }};
}

}  // namespace

const std::vector<StageSchema>& stages() {
  static const std::vector<StageSchema> kStages{simulate_stage(), predict_stage(), calibrate_stage(),
                                                read_stage(),     image_stage(),   deconvolve_stage(),
                                                selfcal_stage(),  write_stage()};
  return kStages;
}

const StageSchema* find_stage(std::string_view name) {
  for (const StageSchema& stage : stages()) {
    if (stage.name == name) return &stage;
  }
  return nullptr;
}

const StageSchema* find_section(std::string_view section) {
  if (section.empty()) return nullptr;
  for (const StageSchema& stage : stages()) {
    if (stage.section == section) return &stage;
  }
  return nullptr;
}

std::vector<std::string> stage_names() {
  std::vector<std::string> names;
  for (const StageSchema& stage : stages()) names.push_back(stage.name);
  return names;
}

const SectionSchema& runtime_section() {
  static const SectionSchema kRuntime{
      "runtime",
      "where and how to run; nothing here changes the science",
      {
          {.key = "scheduler",
           .kind = Kind::scheduler,
           .doc = "scheduling policy of the compute workers",
           .fallback = "auto",
           .example = "dmda"},
          {.key = "cpus",
           .kind = Kind::count_or_auto,
           .doc = "compute workers on CPU cores",
           .fallback = "auto",
           .min = 1,
           .max = 256},
          {.key = "gpus",
           .kind = Kind::count_or_auto,
           .doc = "GPUs to use",
           .fallback = "auto",
           .min = 0,
           .max = 64},
          {.key = "io_workers",
           .kind = Kind::count_or_auto,
           .doc = "workers that read and write",
           .fallback = "auto",
           .min = 1,
           .max = 256},
          {.key = "memory",
           .kind = Kind::memory,
           .doc = "resident memory that is never exceeded; auto stays below the machine's limit",
           .fallback = "auto",
           .min = 64.0 * 1024 * 1024,
           .range_text = "at least 64MiB",
           .example = "2GiB"},
          {.key = "cache",
           .kind = Kind::text,
           .doc = "folder on a fast disk for a compact copy of visibilities that do not fit in memory, "
                  "written in the first "
                  "pass over them and read in later ones; auto: beside the products, if they have room; "
                  "none: the sets are "
                  "read again",
           .fallback = "auto",
           .example = "/scratch"},
          {.key = "pipeline",
           .kind = Kind::choice,
           .doc =
               "how simulate hands data to calibrate and image: files, one stage after the other through the "
               "MeasurementSet; memory, as one task graph that simulates while it solves and grids, and "
               "writes no set",
           .fallback = "files",
           .choices = {"files", "memory"}},
          {.key = "determinism",
           .kind = Kind::choice,
           .doc = "strict: the same bits whatever the workers; relaxed: the same within the accuracy",
           .fallback = "strict",
           .choices = {"strict", "relaxed"}},
          {.key = "trace",
           .kind = Kind::choice,
           .doc = "on: every task, read and write is recorded; fxt: StarPU's own trace too; off: neither, "
                  "and no reports",
           .fallback = "on",
           .choices = {"on", "off", "fxt"}},
      }};
  return kRuntime;
}

}  // namespace fringeflow::graphs
