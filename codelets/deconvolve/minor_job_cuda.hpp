// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The private copy of a sub-image that the device's minor loop works on, and what is done to it pixel by
/// pixel; for .cu files only.
#include "codelets/deconvolve/image_set_cuda.hpp"

namespace fringeflow::deconvolve {

// The same as on the CPU, see clark_cpu.cpp and subminor_cpu.cpp.
inline constexpr float kListFraction = 0.9f;
inline constexpr float kDeep = 6.0f;
inline constexpr int kDeepPasses = 8;
inline constexpr int64_t kMargin = 64;
inline constexpr int kUnit = 8;
inline constexpr int kPeakBlocks = 256;

struct Entry {
  int32_t y, x;  ///< of the region
  int32_t out;   ///< place in the list; -1: not counted
};

struct MinorState {
  int32_t active;  ///< the next kernels have something to do
  int32_t keep;    ///< the list stays as it is
  int32_t masked, is_final, flags;
  int32_t deep;  ///< one long step to the end: fresh lists from the subtracted residual
  float threshold, list_threshold, start_peak, left_peak;
  int64_t max_iterations, iterations;
  int64_t entries, counted;  ///< positions so far; of those, in the list
  int64_t entries_before;    ///< at the start of the pass
};

/// The list's candidate of one block.
struct BlockBest {
  float value;
  int32_t at;    ///< pixel of the region
  int32_t slot;  ///< its entry, -1: none yet
};

struct MinorJob {
  ImageSet set;
  const float* const* psf;
  const uint8_t* mask;
  const uint16_t* scale_mask;
  CleanLimits limits;
  Rect region, counted;  ///< counted: rect in the region's pixels
  bool hogbom, allow_negative;
  float gain;
  int64_t capacity;  ///< of the list
  // The region's private copy, and the lists.
  float* values;      ///< [channel][region]
  float* integrated;  ///< [region]; values with one channel
  uint8_t* allowed;   ///< [region]
  int32_t* slot;      ///< [region] entry of a pixel, -1: none
  uint8_t* unit_flag;
  int32_t* units;  ///< those listed
  int32_t* unit_count;
  Entry* entries;
  double* flux;         ///< [entry][channel]
  double* flux_before;  ///< at the start of the pass
  BlockBest* best;      ///< [2][block]
  float* best_values;   ///< [2][block][channel]
  MinorState* state;

  FF_HD int64_t pixels() const { return region.ny * region.nx; }
  FF_HD int64_t unit_columns() const { return (region.nx + kUnit - 1) / kUnit; }
  FF_HD float size_of(float value) const { return allow_negative ? fabsf(value) : value; }
};

/// Pixel i of the region's copy.
struct CopyPixel {
  MinorJob job;
  FF_HD void operator()(int64_t i) const {
    if (job.state->active == 0) return;
    const int64_t y = job.region.y0 + i / job.region.nx, x = job.region.x0 + i % job.region.nx,
                  at = y * job.set.nx + x;
    bool allowed =
        y >= job.limits.y_begin && y < job.limits.y_end && x >= job.limits.x_begin && x < job.limits.x_end;
    if (job.mask != nullptr) allowed = allowed && job.mask[at] != 0;
    if (job.state->masked != 0 && job.scale_mask != nullptr)
      allowed = allowed && (job.scale_mask[at] & 1) != 0;
    float sum = 0;
    for (int c = 0; c < job.set.channels; ++c) {
      float value = job.set.weights[c] > 0 ? job.set.images[c][at] : 0;
      if (!(fabsf(value) <= 3.402823466e38f)) {
        value = 0;
        allowed = false;
      }
      job.values[c * job.pixels() + i] = value;
      sum += job.set.weights[c] * value;
    }
    if (job.set.channels > 1) job.integrated[i] = sum;
    job.allowed[i] = allowed ? 1 : 0;
    job.slot[i] = -1;
  }
};

/// Pixel i of the region after the entries so far: for the next list.
struct SubtractEntries {
  MinorJob job;
  FF_HD void operator()(int64_t i) const {
    if (job.state->active == 0) return;
    const int64_t y = i / job.region.nx, x = i % job.region.nx,
                  at = (job.region.y0 + y) * job.set.nx + job.region.x0 + x;
    const int64_t ny = job.set.ny, nx = job.set.nx;
    float integrated = 0;
    for (int c = 0; c < job.set.channels; ++c) {
      float value = job.set.weights[c] > 0 ? job.set.images[c][at] : 0;
      if (!(fabsf(value) <= 3.402823466e38f)) value = 0;
      for (int64_t e = 0; e < job.state->entries; ++e) {
        const int64_t j = y - job.entries[e].y + ny / 2, k = x - job.entries[e].x + nx / 2;
        if (j < 0 || j >= ny || k < 0 || k >= nx) continue;
        const float change = static_cast<float>(job.flux[e * job.set.channels + c]) * job.psf[c][j * nx + k];
        if (fabsf(change) <= 3.402823466e38f) value -= change;
      }
      job.values[c * job.pixels() + i] = value;
      integrated += job.set.weights[c] * value;
    }
    if (job.set.channels > 1) job.integrated[i] = integrated;
  }
};

/// Unit i is listed when one of its pixels may be cleaned and is large enough.
struct FlagUnit {
  MinorJob job;
  FF_HD void operator()(int64_t i) const {
    bool listed = false;
    if (job.state->active != 0) {
      const int64_t y = i / job.unit_columns(), x = i % job.unit_columns() * kUnit;
      for (int64_t k = x; k < x + kUnit && k < job.region.nx; ++k) {
        const int64_t at = y * job.region.nx + k;
        listed =
            listed || (job.allowed[at] != 0 && job.size_of(job.integrated[at]) >= job.state->list_threshold);
      }
    }
    job.unit_flag[i] = listed ? 1 : 0;
  }
};
/// Fluxes at the start of a pass, should it diverge.
struct SaveFlux {
  MinorJob job;
  FF_HD void operator()(int64_t i) const {
    if (job.state->active != 0 && i < job.state->entries * job.set.channels) job.flux_before[i] = job.flux[i];
  }
};

/// Entry i of the list, and the header with the first.
struct WriteList {
  MinorJob job;
  char* list;
  FF_HD void operator()(int64_t i) const {
    const MinorState& state = *job.state;
    if (state.keep != 0) return;
    const int channels = job.set.channels;
    if (i == 0) {
      ComponentHeader header{};
      header.count = state.counted;
      header.iterations = state.iterations;
      header.channels = channels;
      header.flags = state.flags;
      // Nothing was to be cleaned at all: the list is empty and says no more.
      if (state.max_iterations > 0 && !(state.left_peak > state.threshold)) header.flags |= kReached;
      header.threshold = state.threshold;
      header.start_peak = state.start_peak;
      header.left_peak = state.left_peak;
      *reinterpret_cast<ComponentHeader*>(list) = header;
    }
    if (i >= state.entries || job.entries[i].out < 0) return;
    const Entry entry = job.entries[i];
    char* to = list + sizeof(ComponentHeader) + entry.out * (12 + 4 * static_cast<int64_t>(channels));
    auto* position = reinterpret_cast<int32_t*>(to);
    position[0] = static_cast<int32_t>(entry.y + job.region.y0);
    position[1] = static_cast<int32_t>(entry.x + job.region.x0);
    position[2] = 0;
    auto* flux = reinterpret_cast<float*>(to + 12);
    for (int c = 0; c < channels; ++c) flux[c] = static_cast<float>(job.flux[i * channels + c]);
  }
};

/// Pieces of one allocation.
class Carver {
 public:
  explicit Carver(char* base) : base_(base) {}
  template <class T>
  T* take(int64_t count) {
    T* result = reinterpret_cast<T*>(base_ + bytes_);
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return base_ == nullptr ? nullptr : result;
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* base_;
  int64_t bytes_ = 0;
};

inline void carve(MinorJob& job, int64_t entries, int64_t blocks, Carver carver, int64_t* bytes,
                  Candidate** parts) {
  const int64_t pixels = job.pixels(), channels = job.set.channels,
                units = job.region.ny * job.unit_columns();
  job.state = carver.take<MinorState>(1);
  job.values = carver.take<float>(channels * pixels);
  float* integrated = carver.take<float>(channels > 1 ? pixels : 0);
  job.integrated = channels > 1 ? integrated : job.values;
  job.allowed = carver.take<uint8_t>(pixels);
  job.slot = carver.take<int32_t>(pixels);
  job.unit_flag = carver.take<uint8_t>(units);
  job.units = carver.take<int32_t>(units);
  job.unit_count = carver.take<int32_t>(1);
  job.entries = carver.take<Entry>(entries);
  job.flux = carver.take<double>(entries * channels);
  job.flux_before = carver.take<double>(entries * channels);
  job.best = carver.take<BlockBest>(2 * blocks);
  job.best_values = carver.take<float>(2 * blocks * channels);
  *parts = carver.take<Candidate>(kPeakBlocks);
  *bytes = carver.bytes();
}

}  // namespace fringeflow::deconvolve
