// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the tests of CUDA kernels share. They are skipped where there is no device.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::test {

inline constexpr cuda::Stream kStream = nullptr;

/// An array on the device.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(int64_t count) : count_(count), memory_(count * static_cast<int64_t>(sizeof(T))) {
    cuda::zero(kStream, memory_.data(), memory_.bytes());
  }
  OnDevice(const T* values, int64_t count) : OnDevice(count) {
    cuda::copy_to_device(kStream, values, memory_.data(), memory_.bytes());
  }
  explicit OnDevice(const std::vector<T>& values)
      : OnDevice(values.data(), static_cast<int64_t>(values.size())) {}
  T* data() const { return static_cast<T*>(memory_.data()); }
  std::vector<T> host() const {
    std::vector<T> out(static_cast<size_t>(count_));
    cuda::copy_to_host(kStream, memory_.data(), out.data(), memory_.bytes());
    cuda::synchronise(kStream);
    return out;
  }

 private:
  int64_t count_;
  cuda::DeviceMemory memory_;
};

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device on this machine: nothing was run";
  }
};

inline std::vector<float> noise(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<size_t>(n));
  for (float& value : out) value = normal(generator);
  return out;
}

template <class A, class B>
double difference(const A* a, const B* b, int64_t n) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    if (std::isnan(y)) {
      EXPECT_TRUE(std::isnan(x));
      continue;
    }
    error += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

}  // namespace fringeflow::test
