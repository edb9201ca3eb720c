// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/subtract/subtract.hpp"

#include <gtest/gtest.h>

#include <complex>
#include <vector>

namespace fringeflow {
namespace {

TEST(Subtract, ResidualTakesThePlaceOfThePrediction) {
  std::vector<std::complex<float>> observed, predicted, expected;
  for (int i = 0; i < 37; ++i) {  // not a multiple of any vector
    observed.emplace_back(static_cast<float>(i), 0.5f);
    predicted.emplace_back(1.0f, static_cast<float>(-i));
    expected.emplace_back(static_cast<float>(i) - 1.0f, 0.5f + static_cast<float>(i));
  }
  subtract_cpu(observed, predicted);
  EXPECT_EQ(predicted, expected);
}

}  // namespace
}  // namespace fringeflow
