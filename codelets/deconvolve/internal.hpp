// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the files of this folder share; not for others.
#include <cmath>
#include <memory>
#include <vector>

#include "codelets/deconvolve/convolver.hpp"
#include "codelets/deconvolve/deconvolve.hpp"

// Element-wise multiply, subtract and maximum give the same bits at every vector width.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FF_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FF_CLONES
#endif

namespace fringeflow::deconvolve {

/// rect grown by margin on every side, inside the image.
Rect expand(const Rect& rect, int64_t margin, int64_t ny, int64_t nx);

/// sum_c w_c r_c / sum_c w_c over channels of positive weight, [region.ny][region.nx]; NaN where any of them
/// is not finite.
void integrate(std::span<const Image> residual, std::span<const float> weights, const Rect& region,
               float* out);

/// Rows and columns [y_begin, y_end), [x_begin, x_end) of the full image where components of a scale may
/// stand: inside the border, and far enough from the edge for the whole kernel.
struct Limits {
  int64_t y_begin, y_end, x_begin, x_end;
};
Limits scale_limits(const MinorOptions& options, int scale, int64_t ny, int64_t nx);

/// Bit s: a component of scale s may be put here; [region.ny][region.nx]. Empty masks allow everything.
std::vector<uint16_t> allowed_scales(const MinorOptions& options, Mask mask, ScaleMask scale_mask,
                                     const Rect& region, int64_t ny, int64_t nx);

/// Convolution of a region with the scale kernels through one padded transform.
class ScaleSpace {
 public:
  ScaleSpace(const MinorOptions& options, int64_t least_ny, int64_t least_nx);
  const Fft2& fft() const { return fft_; }
  /// out = in x kernel_s^power / (py px) (out may be in), so that the unnormalised inverse transform is the
  /// convolution.
  void multiply(const Spectrum& in, int scale, int power, const Spectrum& out) const;

 private:
  Fft2 fft_;
  std::vector<std::vector<float>>
      kernels_;  ///< [scale > 0][py][px / 2 + 1]; symmetric kernels have real spectra
};

/// What the sub-minor loop works on: a region h x w of one scale.
struct SubMinor {
  int64_t h = 0, w = 0;
  std::vector<const float*> values;   ///< [channel][h][w], finite
  const float* integrated = nullptr;  ///< [h][w]; values[0] if there is one channel
  const uint16_t* allowed = nullptr;  ///< [h][w]
  uint16_t bit = 1;                   ///< of allowed
  std::vector<Image> psf;             ///< [channel], centre at (extent / 2)
  std::vector<float> weights;         ///< [channel], of sum 1
  float gain = 0.1f, threshold = 0, list_threshold = 0;
  bool allow_negative = true;
  int64_t max_iterations = 0, max_positions = 0;
  Rect counted;  ///< of the region: components elsewhere are cleaned for their sidelobes' sake, not counted
                 ///< and not returned
  bool (*cancelled)() = nullptr;
};
struct SubMinorResult {
  struct Entry {
    int32_t y, x;  ///< of the region
    bool counted;
  };
  std::vector<Entry> entries;
  std::vector<float> flux;  ///< [entry][channel]
  int64_t iterations = 0;   ///< counted ones
  float start = 0, left = 0;
  bool diverged = false, full = false;
};
/// Hogbom's loop on the list of pixels >= list_threshold, by PSF look-ups, until all of them are <=
/// threshold.
SubMinorResult sub_minor(const SubMinor& job);
/// Upper bound of its memory for a region.
int64_t sub_minor_bytes(int64_t h, int64_t w, int channels);

/// Whether subtracting n components pixel by pixel takes less time than two or three transforms of a padded size.
bool direct_is_cheaper(int64_t components, int64_t pixels, int64_t padded);

/// The private copy of a sub-image's residuals.
struct Work {
  Rect region;
  int channels = 0;
  std::vector<float> weights;                ///< of sum 1
  std::vector<std::vector<float>> residual;  ///< [channel][region]
  std::vector<float> integrated_store;       ///< with several channels only
  std::vector<uint16_t> allowed;
  const float* integrated() const { return channels == 1 ? residual[0].data() : integrated_store.data(); }
  void update_integrated();
};
/// residual -= flux x psf, entry by entry; psf [channel], centre at (extent / 2), NaN counts as zero. The
/// integrated image is the caller's.
void subtract_directly(Work& work, std::span<const Image> psf, const SubMinorResult& result);
Work make_work(const MinorOptions& options, const MinorInput& input, int64_t margin);
/// Adds entries that are inside input.rect to the list, merging with earlier ones through `slots` (-1: none
/// yet, per region pixel).
void emit(const Work& work, const MinorInput& input, const SubMinorResult& result, int scale,
          std::vector<int32_t>& slots, ComponentList out);

void clark(const MinorOptions& options, const MinorInput& input, ComponentList out);
void multiscale(const MinorOptions& options, const MinorInput& input, ComponentList out);
int64_t region_margin(const MinorOptions& options);

}  // namespace fringeflow::deconvolve
