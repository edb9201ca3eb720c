// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// For the StarPU side of a codelet: `.cuda = FF_CUDA(body)` is the body in a build with CUDA and nothing in
/// one without.
#include "fringeflow_version.hpp"

#if FRINGEFLOW_HAVE_CUDA
#define FF_CUDA(body) body
#else
#define FF_CUDA(body) nullptr
#endif
