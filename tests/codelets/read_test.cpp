// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/read/read.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "codelets/read/cache.hpp"
#include "io/error.hpp"
#include "tests/data/tiny_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow {
namespace {

using runtime::BodyContext;
using runtime::Buffer;

TEST(Read, FillsAChunkAndCountsItOnce) {
  const test::TemporaryFolder folder;
  test::make_tiny_set(folder / "tiny.ms");
  ReadArgs args;
  args.set = std::make_shared<io::MeasurementSet>(folder / "tiny.ms", Selection{});
  args.stokes = "IV";
  args.counters = std::make_shared<ReadCounters>();
  const auto chunks = args.set->scan(1 << 20, {}, [](const io::ChunkSpec&, View<const double, 2>) {});
  ASSERT_EQ(chunks.size(), 1u);
  args.spec = chunks[0];
  args.layout = {args.spec.rows, args.spec.channels, 2};
  std::vector<std::byte> chunk(static_cast<size_t>(args.layout.bytes()));
  const Buffer buffers[] = {{chunk.data(), args.layout.bytes()}};
  const BodyContext context(&args, buffers, runtime::Device::cpu, nullptr);
  read_codelet().cpu(context);
  const auto vis = args.layout.vis(chunk.data());
  const auto weight = args.layout.weight(chunk.data());
  const auto uvw_m = args.layout.uvw_m(chunk.data());
  double length = 0;
  for (int64_t row = 0; row < args.spec.rows; ++row) {
    length += std::abs(uvw_m(row, 0));
    for (int64_t c = 0; c < args.spec.channels; ++c) {
      EXPECT_NEAR(std::abs(vis(0, row, c) - test::tiny_visibility(0, row, c)), 0, 2e-6);
      EXPECT_NEAR(std::abs(vis(1, row, c) - test::tiny_visibility(3, row, c)), 0, 2e-6);
      EXPECT_GT(weight(1, row, c), 0);
    }
  }
  EXPECT_GT(length, 0);

  const int64_t bytes = args.counters->bytes();
  EXPECT_GT(bytes, 0);
  args.first_time = false;
  read_codelet().cpu(BodyContext(&args, buffers, runtime::Device::cpu, nullptr));
  EXPECT_EQ(args.counters->bytes(), 2 * bytes) << "of all passes";
  EXPECT_EQ(args.counters->total().visibilities, args.spec.rows * args.spec.channels) << "of the first";
  EXPECT_EQ(read_codelet().work(&args), static_cast<double>(args.layout.bytes()));
}

TEST(Read, WhatIsKeptIsRecalled) {
  const test::TemporaryFolder folder;
  const auto file = std::make_shared<io::ScratchFile>(folder / "");
  std::vector<std::byte> first(1000, std::byte{1}), second(500, std::byte{2}), back(1000);
  const CacheArgs arguments[] = {{file, 0, 1000}, {file, 1000, 500}};
  const Buffer first_buffer[] = {{first.data(), 1000}}, second_buffer[] = {{second.data(), 500}},
               back_buffer[] = {{back.data(), 1000}};
  keep_codelet().cpu(BodyContext(&arguments[1], second_buffer, runtime::Device::cpu, nullptr));
  keep_codelet().cpu(BodyContext(&arguments[0], first_buffer, runtime::Device::cpu, nullptr));
  recall_codelet().cpu(BodyContext(&arguments[0], back_buffer, runtime::Device::cpu, nullptr));
  EXPECT_EQ(back, first);
  recall_codelet().cpu(BodyContext(&arguments[1], back_buffer, runtime::Device::cpu, nullptr));
  EXPECT_EQ(std::memcmp(back.data(), second.data(), 500), 0);
  const CacheArgs beyond{file, 1500, 500};
  EXPECT_THROW(recall_codelet().cpu(BodyContext(&beyond, back_buffer, runtime::Device::cpu, nullptr)),
               RunError);
}

}  // namespace
}  // namespace fringeflow
