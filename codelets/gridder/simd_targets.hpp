// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The SIMD targets that the gridder is compiled for; include before Highway. SSE has no fused multiply-add
/// and SVE's vectors no size at compile time; AVX-512 with its later extensions gains nothing over plain
/// AVX-512.

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
