// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// SIMD targets that the transforms are compiled for: the portable baseline, AVX2, AVX-512, NEON. Include before Highway.
///
/// Left out are targets that add only compile time here, and those whose vectors have no size at compile time.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
