// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Runs of the program itself in a temporary folder, on observations that it simulated, and what came of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "io/fits_image.hpp"
#include "tests/data/tiny_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {

struct Answer {
  int code = -1;     ///< 128 + signal when one ended it
  std::string text;  ///< standard output and error
};

/// A source that a test simulates, and where it expects it.
struct PixelSource {
  double x = 0, y = 0, flux_jy = 1;
  double q_jy = 0, u_jy = 0, v_jy = 0, spectral_index = 0;
};

inline double degrees(double rad) { return rad * 180 / M_PI; }

class Program : public ::testing::Test {
 protected:
  static constexpr double kCell = 5 * M_PI / 180 / 3600;  ///< of "--cell 5asec"; the beam is ten times that
  static constexpr Direction kCentre{60 * M_PI / 180, -45 * M_PI / 180};

  Answer run(const std::string& arguments, const std::string& before = "timeout -s KILL 120") const {
    const std::string command = "cd '" + folder_ / "" + "' && " + before + " '" FRINGEFLOW_BINARY "' " +
                                arguments + " 2>&1 </dev/null";
    Answer answer;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return answer;
    char buffer[4096];
    for (size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) answer.text.append(buffer, n);
    const int status = pclose(pipe);
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return answer;
  }
  std::string expect_ok(const std::string& arguments) const {
    const auto answer = run(arguments);
    EXPECT_EQ(answer.code, 0) << arguments << "\n" << answer.text;
    return answer.text;
  }

  static io::ImageGrid grid(int64_t n, double cell_rad = kCell, Direction centre = kCentre) {
    return {centre, cell_rad, n, n};
  }

  /// A catalogue of sources at pixels of an n x n image.
  std::string catalogue(const std::string& name, const std::vector<PixelSource>& sources, int64_t n) const {
    std::string text = "ra_deg,dec_deg,i_jy,q_jy,u_jy,v_jy,spectral_index,reference_frequency_hz\n";
    for (const auto& source : sources) {
      const auto at = grid(n).direction_at(source.x, source.y).value();
      text += fmt::format("{:.12f},{:.12f},{},{},{},{},{},1.3e9\n", degrees(at.ra_rad), degrees(at.dec_rad),
                          source.flux_jy, source.q_jy, source.u_jy, source.v_jy, source.spectral_index);
    }
    folder_.write(name, text);
    return name;
  }
  /// 24 stations within 2 km; more than a few minutes apart, times give other baselines.
  void simulate(const std::string& set, const std::string& sources, int times, int channels,
                const std::string& interval = "4min", const std::string& start = "2025-06-01T07:56:00",
                const std::string& more = "") const {
    const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
    expect_ok(
        fmt::format("simulate --layout '{0}.layout.txt' --position '{0}.position.txt' --sources {1} --start "
                    "{2} --times {3} "
                    "--interval {4} --channels {5} --frequency 1.3GHz --channel-width 4MHz --centre "
                    "60deg,-45deg {7} -o {6}",
                    data, sources, start, times, interval, channels, set, more));
  }

  io::FitsImage<float> image(const std::string& name) const {
    return io::read_fits_image<float>(folder_ / name);
  }
  nlohmann::json metrics(const std::string& prefix) const {
    std::ifstream file(folder_ / (prefix + "-run/metrics.json"));
    return nlohmann::json::parse(file);
  }
  /// FITS products of a prefix, by the rest of their names.
  std::set<std::string> products(const std::string& prefix) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "")) {
      const auto name = entry.path().filename().string();
      if (name.rfind(prefix + "-", 0) == 0 && entry.path().extension() == ".fits")
        names.insert(name.substr(prefix.size() + 1));
    }
    return names;
  }
  std::set<std::string> file_names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / ""))
      names.insert(entry.path().filename().string());
    return names;
  }
  /// The same bits in every pixel of every product.
  void expect_identical(const std::string& prefix, const std::string& reference) const {
    const auto names = products(reference);
    EXPECT_EQ(products(prefix), names);
    EXPECT_FALSE(names.empty());
    for (const auto& name : names) {
      const auto a = image(fmt::format("{}-{}", prefix, name)),
                 b = image(fmt::format("{}-{}", reference, name));
      ASSERT_EQ(a.pixels.size(), b.pixels.size());
      EXPECT_EQ(std::memcmp(a.pixels.data(), b.pixels.data(), a.pixels.size() * sizeof(float)), 0)
          << prefix << ": " << name;
    }
  }

  static double at(const io::FitsImage<float>& image, double x, double y) {
    return static_cast<double>(
        image.view()(0, static_cast<int64_t>(std::llround(y)), static_cast<int64_t>(std::llround(x))));
  }
  static double peak(const io::FitsImage<float>& image) {
    double most = 0;
    for (const float p : image.pixels) most = std::max(most, std::abs(static_cast<double>(p)));
    return most;
  }
  /// Largest difference of two images in units of the larger one's peak.
  static double largest_difference(const io::FitsImage<float>& a, const io::FitsImage<float>& b) {
    double most = 0;
    EXPECT_EQ(a.pixels.size(), b.pixels.size());
    for (size_t i = 0; i < std::min(a.pixels.size(), b.pixels.size()); ++i)
      most = std::max(most, std::abs(static_cast<double>(a.pixels[i]) - static_cast<double>(b.pixels[i])));
    return most / std::max(peak(a), peak(b));
  }
  static double l2_difference(const io::FitsImage<float>& a, const io::FitsImage<float>& b) {
    double difference = 0, norm = 0;
    EXPECT_EQ(a.pixels.size(), b.pixels.size());
    for (size_t i = 0; i < std::min(a.pixels.size(), b.pixels.size()); ++i) {
      difference += std::pow(static_cast<double>(a.pixels[i]) - static_cast<double>(b.pixels[i]), 2);
      norm += std::pow(static_cast<double>(b.pixels[i]), 2);
    }
    return std::sqrt(difference / norm);
  }
  /// Top of the paraboloid through the brightest pixel within 3 of (x, y) and its neighbours; beams are oblique, so x and y go together.
  static std::pair<double, double> position(const io::FitsImage<float>& image, double x, double y) {
    int64_t px = 0, py = 0;
    double most = -std::numeric_limits<double>::infinity();
    for (int64_t j = std::llround(y) - 3; j <= std::llround(y) + 3; ++j)
      for (int64_t i = std::llround(x) - 3; i <= std::llround(x) + 3; ++i) {
        const auto value = static_cast<double>(image.view()(0, j, i));
        if (value > most) most = value, px = i, py = j;
      }
    auto f = [&](int64_t i, int64_t j) { return static_cast<double>(image.view()(0, py + j, px + i)); };
    const double fx = (f(1, 0) - f(-1, 0)) / 2, fy = (f(0, 1) - f(0, -1)) / 2;
    const double fxx = f(1, 0) - 2 * f(0, 0) + f(-1, 0), fyy = f(0, 1) - 2 * f(0, 0) + f(0, -1);
    const double fxy = (f(1, 1) - f(1, -1) - f(-1, 1) + f(-1, -1)) / 4, det = fxx * fyy - fxy * fxy;
    return {static_cast<double>(px) - (fyy * fx - fxy * fy) / det,
            static_cast<double>(py) - (fxx * fy - fxy * fx) / det};
  }

  TemporaryFolder folder_;
};

}  // namespace fringeflow::test
