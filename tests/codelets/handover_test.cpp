// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/handover/handover.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fringeflow::handover {
namespace {

using C = std::complex<float>;

class Handover : public ::testing::Test {
 protected:
  /// Two rows of two channels of XX, XY, YX, YY go to rows 1 and 2 of a chunk of four rows.
  int64_t run(const std::string& stokes, const uint8_t* flag) {
    const std::vector<int> codes{9, 10, 11, 12};
    terms_.clear();
    for (const char s : stokes) terms_.push_back(io::stokes_term(s, codes).value());
    for (size_t i = 0; i < vis_.size(); ++i) vis_[i] = C(static_cast<float>(i), 0.5f * static_cast<float>(i));
    const auto count = static_cast<int64_t>(stokes.size());
    out_.assign(static_cast<size_t>(count * 8), C(-1, -1));
    weights_.assign(out_.size(), -1);
    return to_stokes_cpu({terms_,
                          {vis_.data(), {2, 2, 4}},
                          weight_,
                          flag,
                          {out_.data(), {count, 4, 2}},
                          {weights_.data(), {count, 4, 2}},
                          1});
  }
  std::vector<C> vis_ = std::vector<C>(16), out_;
  std::vector<float> weight_{1, 2, 3, 4}, weights_;
  std::vector<io::StokesTerm> terms_;
};

TEST_F(Handover, StokesOfCorrelationsAndTheirPlace) {
  EXPECT_EQ(run("IQ", nullptr), 0);
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t channel = 0; channel < 2; ++channel) {
      const auto first = static_cast<float>((row * 2 + channel) * 4);  // XX; YY is 3 more
      const auto at = static_cast<size_t>((row + 1) * 2 + channel);
      EXPECT_EQ(out_[at], C(first + 1.5f, 0.5f * first + 0.75f));
      EXPECT_EQ(out_[8 + at], C(-1.5f, -0.75f));
      EXPECT_EQ(weights_[at], 4);  // 4 x the least of XX and YY
    }
  for (const size_t other : {0u, 1u, 6u, 7u}) {
    EXPECT_EQ(out_[other], C(-1, -1)) << "rows of others stay";
    EXPECT_EQ(weights_[other], -1);
  }
  EXPECT_EQ(stokes_weight(terms_[0], weight_), 4);
}

TEST_F(Handover, FlagsAreWeightsOfZero) {
  std::vector<uint8_t> flag(16, 0);
  flag[4 + 3] = 1;  // YY of row 0, channel 1
  flag[8 + 1] = 1;  // XY of row 1, channel 0: not part of Stokes I
  EXPECT_EQ(run("I", flag.data()), 1);
  EXPECT_EQ(weights_[3], 0);
  EXPECT_EQ(out_[3], C(0));
  EXPECT_EQ(weights_[2], 4);
  EXPECT_EQ(weights_[4], 4);
}

}  // namespace
}  // namespace fringeflow::handover
