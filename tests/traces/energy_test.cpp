// SPDX-License-Identifier: GPL-3.0-or-later
// Counters of energy that a folder imitates, and the model that stands in for them.
#include "traces/energy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "io/error.hpp"
#include "io/text_table.hpp"
#include "tests/io/temporary_folder.hpp"
#include "traces/machine_file.hpp"

namespace fringeflow::traces {
namespace {

using fringeflow::test::message_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kRounding = 1e-9;

class Rapl : public ::testing::Test {
 protected:
  void domain(const std::string& folder, const std::string& name, int64_t uj) {
    std::filesystem::create_directories(folder_ / folder);
    folder_.write(folder + "/name", name + "\n");
    folder_.write(folder + "/max_energy_range_uj", "1000000\n");
    set(folder, uj);
  }
  void set(const std::string& folder, int64_t uj) {
    folder_.write(folder + "/energy_uj", std::to_string(uj) + "\n");
  }
  fringeflow::test::TemporaryFolder folder_;
};

TEST_F(Rapl, SumsPackagesAndMemory) {
  domain("intel-rapl:0", "package-0", 100);
  domain("intel-rapl:1", "package-1", 200);
  domain("intel-rapl:0:0", "core", 300);  // part of the package
  domain("intel-rapl:0:1", "dram", 400);
  EnergyMeter meter(folder_ / "");
  ASSERT_TRUE(meter.available());
  set("intel-rapl:0", 500100);
  set("intel-rapl:1", 250200);
  set("intel-rapl:0:0", 999999);
  set("intel-rapl:0:1", 125400);
  const auto energy = meter.read();
  ASSERT_TRUE(energy);
  EXPECT_NEAR(energy->joule, 0.875, kRounding);
  EXPECT_THAT(energy->sensors, ElementsAre("package-0 (RAPL)", "dram (RAPL)", "package-1 (RAPL)"));
}

TEST_F(Rapl, WrapsRound) {
  domain("intel-rapl:0", "package-0", 900000);
  EnergyMeter meter(folder_ / "");
  set("intel-rapl:0", 100000);
  EXPECT_NEAR(meter.read()->joule, 0.2, kRounding);
  set("intel-rapl:0", 50000);
  EXPECT_NEAR(meter.read()->joule, 1.15, kRounding);
}

TEST_F(Rapl, NothingToRead) {
  EXPECT_FALSE(EnergyMeter(folder_ / "none").read());
  domain("intel-rapl:0:1", "dram", 400);
  EXPECT_FALSE(EnergyMeter(folder_ / "").available()) << "memory alone is not the machine";
}

TEST(PowerModel, Adds) {
  const PowerModel model{.static_w = 100, .core_busy_w = 3, .gpu_idle_w = 50, .gpu_busy_w = 300};
  EXPECT_NEAR(model.energy_j(10, 20), 1060, kRounding);
  EXPECT_NEAR(model.energy_j(10, 20, 2, 5), 1060 + 1000 + 1500, kRounding);
}

// seed-systems.md 3.2: 32768^2, 256 times x 256 channels on a quarter of astroCAMP's node. Figures there are rounded to the digits below.
TEST(Footprint, AstroCampsGoldenValues) {
  constexpr double kSeconds = 4204, kDynamicWh = 45.75, kMvis = 130816e-6 * 256 * 256;
  const double joule = kDynamicWh * 3600 + 881.49 / 4 * kSeconds;
  EXPECT_NEAR(kMvis, 8573.157, 5e-4);
  EXPECT_NEAR(kMvis / kSeconds, 2.04, 5e-3);
  EXPECT_NEAR(joule / 3600, 303.1, 5e-2);
  const auto machine = load_machine("node4h100");
  const auto sites = load_sites();
  ASSERT_EQ(sites.size(), 2u);
  const auto south_africa = footprint(joule, kSeconds, machine, sites[0]);
  const auto western_australia = footprint(joule, kSeconds, machine, sites[1]);
  EXPECT_NEAR(western_australia.operational_g, 97.3, 5e-2);
  EXPECT_NEAR(western_australia.embodied_g, 11.4, 5e-2);
  EXPECT_NEAR(western_australia.energy_usd, 0.0818, 5e-5);
  EXPECT_NEAR(western_australia.capex_usd, 0.664, 5e-4);
  EXPECT_NEAR(kMvis / western_australia.carbon_g(), 78.9, 5e-2);  // k Mvis/kg
  EXPECT_NEAR(kMvis / western_australia.cost_usd(), 11.5e3, 5e1);
  EXPECT_NEAR(south_africa.operational_g, 203.7, 5e-2);
  EXPECT_NEAR(south_africa.energy_usd, 0.0576, 5e-5);
  EXPECT_NEAR(kMvis / south_africa.carbon_g(), 39.9, 5e-2);
  EXPECT_NEAR(kMvis / south_africa.cost_usd(), 11.88e3, 5e0);
}

// The same over all its published runs: shares as in the paper's text.
TEST(Footprint, AstroCampsHundredRuns) {
  const auto shared = fringeflow::test::shared_data();
  if (!shared) GTEST_SKIP() << "no shared data";
  const auto machine = load_machine("node4h100");
  const auto sites = load_sites();
  double low[5], high[5];
  std::fill(low, low + 5, 1e9);
  std::fill(high, high + 5, -1e9);
  const auto lines = io::read_lines(*shared + "/astrocamp/benchmarks.csv");
  ASSERT_EQ(lines.size(), 101u);
  const auto names = io::split_fields(lines[0].text);
  auto column = [&](const char* name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto fields = io::split_fields(lines[i].text);
    const double seconds = std::stod(fields.at(column("wall_time_sec")));
    const double dynamic = std::stod(fields.at(column("tot_sys_j")));
    const double joule = dynamic + 881.49 / 4 * seconds;
    const auto sa = footprint(joule, seconds, machine, sites[0]),
               wa = footprint(joule, seconds, machine, sites[1]);
    const double share[] = {dynamic / joule, wa.operational_g / wa.carbon_g(),
                            sa.operational_g / sa.carbon_g(), wa.capex_usd / wa.cost_usd(),
                            sa.capex_usd / sa.cost_usd()};
    for (int k = 0; k < 5; ++k) {
      low[k] = std::min(low[k], share[k]);
      high[k] = std::max(high[k], share[k]);
    }
  }
  // Published to a tenth of a per cent.
  const double published_low[] = {0.148, 0.895, 0.947, 0.885, 0.916},
               published_high[] = {0.194, 0.900, 0.950, 0.891, 0.920};
  for (int k = 0; k < 5; ++k) {
    EXPECT_NEAR(low[k], published_low[k], 6e-4) << k;
    EXPECT_NEAR(high[k], published_high[k], 6e-4) << k;
  }
}

TEST(MachineFile, Shipped) {
  EXPECT_THAT(shipped_machines(), ElementsAre("this", "node64", "node4h100", "cluster4"));
  for (const auto& name : shipped_machines()) {
    const auto machine = load_machine(name);
    EXPECT_GT(machine.cores, 0) << name;
    EXPECT_GT(machine.memory_bytes, 0) << name;
    EXPECT_GT(machine.power.static_w, 0) << name;
  }
  EXPECT_EQ(load_machine("node4h100").gpus, 4);
  EXPECT_EQ(load_machine("node4h100").read_bytes_s, 6e9);
  EXPECT_EQ(load_machine("cluster4").nodes, 4);
  EXPECT_EQ(load_machine("cluster4").network_bytes_s, 12.5e9);
}

TEST(MachineFile, OnesOwn) {
  const fringeflow::test::TemporaryFolder folder;
  folder.write("mine.yaml", "cores: 8\nmemory: 2 GiB\npower: {static_w: 40, core_busy_w: 5}\n");
  const auto machine = load_machine(folder / "mine.yaml");
  EXPECT_EQ(machine.name, "mine");
  EXPECT_EQ(machine.cores, 8);
  EXPECT_EQ(machine.memory_bytes, int64_t{2} << 30);
  EXPECT_EQ(machine.power.static_w, 40);
}

TEST(MachineFile, MistakesAreNamed) {
  const fringeflow::test::TemporaryFolder folder;
  const std::string power = "power: {static_w: 40, core_busy_w: 5}\n";
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {power + "coers: 8\n", "2: bad: unknown key 'coers'"},
      {power + "cores: many\n", "2: cores must be a number"},
      {power + "memory: 12\n", "2: memory"},
      {power + "nodes: 0\n", "nodes must be at least 1"},
      {power + "cores: 0\n", "cores must be at least 1"},
      {"cores: 8\n", "power is missing"},
      {"cores: [\n", "bad.yaml"}};
  for (const auto& [text, message] : mistakes) {
    folder.write("bad.yaml", text);
    EXPECT_THAT(message_of<UserError>([&] { load_machine(folder / "bad.yaml"); }),
                AllOf(HasSubstr("bad.yaml"), HasSubstr(message.substr(0, message.find("bad:")))))
        << text;
  }
  EXPECT_THAT(message_of<UserError>([] { load_machine("cray"); }), HasSubstr("node4h100"));
  folder.write("sites.yaml", "Here: {price: 1}\n");
  EXPECT_THAT(message_of<UserError>([&] { load_sites(folder / "sites.yaml"); }), HasSubstr("'price'"));
}

}  // namespace
}  // namespace fringeflow::traces
