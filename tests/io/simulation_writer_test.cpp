// SPDX-License-Identifier: GPL-3.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>

#include "io/error.hpp"
#include "io/layout.hpp"
#include "io/measurement_set.hpp"
#include "tests/data/tiny_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {
namespace {

using casacore::IPosition;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// Files cannot grow beyond a size while this lives: what a full disk is like.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

io::NewMeasurementSet description(int antennas = 5) {
  io::NewMeasurementSet set;
  set.antennas = tiny_array(antennas);
  set.times_s = {5.2739424e9, 5.2739424e9 + 8};
  set.interval_s = 8;
  set.freq_hz = {1.3e9, 1.301e9};
  set.channel_width_hz = 1e6;
  set.phase_centre = {0.5, -0.5};
  return set;
}

TEST(SimulationWriterTest, MakesAWholeMeasurementSet) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.ms";
  TinySet options;
  options.times = 2;
  make_tiny_set(path, options);
  EXPECT_EQ(folder.count(), 1u);
  const casacore::Table t(path);
  for (const char* name :
       {"ANTENNA", "DATA_DESCRIPTION", "FEED", "FIELD", "FLAG_CMD", "HISTORY", "OBSERVATION", "POINTING",
        "POLARIZATION", "PROCESSOR", "SPECTRAL_WINDOW", "STATE"}) {
    EXPECT_NO_THROW(casacore::Table(path + "/" + name)) << name;
  }
  EXPECT_EQ(t.nrow(), 30u);
  EXPECT_EQ(casacore::ScalarColumn<double>(t, "INTERVAL")(29), 8);
  EXPECT_EQ(casacore::ScalarColumn<casacore::Int>(t, "ANTENNA2")(14), 5);
  EXPECT_EQ(casacore::ArrayColumn<float>(t, "SIGMA").shape(3), IPosition(1, 4));
  EXPECT_EQ(casacore::ScalarColumn<casacore::Int>(casacore::Table(path + "/FEED"), "ANTENNA_ID")(5), 5);
  const casacore::Table antennas(path + "/ANTENNA");
  EXPECT_EQ(casacore::ScalarColumn<double>(antennas, "DISH_DIAMETER")(0), 13.5);
}

TEST(SimulationWriterTest, UvwIsARotationOfTheBaselines) {
  const TemporaryFolder folder;
  const auto set = description();
  const io::SimulationWriter writer(folder / "a.ms", set);
  ASSERT_EQ(writer.baselines(), 10);
  std::vector<double> uvw(30), again(30);
  writer.uvw_m(0, {uvw.data(), {10, 3}});
  writer.uvw_m(1, {again.data(), {10, 3}});
  int b = 0;
  for (size_t i = 0; i < 5; ++i) {
    for (size_t j = i + 1; j < 5; ++j, ++b) {
      double length = 0;
      for (int k = 0; k < 3; ++k)
        length = std::hypot(length, set.antennas[j].position_m[k] - set.antennas[i].position_m[k]);
      const double* at = &uvw[static_cast<size_t>(3 * b)];
      EXPECT_NEAR(std::hypot(at[0], at[1], at[2]), length, 1e-4);
      EXPECT_NE(again[static_cast<size_t>(3 * b)], at[0]);
    }
  }
  // From the definition: hour angle from the sidereal time, no precession. Good to 1 % here, signs and axes
  // are what counts.
  const double mjd = 5.2739424e9 / 86400, days = mjd - 51544.5,
               gmst = 2 * kPi * (0.7790572732640 + 1.00273781191135448 * days);
  const double h = gmst - set.phase_centre.ra_rad, dec = set.phase_centre.dec_rad;
  for (b = 0; b < 4; ++b) {
    double d[3];
    for (int k = 0; k < 3; ++k)
      d[k] = set.antennas[static_cast<size_t>(b + 1)].position_m[k] - set.antennas[0].position_m[k];
    const double a = d[0] * std::cos(h) - d[1] * std::sin(h), u = d[0] * std::sin(h) + d[1] * std::cos(h);
    const double length = std::hypot(d[0], d[1], d[2]);
    EXPECT_NEAR(uvw[static_cast<size_t>(3 * b)], u, 0.01 * length);
    EXPECT_NEAR(uvw[static_cast<size_t>(3 * b) + 1], std::cos(dec) * d[2] - std::sin(dec) * a, 0.01 * length);
    EXPECT_NEAR(uvw[static_cast<size_t>(3 * b) + 2], std::sin(dec) * d[2] + std::cos(dec) * a, 0.01 * length);
  }
}

TEST(SimulationWriterTest, ExistingSetsAreNotReplacedUnlessAsked) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.ms";
  make_tiny_set(path);
  EXPECT_THAT(message_of<UserError>([&] { io::SimulationWriter(path, description()); }),
              AllOf(HasSubstr("a.ms"), HasSubstr("exists")));
  std::vector<double> uvw(30);
  const std::vector<std::complex<float>> vis(20, 1);
  {
    io::SimulationWriter writer(path + "/", description(), true);
    writer.write_time(1, {uvw.data(), {10, 3}}, "I", {vis.data(), {1, 10, 2}});
    EXPECT_THAT(message_of<RunError>([&] { writer.commit(); }), HasSubstr("row 0"));
    EXPECT_EQ(casacore::Table(path).nrow(), 75u);
    writer.write_time(0, {uvw.data(), {10, 3}}, "I", {vis.data(), {1, 10, 2}});
    writer.commit();
  }
  EXPECT_EQ(casacore::Table(path).nrow(), 20u);
  EXPECT_EQ(folder.count(), 1u);
}

TEST(SimulationWriterTest, NothingIsLeftWithoutCommit) {
  const TemporaryFolder folder;
  { const io::SimulationWriter writer(folder / "a.ms", description()); }
  EXPECT_EQ(folder.count(), 0u);
  EXPECT_THAT(message_of<RunError>([&] { io::SimulationWriter("/proc/nowhere/a.ms", description()); }),
              HasSubstr("/proc/nowhere/a.ms"));
}

TEST(SimulationWriterTest, FullDisk) {
  const TemporaryFolder folder;
  const auto message = message_of<RunError>([&] {
    auto set = description(40);
    io::SimulationWriter writer(folder / "a.ms", set);
    const int64_t n = writer.baselines();
    std::vector<double> uvw(static_cast<size_t>(3 * n));
    const std::vector<std::complex<float>> vis(static_cast<size_t>(2 * n), 1);
    const SmallDisk disk(20000);
    for (int t = 0; t < 2; ++t) writer.write_time(t, {uvw.data(), {n, 3}}, "I", {vis.data(), {1, n, 2}});
    writer.commit();
  });
  EXPECT_THAT(message, AllOf(HasSubstr("a.ms"), HasSubstr("cannot be written")));
  EXPECT_EQ(folder.count(), 0u);
}

TEST(SimulationWriterTest, RefusesNonsense) {
  const TemporaryFolder folder;
  const auto refused = [&](auto&& change) {
    auto set = description();
    change(set);
    return message_of<UserError>([&] { io::SimulationWriter(folder / "a.ms", set); });
  };
  EXPECT_THAT(refused([](auto& s) { s.antennas.resize(1); }), HasSubstr("antennas"));
  EXPECT_THAT(refused([](auto& s) { s.times_s.clear(); }), HasSubstr("times"));
  EXPECT_THAT(refused([](auto& s) { s.freq_hz[0] = -1; }), HasSubstr("channel"));
  EXPECT_THAT(refused([](auto& s) { s.interval_s = 0; }), HasSubstr("interval"));
  EXPECT_THAT(refused([](auto& s) { s.correlations = {"XX", "LL"}; }), HasSubstr("correlations"));
  EXPECT_THAT(refused([](auto& s) { s.antennas[1].position_m[2] = std::nan(""); }), HasSubstr("T1"));
  EXPECT_EQ(folder.count(), 0u);
}

class ColumnWriterTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_ / "tiny.ms";

  /// What is in a file of the table, to see that it does not change.
  static std::string bytes(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// Writes a column whose value tells row and channel.
  static void fill(const std::string& path, const std::string& column, const std::string& stokes,
                   int64_t target, bool stop_early = false) {
    io::ColumnWriter writer(path, column);
    const auto chunks = writer.chunks(target);
    for (const auto& chunk : chunks) {
      std::vector<double> uvw(static_cast<size_t>(3 * chunk.rows));
      writer.read_uvw(chunk, {uvw.data(), {chunk.rows, 3}});
      std::vector<std::complex<float>> vis(stokes.size() * static_cast<size_t>(chunk.rows * chunk.channels));
      const View<std::complex<float>, 3> v(vis.data(),
                                           {static_cast<int64_t>(stokes.size()), chunk.rows, chunk.channels});
      for (size_t s = 0; s < stokes.size(); ++s) {
        int64_t i = 0;
        for (const auto& [begin, end] : chunk.row_ranges) {
          for (int64_t row = begin; row < end; ++row, ++i) {
            for (int64_t c = 0; c < chunk.channels; ++c)
              v(static_cast<int64_t>(s), i, c) = tiny_visibility(static_cast<int>(s), 2 * row, c);
          }
        }
      }
      writer.write(chunk, stokes, v);
      if (stop_early) return;
    }
    writer.flush();
  }
};

TEST_F(ColumnWriterTest, MakesAColumnTiledLikeDataAndTouchesNothingElse) {
  TinySet options;
  options.antennas = 40;
  options.autocorrelations = true;
  make_tiny_set(path_, options);
  std::vector<std::pair<std::string, std::string>> before;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("table.f")) before.emplace_back(entry.path(), bytes(entry.path()));
  }
  fill(path_, "MODEL_DATA", "IQUV", 1000);
  for (const auto& [file, content] : before) EXPECT_TRUE(bytes(file) == content) << file;
  Selection selection;
  selection.column = "MODEL_DATA";
  io::MeasurementSet model(path_, selection), data(path_, {});
  EXPECT_EQ(model.info().tile_rows, data.info().tile_rows);
  const auto chunk = read_all(model, "IQUV")[0];
  const casacore::Table t(path_);
  const casacore::ScalarColumn<casacore::Int> first(t, "ANTENNA1"), second(t, "ANTENNA2");
  int64_t at = 0;
  for (int64_t row = 0; row < 820 * 5; ++row) {
    const auto r = static_cast<casacore::rownr_t>(row);
    if (first(r) == second(r)) continue;
    for (int s = 0; s < 4; ++s)
      ASSERT_NEAR(std::abs(chunk.vis_at(s, at, 3) - tiny_visibility(s, 2 * row, 3)), 0, 2e-5) << row;
    ++at;
  }
  // Autocorrelations too, and a column that exists is written again.
  EXPECT_NEAR(std::abs(casacore::ArrayColumn<casacore::Complex>(t, "MODEL_DATA")(820)(IPosition(2, 0, 1)) -
                       (tiny_visibility(0, 1640, 1) + tiny_visibility(1, 1640, 1))),
              0, 1e-5);
}

TEST_F(ColumnWriterTest, StokesIAloneAndAnExistingColumn) {
  TinySet options;
  options.correlations = {"RR", "RL", "LR", "LL"};
  make_tiny_set(path_, options);
  fill(path_, "CORRECTED_DATA", "IQUV", 1 << 20);
  fill(path_, "CORRECTED_DATA", "I", 1 << 20);
  const casacore::Table t(path_);
  const auto cell = casacore::ArrayColumn<casacore::Complex>(t, "CORRECTED_DATA")(9);
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(cell(IPosition(2, 0, c)), tiny_visibility(0, 18, c));
    EXPECT_EQ(cell(IPosition(2, 1, c)), casacore::Complex(0));
    EXPECT_EQ(cell(IPosition(2, 3, c)), tiny_visibility(0, 18, c));
  }
  EXPECT_EQ(io::MeasurementSet(path_, {}).info().column, "CORRECTED_DATA");
}

TEST_F(ColumnWriterTest, DataIsSafeWhenInterrupted) {
  make_tiny_set(path_);
  fill(path_, "MODEL_DATA", "I", 40, true);
  Selection selection;
  selection.column = "DATA";
  io::MeasurementSet set(path_, selection);
  EXPECT_EQ(read_all(set)[0].spec.rows, 75);
}

TEST_F(ColumnWriterTest, DataIsSafeOnAFullDisk) {
  TinySet options;
  options.antennas = 40;
  make_tiny_set(path_, options);
  for (rlim_t bytes : {2000, 30000, 200000}) {
    const auto message = message_of<RunError>([&] {
      const SmallDisk disk(bytes);
      fill(path_, "MODEL_DATA", "I", 1000);
    });
    EXPECT_THAT(message, HasSubstr("tiny.ms"));
    Selection selection;
    selection.column = "DATA";
    io::MeasurementSet set(path_, selection);
    const auto chunk = read_all(set)[0];
    EXPECT_EQ(chunk.spec.rows, 3900);
    EXPECT_NEAR(std::abs(chunk.vis_at(0, 3899, 3) - tiny_visibility(0, 3899, 3)), 0, 1e-5);
  }
}

TEST_F(ColumnWriterTest, RefusesWhatIsNotAModelColumn) {
  make_tiny_set(path_);
  for (const char* column : {"DATA", "FLAG", "UVW", "TIME", ""}) {
    EXPECT_THAT(message_of<UserError>([&] { io::ColumnWriter(path_, column); }),
                AllOf(HasSubstr("tiny.ms"), HasSubstr("MODEL_DATA")))
        << column;
  }
  EXPECT_THAT(message_of<UserError>([&] { io::ColumnWriter(folder_ / "none.ms", "MODEL_DATA"); }),
              HasSubstr("does not exist"));
  put_element(edit(path_), "UVW", 4, IPosition(1, 0), std::nan(""));
  EXPECT_THAT(message_of<RunError>([&] { fill(path_, "MODEL_DATA", "I", 1000); }), HasSubstr("row 4"));
}

TEST_F(ColumnWriterTest, WindowsAndFieldsAreChunksOfTheirOwn) {
  const auto set = shared_set("alma_mssel_io", folder_);
  if (!set) GTEST_SKIP() << "no shared data";
  fill(*set, "MODEL_DATA", "I", 500);
  const casacore::Table t(*set);
  const casacore::ArrayColumn<casacore::Complex> model(t, "MODEL_DATA"), data(t, "DATA");
  for (casacore::rownr_t row = 0; row < t.nrow(); row += 37) {
    ASSERT_TRUE(model.shape(row).isEqual(data.shape(row))) << row;
    EXPECT_EQ(model(row)(IPosition(2, 0, 0)), tiny_visibility(0, 2 * static_cast<int64_t>(row), 0));
  }
  io::ColumnWriter writer(*set, "MODEL_DATA");
  for (const auto& chunk : writer.chunks(1 << 20)) {
    EXPECT_EQ(chunk.rows, chunk.stored_rows);
    EXPECT_GE(chunk.field, 0);
  }
}

TEST(LayoutTest, ReadsHorizonAndItrfLayouts) {
  const TemporaryFolder folder;
  const auto position = folder.write("p.txt", "21.444 -30.711\n");
  const auto antennas =
      io::read_layout(folder.write("l.txt", "# east north\n0,0\n\n 100.5\t-20 3 # a comment\n"), position);
  ASSERT_EQ(antennas.size(), 2u);
  const double lon = 21.444 * kPi / 180, lat = -30.711 * kPi / 180;
  const auto &a = antennas[0].position_m, &b = antennas[1].position_m;
  const double d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
  EXPECT_NEAR(-std::sin(lon) * d[0] + std::cos(lon) * d[1], 100.5, 1e-8);
  EXPECT_NEAR(-std::sin(lat) * (std::cos(lon) * d[0] + std::sin(lon) * d[1]) + std::cos(lat) * d[2], -20,
              1e-8);
  EXPECT_NEAR(std::cos(lat) * (std::cos(lon) * d[0] + std::sin(lon) * d[1]) + std::sin(lat) * d[2], 3, 1e-8);
  EXPECT_NEAR(std::hypot(a[0], a[1], a[2]), 6372.6e3, 500);

  const auto itrf = io::read_layout(
      folder.write(
          "i.txt",
          "#X Y Z\n5109360.0 2006852.6 -3238948.1 13.5 M000 ALT-AZ\n5109361.0,2006852.6,-3238948.1\n"),
      "");
  EXPECT_EQ(itrf[0].name, "M000");
  EXPECT_EQ(itrf[0].diameter_m, 13.5);
  EXPECT_EQ(itrf[1].position_m[0], 5109361.0);
}

TEST(LayoutTest, ErrorsNameFileAndLine) {
  const TemporaryFolder folder;
  const auto position = folder.write("p.txt", "21.444 -30.711\n");
  const auto complaint = [&](const std::string& text, const std::string& at = "") {
    const auto file = folder.write("l.txt", text);
    return message_of<UserError>([&] { io::read_layout(file, at); });
  };
  EXPECT_THAT(complaint("0 0\n10 nan\n", position), AllOf(HasSubstr("l.txt:2"), HasSubstr("nan")));
  EXPECT_THAT(complaint("0 0\n10 1e400\n", position), HasSubstr("l.txt:2"));
  EXPECT_THAT(complaint("0 0\n10\n", position), AllOf(HasSubstr("l.txt:2"), HasSubstr("north")));
  EXPECT_THAT(complaint("# nothing else\n0 0\n", position),
              AllOf(HasSubstr("l.txt:2"), HasSubstr("at least two")));
  EXPECT_THAT(complaint("", position), HasSubstr("l.txt:1"));
  EXPECT_THAT(complaint("0 0\n1 x1\n", position), HasSubstr("'x1'"));
  EXPECT_THAT(complaint("0 0 0\n1 1 1\n"), AllOf(HasSubstr("l.txt:1"), HasSubstr("position file")));
  EXPECT_THAT(complaint("5109360 2006852 -3238948\n5109361 2006852 -3238948\n", position),
              HasSubstr("l.txt:1"));
  EXPECT_THAT(complaint("0 0\n1 1\n", folder.write("q.txt", "21.4\n")), HasSubstr("q.txt:1"));
  EXPECT_THAT(complaint("0 0\n1 1\n", folder.write("q.txt", "21.4 -91\n")), HasSubstr("q.txt:1"));
  EXPECT_THAT(message_of<UserError>([&] { io::read_layout(folder / "none.txt", position); }),
              HasSubstr("none.txt"));
}

TEST(LayoutTest, SharedLayouts) {
  const auto data = shared_data();
  if (!data || !fs::exists(*data + "/layouts")) GTEST_SKIP() << "no shared data";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(*data + "/layouts")) {
    const std::string file = entry.path();
    if (file.ends_with(".layout.txt")) {
      const std::string position = file.substr(0, file.size() - 11) + ".position.txt";
      EXPECT_GT(io::read_layout(file, position).size(), 3u) << file;
      ++files;
    } else if (file.ends_with(".itrf.txt")) {
      EXPECT_GT(io::read_layout(file, "").size(), 20u) << file;
      ++files;
    }
  }
  EXPECT_GT(files, 20);
}

}  // namespace
}  // namespace fringeflow::test
