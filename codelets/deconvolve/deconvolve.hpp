// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// deconvolve: residual images and PSFs -> list of components, the minor loop of a Cotton-Schwab CLEAN.
///
/// One major cycle is
///   find_peak (per sub-image), robust_statistics  ->  decide  ->  minor_cycle (per sub-image)  ->
///   apply_components, absorb,
/// after which the caller predicts the model and recomputes the residual exactly.
///
/// Model (Jy/pixel) = sum over components of flux_c x kernel_s(pixel - position), kernel_0 = one pixel,
/// kernel_s of unit sum. Images are float [y][x] of one size ny x nx; several output channels are cleaned
/// jointly: peaks are searched in sum_c w_c r_c / sum_c w_c and each channel's component takes its own
/// channel's value there. NaN pixels are ignored everywhere. PSFs have the images' size, their peak (ny/2,
/// nx/2) is 1. Everything depends on data and options alone, never on threads.
///
/// Sources: Hogbom 1974; Clark 1980; Offringa & Smirnov 2017 (multiscale with bias and sub-minor loop).
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "io/view.hpp"

namespace fringeflow::deconvolve {

inline constexpr int kMaxScales = 16;
using Image = View<const float, 2>;
using Mask = View<const uint8_t, 2>;        ///< non-zero: may be cleaned; empty view: everything may
using ScaleMask = View<const uint16_t, 2>;  ///< bit s: a component of scale s may stand here

struct Rect {
  int64_t y0 = 0, x0 = 0, ny = 0, nx = 0;
  bool contains(int64_t y, int64_t x) const { return y >= y0 && y < y0 + ny && x >= x0 && x < x0 + nx; }
};

enum class Algorithm : int32_t { hogbom, clark, multiscale };
enum class Shape : int32_t { tapered_quadratic, gaussian };

/// What a minor loop does. POD of fixed size: it may lie in a task's argument.
struct MinorOptions {
  Algorithm algorithm = Algorithm::clark;
  Shape shape = Shape::tapered_quadratic;
  float gain = 0.1f;
  int32_t allow_negative = 1;  ///< search |peak|
  float border = 0.0f;  ///< fraction of the image's width and height along each edge where nothing is cleaned
  float scale_gain = 0.2f;  ///< multiscale: one scale is cleaned until its peak has dropped by this fraction
  float scale_bias =
      0.6f;  ///< multiscale: smaller prefers small scales less; weight of scale s: bias^(-log2(s / (2 b)))
  float beam_pixels = 3.0f;  ///< multiscale: b, FWHM of the theoretical beam 1/max|uv|, pixels
  int32_t scales = 1;        ///< number of entries of scale_pixels (1 for hogbom and clark)
  std::array<float, kMaxScales> scale_pixels{};  ///< ascending, the first is 0
};

/// Scales 0, 4b, 8b, ... below half of the smaller image side; at most max_scales (and kMaxScales).
void automatic_scales(MinorOptions& options, int64_t ny, int64_t nx, int max_scales = kMaxScales);
/// The weight that a peak of scale s has against the other scales; 1 for scale 0.
float scale_weight(const MinorOptions& options, int scale);
/// Pixels from the centre of the kernel to its last one: the kernel is [2 r + 1][2 r + 1].
int64_t kernel_radius(const MinorOptions& options, int scale);
/// The kernel of a scale, [2 r + 1][2 r + 1], unit sum.
std::vector<float> scale_kernel(const MinorOptions& options, int scale);

/// The whole image up to 2048 x 2048, beyond that a grid of about 1024 to 1448 pixels a side (at least 4 of
/// the largest kernels). A function of the size and the scales alone.
std::vector<Rect> sub_images(const MinorOptions& options, int64_t ny, int64_t nx);

/// ---- statistics
/// -------------------------------------------------------------------------------------------------------------

/// Largest (weighted) pixel of a sub-image; value is |peak| or the largest positive pixel; 0 where nothing
/// may be cleaned.
struct Peak {
  float value = 0;         ///< under border and user mask
  float masked_value = 0;  ///< under the scale mask as well; 0 without one
  int32_t scale = 0;
  int32_t y = 0, x = 0;
};
/// hogbom, clark: peak of the integrated residual. multiscale: largest weighted peak of the residual
/// convolved with every kernel.
/// @param residual [channel] images [y][x], Jy/beam; weights [channel]
Peak find_peak(const MinorOptions& options, std::span<const Image> residual, std::span<const float> weights,
               Mask mask, ScaleMask scale_mask, const Rect& rect);
Peak larger(const Peak& a, const Peak& b);

/// Exact median and 1.4826 x median absolute deviation of the finite pixels of the integrated image, Jy/beam.
struct Robust {
  double median = 0, sigma = 0;
  int64_t finite = 0;
};
Robust robust_statistics(std::span<const Image> residual, std::span<const float> weights);

/// max |psf| of pixels farther than half_ny or half_nx from its centre: what another sub-image's source can
/// fake, relative to it.
float far_sidelobe(Image psf, int64_t half_ny, int64_t half_nx);

/// ---- components
/// -------------------------------------------------------------------------------------------------------------

enum ComponentFlag : int32_t {
  kReached = 1,   ///< the peak is at or below the threshold that was asked for
  kDiverged = 2,  ///< peaks grew; what made them grow was dropped
  kFull = 4,      ///< the list's capacity ended the loop
  kRaised = 8,    ///< the threshold was raised because of far sidelobes
};
struct ComponentHeader {
  int64_t count = 0, iterations = 0;
  int32_t channels = 0, flags = 0;
  float threshold = 0;  ///< the one used
  float start_peak = 0, left_peak = 0;
  int32_t reserved[5] = {};
};
static_assert(sizeof(ComponentHeader) == 56);

/// A list in flat memory: ComponentHeader, then entries {int32 y, x, scale; float flux[channel]}, Jy. Memory
/// is the caller's.
class ComponentList {
 public:
  ComponentList() = default;
  ComponentList(void* data, int64_t bytes, int channels)
      : data_(static_cast<char*>(data)),
        channels_(channels),
        capacity_((bytes - static_cast<int64_t>(sizeof(ComponentHeader))) / entry_bytes(channels)) {}
  static int64_t entry_bytes(int channels) { return 12 + 4 * int64_t{channels}; }
  static int64_t bytes(int64_t capacity, int channels) {
    return static_cast<int64_t>(sizeof(ComponentHeader)) + capacity * entry_bytes(channels);
  }
  int channels() const { return channels_; }
  int64_t capacity() const { return capacity_; }
  ComponentHeader& header() const { return *reinterpret_cast<ComponentHeader*>(data_); }
  void clear() const {
    header() = {};
    header().channels = channels_;
  }
  int32_t* position(int64_t i) const {  ///< {y, x, scale} in full-image pixels
    return reinterpret_cast<int32_t*>(data_ + sizeof(ComponentHeader) + i * entry_bytes(channels_));
  }
  float* flux(int64_t i) const { return reinterpret_cast<float*>(position(i) + 3); }

 private:
  char* data_ = nullptr;
  int channels_ = 0;
  int64_t capacity_ = 0;
};

struct MinorInput {
  std::span<const Image> residual;  ///< [channel], full size, read only
  std::span<const Image> psf;       ///< [channel]
  std::span<const float> weights;   ///< [channel]; channels of weight 0 are blank
  Mask mask;
  ScaleMask scale_mask;  ///< used when masked
  bool masked = false;
  bool is_final = false;  ///< the threshold is the stage's last one
  Rect rect;              ///< components' centres lie in here
  float threshold = 0;    ///< Jy/beam (weighted peak for multiscale)
  int64_t max_iterations = 0;
  float global_peak = 0;          ///< of the whole image
  float far_sidelobe = 0;         ///< of the PSF beyond half of rect; 0 for a single sub-image
  bool (*cancelled)() = nullptr;  ///< asked now and then; true: RunError is thrown
};

/// Writes the merged components of one sub-image. Works on private copies.
void minor_cycle(const MinorOptions& options, const MinorInput& input, ComponentList out);
/// Upper bound of what minor_cycle allocates, bytes.
int64_t minor_workspace_bytes(const MinorOptions& options, int64_t ny, int64_t nx, const Rect& rect,
                              int channels);
/// Upper bound of what find_peak allocates, bytes.
int64_t find_peak_workspace_bytes(const MinorOptions& options, int64_t ny, int64_t nx, const Rect& rect);

/// model[channel] += components of the lists, in order, rows [y_begin, y_end) only; sets the bits of their
/// scales at their centres in scale_mask (empty: not wanted). Bands of rows may run at the same time and give
/// the same bits as one call over all rows.
void apply_components(const MinorOptions& options, std::span<const ComponentList> lists,
                      std::span<const View<float, 2>> model, View<uint16_t, 2> scale_mask, int64_t y_begin,
                      int64_t y_end);

/// All components of a run, merged by (scale, y, x) and sorted: what is written to the component list.
struct Component {
  int32_t y, x, scale;
  std::vector<float> flux;  ///< [channel] Jy
};
std::vector<Component> merge_components(std::vector<Component> components);
/// Appends a list's entries.
void append_components(std::vector<Component>& components, ComponentList list);

/// mask = 1 where scale_mask has any bit set or user (may be empty) is set.
void mask_from_components(ScaleMask scale_mask, View<uint8_t, 2> mask);

/// ---- the loop's decisions
/// ---------------------------------------------------------------------------------------------------

struct LoopOptions {
  double threshold_jy = 0;     ///< absolute stop, Jy/beam; 0: none
  double threshold_sigma = 0;  ///< stop at k sigma of the residual; 0: none
  double auto_mask_sigma =
      0;  ///< clean freely down to this many sigma, then inside the mask of components; 0: no auto-mask
  double major_gain = 0.8;     ///< a major cycle lowers the peak by at most this fraction
  double divergence = 4;       ///< stop when the residual's peak exceeds this many times the first one
  int64_t max_iterations = 0;  ///< of minor iterations; 0: nothing is cleaned
  int32_t max_major = 20;
  int32_t extra_major = 2;  ///< that may follow the switch to the auto-mask, where max_major would end it
};

inline constexpr int32_t kMostHalvings = 6;
enum class Reason : int32_t { none, threshold, iterations, majors, diverged, nothing, stalled };
const char* reason_text(Reason reason);

/// Lives in a buffer of fixed size; start from LoopState{}.
struct LoopState {
  int32_t cycle = 0;  ///< major cycles decided on
  int32_t done = 0;
  Reason reason = Reason::none;
  int32_t masked = 0;      ///< cleaning is confined to the auto-mask
  int32_t mask_cycle = 0;  ///< cycle in which it was switched on
  int32_t is_final = 0;    ///< threshold is the stage's last
  int32_t finished = 0;    ///< the last threshold was reached; the next decision ends the loop
  int32_t halvings = 0;    ///< of the major gain, because a cycle made things worse
  int64_t iterations = 0;
  double threshold = 0, start_peak = 0, peak = 0, sigma = 0;
};

struct Decision {
  bool clean = false;  ///< false: the loop is done
  bool masked = false, is_final = false;
  double threshold = 0;
  int64_t max_iterations = 0;
};
/// Looks at the residual's statistics, updates the state, says what the minor loops of this cycle do. Pure
/// apart from state.
///
/// The PSF is known to half an image from its centre. With few baselines (VLBI) its sidelobes are as large beyond,
/// and minor loops, which take them for zero, make peaks grow. Major cycles are exact: steps that are small enough
/// converge. So whenever a cycle makes things worse, the major gain is halved, kMostHalvings times at most.
Decision decide(const LoopOptions& options, LoopState& state, const Robust& robust, const Peak& peak);
/// Every minor loop of a cycle may take what is left, `budget`; when together they took more, each gets its
/// share of it in proportion to what it took, by largest remainders (of equals the first), and runs again.
/// @param headers one per sub-image @return [sub-image] iterations; -1 for all: the lists stand as they are
std::vector<int64_t> share_iterations(int64_t budget, std::span<const ComponentHeader> headers);
/// Takes note of what the minor loops did. @param headers one per sub-image
void absorb(const LoopOptions& options, LoopState& state, std::span<const ComponentHeader> headers);

}  // namespace fringeflow::deconvolve
