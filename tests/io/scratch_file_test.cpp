// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/scratch_file.hpp"

#include <gmock/gmock.h>

#include <vector>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

TEST(ScratchFile, BlocksComeBackAndNothingStays) {
  const test::TemporaryFolder folder;
  ScratchFile file(folder / "");
  EXPECT_EQ(folder.count(), 0u);
  std::vector<std::byte> a(100000, std::byte{1}), b(5, std::byte{2}), back(100000);
  file.write(5, a);
  file.write(0, b);
  EXPECT_EQ(folder.count(), 0u) << "the file has no name";
  file.read(5, back);
  EXPECT_EQ(back, a);
  file.read(0, std::span(back).first(5));
  EXPECT_EQ(back[4], std::byte{2});
  EXPECT_EQ(file.bytes_read(), 100005);
  EXPECT_GT(free_bytes(folder / ""), 0);
}

TEST(ScratchFile, ErrorsNameTheFolder) {
  const test::TemporaryFolder folder;
  const std::vector<std::byte> block(10);
  EXPECT_THAT(fringeflow::test::message_of<RunError>([&] { ScratchFile(folder / "none").write(0, block); }),
              testing::AllOf(testing::HasSubstr("none"), testing::HasSubstr("runtime.cache")));
  ScratchFile file(folder / "");
  file.write(0, block);
  std::vector<std::byte> more(11);
  EXPECT_THROW(file.read(0, more), RunError) << "past what was written";
  EXPECT_EQ(free_bytes(folder / "none"), 0);
}

}  // namespace
}  // namespace fringeflow::io
