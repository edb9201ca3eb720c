// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/image/image.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace fringeflow::image {
namespace {

TEST(Image, PasteLeavesOutWhatHangsOverTheRim) {
  const std::vector<float> pixels{1, 2, 3, 4, 5, 6};  // 2 x 3
  std::vector<float> image(12, -1.0f);                // 3 x 4
  const View<float, 2> view(image.data(), {3, 4});
  paste_cpu({pixels.data(), {2, 3}}, -1, -1, view);  // only its last row and last two columns
  paste_cpu({pixels.data(), {2, 3}}, 2, 2, view);    // only its first row and first two columns
  EXPECT_EQ(image, (std::vector<float>{5, 6, -1, -1, -1, -1, -1, -1, -1, -1, 1, 2}));
  paste_cpu({pixels.data(), {2, 3}}, 7, 9, view);  // outside altogether
  EXPECT_EQ(image[11], 2);
  paste_cpu({pixels.data(), {2, 3}}, 2, 2, view, true);
  EXPECT_EQ(image[11], 4);
}

TEST(Image, CombineIsTheWeightedMean) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> a{1, 2, nan}, b{4, 8, 1}, blank{nan, nan, nan};
  const std::array<View<const float, 2>, 3> images{View<const float, 2>(a.data(), {1, 3}),
                                                   View<const float, 2>(b.data(), {1, 3}),
                                                   View<const float, 2>(blank.data(), {1, 3})};
  std::vector<float> out(3);
  combine_cpu(images, std::array{1.0, 2.0, 0.0}, {out.data(), {1, 3}});
  EXPECT_FLOAT_EQ(out[0], 3);
  EXPECT_FLOAT_EQ(out[1], 6);
  EXPECT_TRUE(std::isnan(out[2])) << "blank where one that counts is";
  combine_cpu(images, std::array{0.0, 0.0, 0.0}, {out.data(), {1, 3}});
  EXPECT_TRUE(std::isnan(out[0])) << "nothing counts";
}

}  // namespace
}  // namespace fringeflow::image
