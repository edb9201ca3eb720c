// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/fft/batched_fft_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "codelets/fft/batched_fft-inl.hpp"
#include "codelets/fft/batched_fft.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::fft {
namespace HWY_NAMESPACE {

/// Natural order in and out. A long transform is copied back through the scratch; it is for users that need
/// the order.
template <class T>
HWY_INLINE void Execute(const TransformPlan<T>& plan, T* x, T* scratch, int sign) {
  TransformInPlace(plan, x, scratch, sign);
  if (plan.n1 == 1) return;
  const Wide<T> d;
  for (int64_t k = 0; k < plan.n; ++k) {
    const T* from = x + plan.position(k) * kRow<T>;
    for (ptrdiff_t i = 0; i < kRow<T>; i += ptrdiff_t(hn::Lanes(d)))
      hn::Store(hn::Load(d, from + i), d, scratch + k * kRow<T> + i);
  }
  for (int64_t i = 0; i < plan.n * kRow<T>; i += int64_t(hn::Lanes(d)))
    hn::Store(hn::Load(d, scratch + i), d, x + i);
}

void ExecuteFloat(const TransformPlan<float>& plan, float* x, float* scratch, int sign) {
  Execute(plan, x, scratch, sign);
}
void ExecuteDouble(const TransformPlan<double>& plan, double* x, double* scratch, int sign) {
  Execute(plan, x, scratch, sign);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace fringeflow::fft {

HWY_EXPORT(ExecuteFloat);
HWY_EXPORT(ExecuteDouble);

namespace {

constexpr int64_t kMaxLength = int64_t{1} << 26;  // products of two indices stay far inside int64_t
/// Lengths up to this run as one short transform: its buffers stay near the first-level cache.
constexpr int64_t kLongestShort = 128;

bool smooth(int64_t n) {
  for (int64_t f : {2, 3, 5})
    while (n % f == 0) n /= f;
  return n == 1;
}

/// cos and sin of 2 pi k / n to the last bit of double: the angle is reduced to an eighth of a turn exactly.
void unit_root(int64_t k, int64_t n, double& c, double& s) {
  k %= n;
  int64_t eighth = 8 * k / n;  // octant 0..7
  const int64_t quarter = (eighth + 1) / 2;
  // angle = quarter * pi/2 + rest, |rest| <= pi/4; rest in units of 2 pi / (4 n) is exact.
  const int64_t rest = 4 * k - quarter * n;
  const double angle = std::numbers::pi * static_cast<double>(rest) / (2 * static_cast<double>(n));
  const double cr = std::cos(angle), sr = std::sin(angle);
  switch (quarter % 4) {
    case 0:
      c = cr, s = sr;
      break;
    case 1:
      c = -sr, s = cr;
      break;
    case 2:
      c = -cr, s = -sr;
      break;
    default:
      c = sr, s = -cr;
      break;
  }
}

/// Cost of a pass for each element, measured, in arbitrary units: the butterfly, its twiddles, loads and
/// stores.
struct Radix {
  int radix;
  double cost;
};
constexpr Radix kRadices[] = {{16, 1.5}, {15, 1.5}, {12, 1.3}, {10, 1.3}, {9, 1.3}, {8, 1.1},
                              {6, 1.1},  {5, 1.05}, {4, 1.0},  {3, 1.0},  {2, 1.0}};

/// The cheapest sequence of radices, large ones first.
double cheapest_radices(int n, int largest, std::vector<int>& radices) {
  radices.clear();
  if (n == 1) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (const Radix& r : kRadices) {
    if (r.radix > largest || n % r.radix != 0) continue;
    std::vector<int> rest;
    const double cost = r.cost + cheapest_radices(n / r.radix, r.radix, rest);
    if (cost < best) {
      best = cost;
      radices = {r.radix};
      radices.insert(radices.end(), rest.begin(), rest.end());
    }
  }
  return best;
}
std::vector<int> radices_of(int n) {
  std::vector<int> radices;
  cheapest_radices(n, n, radices);
  return radices;
}

/// The first factor of a long length, 1 for short ones: both transforms fit the cache, and are cheap.
int split(int64_t n) {
  if (n <= kLongestShort) return 1;
  int64_t root = 1;
  while ((root + 1) * (root + 1) <= n) ++root;
  double best_cost = std::numeric_limits<double>::infinity();
  int best = 1;
  for (int64_t k = 1; k <= root; ++k) {
    if (n % k != 0) continue;
    std::vector<int> radices;
    // A mild preference for equal halves decides between equal costs, and bounds the buffers.
    const double cost = cheapest_radices(static_cast<int>(k), static_cast<int>(k), radices) +
                        cheapest_radices(static_cast<int>(n / k), static_cast<int>(n / k), radices) +
                        0.5 * std::log2(static_cast<double>(n / k) / static_cast<double>(k));
    if (cost < best_cost) {
      best_cost = cost;
      best = static_cast<int>(k);
    }
  }
  return best;
}

int64_t checked_length(int64_t n) {
  if (n < 1 || n > kMaxLength || !smooth(n))
    throw std::invalid_argument("transform length " + std::to_string(n) + " is not 2^a 3^b 5^c");
  return n;
}

template <class Made, class Make>
std::shared_ptr<const Made> cached(int64_t n, Make&& make) {
  static std::mutex mutex;
  static std::map<int64_t, std::shared_ptr<const Made>> cache;
  const std::lock_guard lock(mutex);
  auto& entry = cache[n];
  if (!entry) {
    try {
      entry = make();
    } catch (...) {
      cache.erase(n);
      throw;
    }
  }
  return entry;
}

}  // namespace

int64_t good_size(int64_t n, int64_t multiple) {
  if (n < 1 || multiple < 1 || n > kMaxLength || !smooth(multiple))
    throw std::invalid_argument("no transform length for " + std::to_string(n) + " and multiple " +
                                std::to_string(multiple));
  // The planner asks thousands of times.
  static const std::vector<int64_t> lengths = [] {
    std::vector<int64_t> all;
    for (int64_t two = 1; two <= 2 * kMaxLength; two *= 2)
      for (int64_t three = two; three <= 2 * kMaxLength; three *= 3)
        for (int64_t five = three; five <= 2 * kMaxLength; five *= 5) all.push_back(five);
    std::sort(all.begin(), all.end());
    return all;
  }();
  const int64_t step = std::lcm(multiple, int64_t{2});
  auto size = std::lower_bound(lengths.begin(), lengths.end(), n);
  while (size != lengths.end() && *size % step != 0) ++size;
  if (size == lengths.end())
    throw std::invalid_argument("no transform length for " + std::to_string(n) + " and multiple " +
                                std::to_string(multiple));
  return *size;
}

template <class T>
ShortPlan<T>::ShortPlan(int length) : n(length), radices(radices_of(length)) {
  int n_pass = n;
  for (const int radix : radices) {
    std::vector<T> table;
    for (int p = 0; p < n_pass / radix; ++p)
      for (int k = 0; k < radix; ++k) {
        double c = 0, s = 0;
        unit_root(int64_t{p} * k, n_pass, c, s);
        table.push_back(static_cast<T>(c));
        table.push_back(static_cast<T>(s));
      }
    twiddles.push_back(std::move(table));
    n_pass /= radix;
  }
}

template <class T>
TransformPlan<T>::TransformPlan(int64_t length)
    : n(checked_length(length)), n1(split(n)), n2(static_cast<int>(n / n1)), first(n1), second(n2) {
  if (n1 == 1) return;
  between.reserve(static_cast<size_t>(2 * n));
  for (int64_t j = 0; j < n2; ++j)
    for (int64_t k = 0; k < n1; ++k) {
      double c = 0, s = 0;
      unit_root(j * k, n, c, s);
      between.push_back(static_cast<T>(c));
      between.push_back(static_cast<T>(s));
    }
}

template <class T>
int64_t TransformPlan<T>::scratch_scalars() const {
  return int64_t{4} * gridder::kLanes<T> * std::max(n1, n2);
}

template <class T>
std::shared_ptr<const TransformPlan<T>> transform_plan(int64_t n) {
  return cached<TransformPlan<T>>(n, [n] { return std::make_shared<const TransformPlan<T>>(n); });
}

template <class T>
struct BatchedFft<T>::Impl {
  std::shared_ptr<const TransformPlan<T>> plan;
};

template <class T>
BatchedFft<T>::BatchedFft(int64_t n) : impl_(std::make_unique<const Impl>(Impl{transform_plan<T>(n)})) {}
template <class T>
BatchedFft<T>::~BatchedFft() = default;
template <class T>
int64_t BatchedFft<T>::size() const {
  return impl_->plan->n;
}
template <class T>
int64_t BatchedFft<T>::scratch_scalars() const {
  const TransformPlan<T>& plan = *impl_->plan;
  return std::max(plan.scratch_scalars(), plan.n1 > 1 ? plan.n * 2 * gridder::kLanes<T> : 0);
}
template <class T>
void BatchedFft<T>::execute(T* x, T* scratch, int sign) const {
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ExecuteFloat)(*impl_->plan, x, scratch, sign);
  } else {
    HWY_DYNAMIC_DISPATCH(ExecuteDouble)(*impl_->plan, x, scratch, sign);
  }
}

template <class T>
std::shared_ptr<const BatchedFft<T>> batched_fft(int64_t n) {
  return cached<BatchedFft<T>>(n, [n] { return std::make_shared<const BatchedFft<T>>(n); });
}

template struct TransformPlan<float>;
template struct TransformPlan<double>;
template class BatchedFft<float>;
template class BatchedFft<double>;
template std::shared_ptr<const TransformPlan<float>> transform_plan(int64_t);
template std::shared_ptr<const TransformPlan<double>> transform_plan(int64_t);
template std::shared_ptr<const BatchedFft<float>> batched_fft(int64_t);
template std::shared_ptr<const BatchedFft<double>> batched_fft(int64_t);

}  // namespace fringeflow::fft
#endif  // HWY_ONCE
