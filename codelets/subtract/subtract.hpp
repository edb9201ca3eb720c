// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// subtract: residual = observed - predicted, in the place of the predicted visibilities.
#include <complex>
#include <span>

#include "codelets/read/chunk.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

/// predicted[i] = observed[i] - predicted[i], Jy.
void subtract_cpu(std::span<const std::complex<float>> observed, std::span<std::complex<float>> predicted);

/// Buffers: predicted (read-write), chunk (read).
struct SubtractArgs {
  ChunkLayout layout;
};
const runtime::CodeletDef& subtract_codelet();

}  // namespace fringeflow
