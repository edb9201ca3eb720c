// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of restoring: fit_beam and restore.
#include "codelets/restore/restore.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::restore {

/// A beam in a buffer of fixed size; `known` is 0 for "no beam".
struct BeamBlock {
  int32_t known = 0;
  Beam beam;
};

/// Buffers: beam block (write), PSF [ny][nx] (read).
struct FitBeamArgs {
  int64_t nx = 0, ny = 0;
  double theoretical_pixels = 0;
};
const runtime::CodeletDef& fit_beam_codelet();

/// Buffers: image (write), model (read), residual (read), beam block (read). Without a beam the image is the
/// residual.
struct RestoreArgs {
  int64_t nx = 0, ny = 0;
};
const runtime::CodeletDef& restore_codelet();

}  // namespace fringeflow::restore
