// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/facet/facet.hpp"

#include <gtest/gtest.h>

namespace fringeflow::facet {
namespace {

using Complex = std::complex<double>;

ChunkGains gains() {
  io::GainTable table;
  table.times_s = {100, 200};
  table.freq_hz = {1e8};
  table.polarisations = {"XX", "YY"};
  for (const char* name : {"a", "b"}) {
    table.antennas.emplace_back();
    table.antennas.back().name = name;
  }
  table.gains = {{2, 0}, {0, 1}, {1, 1}, {3, 0}, {0, 0}, {0, 0}, {1, 0}, {1, 0}};
  table.valid.assign(8, 1);
  const std::vector<int> codes{9, 12};
  return {std::make_shared<const io::GainLookup>(table, table.antennas, codes, "gains", "set"),
          std::make_shared<const std::vector<RowKey>>(std::vector<RowKey>{{0, 0, 1}, {1, 0, 1}}),
          std::make_shared<const std::vector<int32_t>>(2, 0)};
}

TEST(Facet, DividedAndMultipliedByTheMeanOfBothHands) {
  const Complex g = (Complex(2, 0) * std::conj(Complex(1, 1)) + Complex(0, 1) * 3.) / 2.;
  const std::vector<std::complex<float>> in{{1, 2}, {3, -1}, {1, 0}, {0, 1}};
  std::vector<std::complex<float>> out(4, {7, 7}), back(4, {1, 0});
  divide_cpu(gains(), {in.data(), {2, 2}}, {out.data(), {2, 2}});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(std::abs(Complex(out[i]) - Complex(in[i]) / g), 1e-6);
  multiply_cpu(gains(), {out.data(), {2, 2}}, true, {back.data(), {2, 2}});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(std::abs(back[i] - in[i] - 1.F), 1e-6);
  multiply_cpu(gains(), {out.data(), {2, 2}}, false, {back.data(), {2, 2}});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(std::abs(back[i] - in[i]), 1e-6);
}

TEST(Facet, OnlyItsOwnPixelsAreStitched) {
  const std::vector<int32_t> map{0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, -1};
  const std::vector<float> pixels(9, 5);
  std::vector<float> image(12, 1);
  stitch_cpu({pixels.data(), {3, 3}}, -1, 1, {map.data(), {3, 4}}, 1, {image.data(), {3, 4}});
  EXPECT_EQ(image, (std::vector<float>{1, 1, 5, 5, 1, 5, 5, 5, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace fringeflow::facet
