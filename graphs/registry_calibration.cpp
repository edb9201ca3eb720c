// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Stages that calibrate: calibrate, selfcal.
#include "graphs/registry_stages.hpp"

namespace fringeflow::graphs {

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
          "Rounds by direction come last, solve the data corrected for the gains before them, and each takes "
          "the "
          "place of the one before; their PREFIX-roundN-facets.reg has the facets. "
          "It ends after the last round, when one lowers the dynamic range (peak of the restored image / "
          "1.4826 x its median absolute deviation) by more than 5 %, or when one after the first finds no "
          "gains. Round N leaves PREFIX-roundN-*.fits "
          "and PREFIX-roundN-gains.h5, the best round PREFIX-*.fits, and the table of the rounds is "
          "PREFIX-selfcal.txt. No column of the sets is written, unless apply asks for one.",
      .section = "selfcal",
      .inputs = {{"image", PortType::image, "the output of a deconvolve stage"}},
      .outputs = {{"image", PortType::image, "the images of the best round"}},
      .options = {
          {.key = "rounds",
           .kind = Kind::text_list,
           .doc = "gains and interval of each round, KIND:INTERVAL, with KIND scalar-phase, phase, diagonal "
                  "or full, and then directions-scalar-phase, directions-phase, directions-diagonal or "
                  "directions-tec, whose images are made of facets; "
                  "0s is one solution for all times",
           .required = true,
           .example = "phase:60s,phase:16s,diagonal:120s"},
          {.key = "directions",
           .kind = Kind::text,
           .doc =
               "of rounds by direction: the model's components in so many clusters, or by the nearest of the "
               "directions in DS9 regions (FILE.reg)",
           .example = "7"},
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

}  // namespace fringeflow::graphs
