// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The SIMD targets that kernels are compiled for: the portable baseline, AVX2, AVX-512, NEON. Include before Highway.
/// SSE has no fused multiply-add, SVE's vectors no size at compile time, and AVX-512's later extensions gain nothing here.
/// Sanitizer builds (FRINGEFLOW_ONE_SIMD_TARGET) do with AVX2 alone: the templates take minutes to instrument for each.
#ifdef FRINGEFLOW_ONE_SIMD_TARGET
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#else
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
