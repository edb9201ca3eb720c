// SPDX-License-Identifier: GPL-3.0-or-later
// Chunks whose rows are in groups of integrations: the same rows, the same values, one order whatever the sizes.
#include <gtest/gtest.h>

#include <set>

#include "tests/data/tiny_set.hpp"

namespace fringeflow::test {
namespace {

class MeasurementSetGroupTest : public ::testing::Test {
 protected:
  struct Row {
    double time_s;
    int antenna1, antenna2;
    std::array<double, 3> uvw_m;
    std::vector<std::complex<float>> vis;
    bool operator==(const Row&) const = default;
    auto key() const { return std::tuple(time_s, antenna1, antenna2); }
  };

  static std::vector<Row> read(io::MeasurementSet& set, const io::ChunkSpec& spec) {
    const int64_t rows = spec.rows, channels = spec.channels;
    std::vector<double> uvw(static_cast<size_t>(3 * rows)), again(uvw.size()),
        time(static_cast<size_t>(rows)), time_again(time.size());
    std::vector<std::complex<float>> vis(static_cast<size_t>(rows * channels));
    std::vector<float> weight(vis.size());
    std::vector<int32_t> antennas(static_cast<size_t>(2 * rows)), antennas_again(antennas.size());
    io::ChunkBuffers out;
    out.uvw_m = {uvw.data(), {rows, 3}};
    out.vis = {vis.data(), {1, rows, channels}};
    out.weight = {weight.data(), {1, rows, channels}};
    out.time_s = {time.data(), {rows}};
    out.antennas = {antennas.data(), {rows, 2}};
    set.read(spec, "I", {}, out);
    set.read_uvw(spec, {}, {again.data(), {rows, 3}});
    set.read_rows(spec, {time_again.data(), {rows}}, {antennas_again.data(), {rows, 2}});
    EXPECT_EQ(again, uvw);
    EXPECT_EQ(time_again, time);
    EXPECT_EQ(antennas_again, antennas);
    std::vector<Row> all;
    for (size_t r = 0; r < time.size(); ++r)
      all.push_back({time[r],
                     antennas[2 * r],
                     antennas[2 * r + 1],
                     {uvw[3 * r], uvw[3 * r + 1], uvw[3 * r + 2]},
                     {vis.begin() + static_cast<int64_t>(r) * channels,
                      vis.begin() + static_cast<int64_t>(r + 1) * channels}});
    return all;
  }
  static std::vector<Row> read_all(io::MeasurementSet& set, const std::vector<io::ChunkSpec>& chunks) {
    std::vector<Row> all;
    for (const auto& chunk : chunks) {
      const auto rows = read(set, chunk);
      all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
  }
  static void sort(std::vector<Row>& rows) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key() < b.key(); });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "s.ms";
};

TEST_F(MeasurementSetGroupTest, RowsOfABaselineLieTogether) {
  make_tiny_set(path_, {.antennas = 7, .times = 37, .autocorrelations = true});
  io::MeasurementSet set(path_, {});
  auto plain = read_all(set, set.scan(1 << 20, {}, {}));
  sort(plain);
  ASSERT_EQ(plain.size(), 21u * 37u);
  std::vector<Row> first;
  // Chunks of several blocks, of one, and of some baselines of one.
  for (const int64_t target : {int64_t{1} << 20, int64_t{16 * 21 * 4}, int64_t{16 * 5 * 4}, int64_t{1}}) {
    const auto chunks = set.group_times(16, target);
    for (const auto& chunk : chunks) {
      EXPECT_LE(chunk.rows * chunk.channels, std::max<int64_t>(target, 16 * 4)) << target;
      if (chunk.order.times == 1) continue;
      const auto rows = read(set, chunk);
      for (size_t r = 0; r < rows.size(); ++r) {
        const auto t = r % static_cast<size_t>(chunk.order.times);
        if (t == 0) continue;
        EXPECT_EQ(rows[r].antenna1, rows[r - 1].antenna1);
        EXPECT_EQ(rows[r].antenna2, rows[r - 1].antenna2);
        EXPECT_EQ(rows[r].time_s, rows[r - 1].time_s + 600);
      }
    }
    auto all = read_all(set, chunks);
    if (first.empty()) first = all;
    EXPECT_EQ(all, first) << "the order does not depend on the size of chunks: " << target;
    sort(all);
    EXPECT_EQ(all, plain);
  }
  std::set<int64_t> times;
  for (const auto& chunk : set.group_times(16, 1 << 20)) times.insert(chunk.order.times);
  EXPECT_EQ(times, (std::set<int64_t>{5, 16})) << "37 integrations are 16, 16 and 5";
}

TEST_F(MeasurementSetGroupTest, SetsInTheOrderOfBaselinesAreGroupedAsTheyLie) {
  make_tiny_set(path_, {.antennas = 2, .times = 40});
  io::MeasurementSet set(path_, {});
  auto plain = read_all(set, set.scan(1 << 20, {}, {}));
  const auto chunks = set.group_times(16, 1 << 20);
  EXPECT_EQ(read_all(set, chunks), plain);
  ASSERT_FALSE(chunks.empty());
  EXPECT_EQ(chunks.front().order.times, 16);
  EXPECT_EQ(chunks.front().row_ranges.size(), 1u);
}

TEST_F(MeasurementSetGroupTest, IrregularIntegrationsKeepTheirOrder) {
  make_tiny_set(path_, {.antennas = 6, .times = 32});
  {
    // Another antenna pair takes the place of the fourth row of an integration of the first block: an autocorrelation.
    casacore::Table table(path_, casacore::Table::Update);
    casacore::ScalarColumn<casacore::Int>(table, "ANTENNA2").put(15 * 5 + 3, 0);
    casacore::ScalarColumn<casacore::Int>(table, "ANTENNA1").put(15 * 5 + 3, 0);
    casacore::ArrayColumn<double>(table, "UVW").put(15 * 5 + 3, casacore::Vector<double>(3, 0.0));
  }
  io::MeasurementSet set(path_, {});
  auto plain = read_all(set, set.scan(1 << 20, {}, {}));
  ASSERT_EQ(plain.size(), 15u * 32u - 1u);
  const auto chunks = set.group_times(16, 1 << 20);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].order.times, 1);
  EXPECT_EQ(chunks[0].rows, 15 * 16 - 1);
  EXPECT_EQ(chunks[1].order.times, 16);
  EXPECT_EQ(read(set, chunks[0]), std::vector<Row>(plain.begin(), plain.begin() + 15 * 16 - 1));
  auto all = read_all(set, chunks);
  sort(all);
  sort(plain);
  EXPECT_EQ(all, plain);
}

}  // namespace
}  // namespace fringeflow::test
