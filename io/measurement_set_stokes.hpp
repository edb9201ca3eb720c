// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Correlations to Stokes parameters and back. Linear feeds: XX = I+Q, XY = U+iV, YX = U−iV, YY = I−Q;
/// circular feeds: RR = I+V, RL = Q+iU, LR = Q−iU, LL = I−V.
#include <complex>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/view.hpp"

namespace fringeflow::io {

/// One Stokes parameter as a·A + b·B of the correlations at `first` and `second` (the same twice if it is
/// stored alone).
struct StokesTerm {
  int first = 0, second = 0;
  std::complex<float> a, b;
  float weight_factor = 4;  ///< of min(weight A, weight B); 1 for a single correlation
};

/// How to form `stokes` (one of I, Q, U, V) from correlations with these CORR_TYPE codes, or nothing if they
/// do not allow it.
std::optional<StokesTerm> stokes_term(char stokes, std::span<const int> correlations);

/// "XX, XY, YX, YY"
std::string correlation_names(std::span<const int> correlations);

/// CORR_TYPE code of a correlation's name, 0 if there is none.
int correlation_code(const std::string& name);

/// What stokes_row() met, in channels.
struct StokesCounts {
  int64_t flagged = 0, not_finite = 0;
};

/// Forms one Stokes parameter of one row. A sample counts only if neither correlation is flagged, both and
/// their weights are finite and both weights are positive; else visibility and weight are zero.
/// @param data [channel][correlation]
/// @param weight [channel][correlation] if `weight_step` is the number of correlations, [correlation] if it
/// is 0
/// @param flag [channel][correlation]
/// @param vis,vis_weight [channel]
void stokes_row(const StokesTerm& term, int64_t channels, int64_t correlations,
                const std::complex<float>* data, const float* weight, int64_t weight_step, const bool* flag,
                std::complex<float>* vis, float* vis_weight, StokesCounts& counts);

/// Correlations of model visibilities.
/// @param stokes what `stokes_vis` holds, a subset of "IQUV" in that order
/// @param correlations CORR_TYPE codes: I..V, RR..LL or XX..YY
/// @param stokes_vis [stokes][row][channel]
/// @param vis [row][channel][correlation]
/// Throws UserError for other correlations.
void correlations_of(const std::string& stokes, std::span<const int> correlations,
                     View<const std::complex<float>, 3> stokes_vis, View<std::complex<float>, 3> vis);

}  // namespace fringeflow::io
