// SPDX-License-Identifier: GPL-3.0-or-later
// A small fuzzer: MeasurementSets with damaged bytes end in an image or in an error, never in a crash or a hang.
#include <chrono>
#include <random>

#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

class Corrupted : public test::Program {
 protected:
  /// Damages one random file of the set: flips bits, writes 0xff runs, cuts or lengthens. @return what was done
  std::string damage(const std::string& set, std::mt19937& random) const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / set))
      if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
    std::sort(files.begin(), files.end());  // the order of a directory is not that of the seed
    const auto& file = files[random() % files.size()];
    const auto size = std::filesystem::file_size(file);
    // Headers are at the front: half of the damage goes there.
    const auto at = (random() % 2 == 0 ? random() % std::min<uintmax_t>(size, 1024) : random() % size);
    const auto name = std::filesystem::relative(file, folder_ / set).string();
    switch (random() % 4) {
      case 0:
        std::filesystem::resize_file(file, at);
        return fmt::format("{} cut to {} of {} bytes", name, at, size);
      case 1: {
        const auto length = std::min<uintmax_t>(1 + random() % 16, size - at);
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(static_cast<std::streamoff>(at));
        for (uintmax_t i = 0; i < length; ++i) stream.put(static_cast<char>(0xff));
        return fmt::format("{} bytes {} to {} set to 0xff", name, at, at + length);
      }
      default: {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(at));
        const int before = stream.get(), after = before ^ (1 << random() % 8);
        stream.seekp(static_cast<std::streamoff>(at));
        stream.put(static_cast<char>(after));
        return fmt::format("{} byte {} from {} to {}", name, at, before, after);
      }
    }
  }

  /// casacore trusts the headers of storage managers and of lock files: some of this damage takes it down
  /// (division by zero in TSMCube::setupNrTiles, a wild pointer in TSMDataColumn::shape, 4 GiB cleared byte by
  /// byte in TableSyncData::read). A child process looks first (io/measurement_set_probe.cpp).
  void fuzz(unsigned first_seed, unsigned runs, double seconds) {
    if (!std::filesystem::exists(folder_ / "s.ms"))
      simulate("s.ms", catalogue("s.csv", {{.x = 64, .y = 64}}, 128), 3, 2, "30min");
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    int images = 0, refused = 0;
    for (unsigned seed = first_seed; seed < first_seed + runs && std::chrono::steady_clock::now() < end;
         ++seed) {
      std::mt19937 random(seed);
      std::filesystem::copy(folder_ / "s.ms", folder_ / "d.ms", std::filesystem::copy_options::recursive);
      const auto what = damage("d.ms", random);
      const auto answer =
          run("image d.ms --size 128 --cell 10asec --iterations 0 --no-png --set runtime.memory=1GiB -o b",
              "timeout -s KILL 20");
      if (answer.code == 0) {
        ++images;
      } else {
        ++refused;
        EXPECT_TRUE(answer.code == 1 || answer.code == 2)
            << "seed " << seed << ": " << what << ": ended with " << answer.code << "\n"
            << answer.text;
        EXPECT_THAT(answer.text, ::testing::HasSubstr("fringeflow: error: "))
            << "seed " << seed << ": " << what;
        EXPECT_THAT(products("b"), ::testing::IsEmpty()) << "seed " << seed << ": " << what;
      }
      for (const auto& name : products("b")) std::filesystem::remove(folder_ / ("b-" + name));
      std::filesystem::remove_all(folder_ / "d.ms");
    }
    EXPECT_GT(images + refused, 0);
    std::printf("%d images, %d refused\n", images, refused);
  }
};

TEST_F(Corrupted, FewSets) { fuzz(1, 40, 15); }
// These took casacore, and with it the program, down.
TEST_F(Corrupted, SetsThatCasacoreDoesNotSurvive) {
  for (const unsigned seed : {1042u, 1043u, 1064u}) fuzz(seed, 1, 60);
}
TEST_F(Corrupted, ManySetsSlow) { fuzz(1000, 1000, 240); }

}  // namespace
}  // namespace fringeflow
