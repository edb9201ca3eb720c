// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The threads of a block as a solver's steps see them. Each step is done by all threads and ends when all are done; scalars between steps
/// are the same in every thread. On the host one thread plays them all, one after the other, or one thread a warp, with sums in the same
/// order: the tests run what the device runs.
#include <cstdint>

#include "io/view.hpp"

namespace fringeflow::cuda {

inline constexpr int kTeamThreads = 256, kTeamLanes = 32, kTeamWarps = kTeamThreads / kTeamLanes;
/// Doubles in a value that Team::sum adds up.
inline constexpr int kTeamValue = 4;

#ifdef __CUDACC__
__device__ inline double* team_shared() {
  __shared__ double values[kTeamWarps * kTeamValue];
  return values;
}
/// Sum over the lanes of a warp by a fixed tree, complete in lane 0. @tparam V doubles, with +=
template <class V>
__device__ V add_lanes(V value) {
  constexpr int kDoubles = sizeof(V) / sizeof(double);
  for (int step = kTeamLanes / 2; step > 0; step /= 2) {
    V other;
    for (int i = 0; i < kDoubles; ++i)
      reinterpret_cast<double*>(&other)[i] =
          __shfl_down_sync(0xffffffffu, reinterpret_cast<const double*>(&value)[i], step);
    value += other;
  }
  return value;
}
#endif

/// The other warps of a team, each played by a thread of its own, on the host: tests see what a missing barrier does.
struct HostWarps {
  void (*barrier)(void* state) = nullptr;
  void* state = nullptr;
  double* shared = nullptr;  ///< [warp][kTeamValue]
};

struct Team {
  /// Elements of a step in descending order, on the host: no step may depend on their order.
  bool backwards = false;
  const HostWarps* warps = nullptr;  ///< null: this thread plays all of them
  int warp = 0;

  /// f(i) for i in [0, n).
  template <class F>
  FF_HD void each(int64_t n, F&& f) const {
#ifdef __CUDA_ARCH__
    for (int64_t i = threadIdx.x; i < n; i += kTeamThreads) f(i);
    __syncthreads();
#else
    for (int64_t i = 0; i < n; ++i)
      if (mine(i / kTeamLanes)) f(backwards ? n - 1 - i : i);
    wait();
#endif
  }
  /// f() in one thread.
  template <class F>
  FF_HD void once(F&& f) const {
    each(1, [&](int64_t) { f(); });
  }
  /// done(i, Σ_j part(i, j)) for i in [0, rows), j in [0, columns): a warp a row, lane after lane.
  template <class V, class Part, class Done>
  FF_HD void rows(int64_t rows, int64_t columns, Part&& part, Done&& done) const {
#ifdef __CUDA_ARCH__
    const int lane = static_cast<int>(threadIdx.x) % kTeamLanes;
    for (int64_t i = threadIdx.x / kTeamLanes; i < rows; i += kTeamWarps) {
      V value{};
      for (int64_t j = lane; j < columns; j += kTeamLanes) value += part(i, j);
      const V total = add_lanes(value);
      if (lane == 0) done(i, total);
    }
    __syncthreads();
#else
    for (int64_t row = 0; row < rows; ++row) {
      if (!mine(row)) continue;
      const int64_t i = backwards ? rows - 1 - row : row;
      V value[kTeamLanes] = {};
      for (int64_t j = 0; j < columns; ++j) value[j % kTeamLanes] += part(i, j);
      done(i, tree(value));
    }
    wait();
#endif
  }
  /// Σ_i f(i), in every thread.
  template <class V, class F>
  FF_HD V sum(int64_t n, F&& f) const {
    static_assert(sizeof(V) <= kTeamValue * sizeof(double));
    V total{};
#ifdef __CUDA_ARCH__
    V value{};
    for (int64_t i = threadIdx.x; i < n; i += kTeamThreads) value += f(i);
    value = add_lanes(value);
    V* shared = reinterpret_cast<V*>(team_shared());
    if (threadIdx.x % kTeamLanes == 0) shared[threadIdx.x / kTeamLanes] = value;
    __syncthreads();
    for (int i = 0; i < kTeamWarps; ++i) total += shared[i];
    __syncthreads();
#else
    V value[kTeamThreads] = {};
    for (int64_t i = 0; i < n; ++i)
      if (mine(i % kTeamThreads / kTeamLanes)) value[i % kTeamThreads] += f(i);
    V own[kTeamWarps] = {}, *shared = warps != nullptr ? reinterpret_cast<V*>(warps->shared) : own;
    for (int i = 0; i < kTeamWarps; ++i)
      if (mine(i)) shared[i] = tree(value + i * kTeamLanes);
    wait();
    for (int i = 0; i < kTeamWarps; ++i) total += shared[i];
    wait();
#endif
    return total;
  }

 private:
  FF_HD bool mine(int64_t of) const { return warps == nullptr || of % kTeamWarps == warp; }
  FF_HD void wait() const {
    if (warps != nullptr) warps->barrier(warps->state);
  }
  template <class V>
  FF_HD static V tree(V* value) {
    for (int step = kTeamLanes / 2; step > 0; step /= 2)
      for (int lane = 0; lane < step; ++lane) value[lane] += value[lane + step];
    return value[0];
  }
};

/// Two and four sums at once.
struct Pair2 {
  double a = 0, b = 0;
  FF_HD Pair2& operator+=(const Pair2& x) {
    a += x.a;
    b += x.b;
    return *this;
  }
};
struct Count {
  double count = 0;
  FF_HD Count& operator+=(const Count& x) {
    count += x.count;
    return *this;
  }
};

/// Memory handed out piece by piece, 16-byte aligned; without memory it only counts.
class Carver {
 public:
  FF_HD explicit Carver(void* memory = nullptr) : at_(static_cast<char*>(memory)) {}
  template <class T>
  FF_HD T* take(int64_t count) {
    char* const here = at_;
    const int64_t bytes = (count * static_cast<int64_t>(sizeof(T)) + 15) / 16 * 16;
    if (at_ != nullptr) at_ += bytes;
    bytes_ += bytes;
    return reinterpret_cast<T*>(here);
  }
  FF_HD int64_t bytes() const { return bytes_; }

 private:
  char* at_;
  int64_t bytes_ = 0;
};

}  // namespace fringeflow::cuda
