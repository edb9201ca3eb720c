// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/fft/batched_fft.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/codelets/fft_test_util.hpp"

namespace fringeflow::fft {
namespace {

using gridder::kLanes;
using Complex = std::complex<double>;

bool smooth(int64_t n) {
  for (const int64_t f : {2, 3, 5})
    while (n % f == 0) n /= f;
  return n == 1;
}

/// Relative L2 error of the batched transform against direct sums in long double; all lanes for short
/// lengths, else one.
template <class T>
double transform_error(int64_t n, int sign) {
  constexpr int kL = kLanes<T>;
  const auto transform = batched_fft<T>(n);
  Aligned<T> x(n * 2 * kL), scratch(transform->scratch_scalars() + 1);
  fill_random<T>(x, x.size, static_cast<unsigned>(n));
  std::vector<T> input(x.data.get(), x.data.get() + x.size);
  transform->execute(x, scratch, sign);
  std::vector<std::complex<long double>> roots(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k) {
    const long double angle = sign * 2 * std::numbers::pi_v<long double> * static_cast<long double>(k) /
                              static_cast<long double>(n);
    roots[static_cast<size_t>(k)] = {std::cos(angle), std::sin(angle)};
  }
  double error = 0, norm = 0;
  const int64_t k_step = n > 2000 ? 37 : 1;
  for (int lane = 0; lane<kL; lane += n> 200 ? kL - 1 : 1)
    for (int64_t k = 0; k < n; k += k_step) {
      std::complex<long double> sum = 0;
      for (int64_t j = 0; j < n; ++j)
        sum += std::complex<long double>(input[static_cast<size_t>(j * 2 * kL + lane)],
                                         input[static_cast<size_t>((j * 2 + 1) * kL + lane)]) *
               roots[static_cast<size_t>(j * k % n)];
      const Complex reference(static_cast<double>(sum.real()), static_cast<double>(sum.imag()));
      error += std::norm(Complex(x[k * 2 * kL + lane], x[(k * 2 + 1) * kL + lane]) - reference);
      norm += std::norm(reference);
    }
  return std::sqrt(error / norm);
}

TEST(BatchedFft, AgreesWithDirectSums) {
  for (int64_t n = 1; n <= 200; ++n) {
    if (!smooth(n)) continue;
    for (const int sign : {1, -1}) {
      EXPECT_LT(transform_error<float>(n, sign), 5e-7) << n << " sign " << sign;
      EXPECT_LT(transform_error<double>(n, sign), 1e-15) << n << " sign " << sign;
    }
  }
}

TEST(BatchedFft, AgreesWithDirectSumsForLongLengths) {
  double worst_float = 0, worst_double = 0;
  for (const int64_t n : {480, 1024, 2880, 5760, 6912, 15625}) {
    for (const int sign : {1, -1}) {
      worst_float = std::max(worst_float, transform_error<float>(n, sign));
      worst_double = std::max(worst_double, transform_error<double>(n, sign));
    }
  }
  EXPECT_LT(worst_float, 1e-6);
  EXPECT_LT(worst_double, 2e-15);
  RecordProperty("worst_float", std::to_string(worst_float * 1e9) + "e-9");
  RecordProperty("worst_double", std::to_string(worst_double * 1e18) + "e-18");
}

TEST(BatchedFft, RefusesOtherLengths) {
  for (const int64_t n : {0, -4, 7, 11, 5762}) EXPECT_THROW(BatchedFft<float>{n}, std::invalid_argument) << n;
  EXPECT_THROW(batched_fft<float>(14), std::invalid_argument);
  EXPECT_THROW(batched_fft<float>(14), std::invalid_argument);
}

TEST(BatchedFft, SharesTransforms) { EXPECT_EQ(batched_fft<float>(480), batched_fft<float>(480)); }

TEST(BatchedFft, GoodSizes) {
  EXPECT_EQ(good_size(1), 2);
  EXPECT_EQ(good_size(7), 8);
  EXPECT_EQ(good_size(11), 12);
  EXPECT_EQ(good_size(15), 16);
  EXPECT_EQ(good_size(5700), 5760);
  EXPECT_EQ(good_size(5761, 32), 6144);
  EXPECT_EQ(good_size(14, 15), 30);
  EXPECT_THROW(good_size(100, 7), std::invalid_argument);
  EXPECT_THROW(good_size(0), std::invalid_argument);
}

template <class T>
void expect_same_bits_on_all_targets(int64_t n) {
  const auto transform = batched_fft<T>(n);
  std::vector<T> first;
  for_each_fused_target([&](int64_t target) {
    Aligned<T> x(n * 2 * kLanes<T>), scratch(transform->scratch_scalars());
    fill_random<T>(x, x.size, 3);
    transform->execute(x, scratch, -1);
    std::vector<T> result(x.data.get(), x.data.get() + x.size);
    if (first.empty()) first = result;
    EXPECT_EQ(0, std::memcmp(first.data(), result.data(), result.size() * sizeof(T)))
        << n << " on " << hwy::TargetName(target);
  });
}

TEST(BatchedFft, SameBitsOnAllTargets) {
  for (const int64_t n : {30, 96, 720, 1024, 5400}) {
    expect_same_bits_on_all_targets<float>(n);
    expect_same_bits_on_all_targets<double>(n);
  }
}

}  // namespace
}  // namespace fringeflow::fft
