// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Stages that make and read data: simulate, predict, read.
#include "graphs/registry_stages.hpp"

namespace fringeflow::graphs {

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
          {.key = "averaging",
           .kind = Kind::text,
           .doc =
               "average in time, longer on shorter baselines: field=ANGLE[,smearing=0.01][,interval=60s], "
               "the diameter of the field, the share of its flux that a point at its edge may lose, and the "
               "longest average",
           .example = "field=2deg,smearing=0.01,interval=60s"},
          {.key = "seed", .kind = Kind::integer, .doc = "of all that is random", .fallback = "1", .min = 0},
          {.key = "output",
           .kind = Kind::output_path,
           .doc = "the new MeasurementSet",
           .required = true,
           .example = "sim.ms",
           .short_flag = "o"},
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

}  // namespace fringeflow::graphs
