// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/gain_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "io/constants.hpp"
#include "io/png_canvas.hpp"

namespace fringeflow::io {
namespace {

constexpr int64_t kWidth = 200, kHeight = 110, kMargin = 6, kHead = 14;
constexpr Rgba kPaper{255, 255, 255, 255}, kInk{64, 64, 64, 255}, kPale{215, 215, 215, 255};
/// Distinct for readers who do not tell red from green.
constexpr std::array<Rgba, 4> kColours{
    {{0, 90, 181, 255}, {220, 100, 0, 255}, {120, 120, 120, 255}, {170, 50, 140, 255}}};

struct Axis {
  double low = 0, high = 1;
  double place(double x) const { return high > low ? (x - low) / (high - low) : 0.5; }
};

void line(Canvas& canvas, int64_t x0, int64_t x1, int64_t y, Rgba colour) {
  for (int64_t x = x0; x <= x1; ++x) canvas.set(x, y, colour);
}

void frame(Canvas& canvas, int64_t left, int64_t top, const std::string& name, const Axis& y) {
  const int64_t right = left + kWidth - 1, bottom = top + kHeight - 1;
  line(canvas, left, right, top, kInk);
  line(canvas, left, right, bottom, kInk);
  line(canvas, left, right, (top + bottom) / 2, kPale);
  for (int64_t i = top; i <= bottom; ++i) {
    canvas.set(left, i, kInk);
    canvas.set(right, i, kInk);
  }
  draw_text(canvas, left + 4, top + 3, name.substr(0, 24), 1, kInk);
  const std::string limit = fmt::format("{:.3g}", y.high);
  draw_text(canvas, right - 6 * static_cast<int64_t>(limit.size()) - 2, top + 3, limit, 1, kInk);
}

template <class Value>
void plot(const std::string& path, const GainTable& table, const std::string& title, const Axis& y,
          Value&& value) {
  const auto antennas = static_cast<int64_t>(table.antennas.size());
  const int64_t columns = std::clamp<int64_t>(std::llround(std::ceil(std::sqrt(antennas / 1.5))), 1, 8);
  const int64_t rows = (antennas + columns - 1) / columns;
  Canvas canvas(columns * (kWidth + kMargin) + kMargin, rows * (kHeight + kMargin) + kMargin + kHead, kPaper);
  draw_text(canvas, kMargin, 4, title, 1, kInk);
  int64_t legend = kMargin + 6 * static_cast<int64_t>(title.size() + 2);
  const int64_t pols = table.pols();
  for (size_t p = 0; p < table.polarisations.size(); ++p) {
    draw_text(canvas, legend, 4, table.polarisations[p], 1, kColours[p % kColours.size()]);
    legend += 6 * static_cast<int64_t>(table.polarisations[p].size() + 1);
  }
  const auto times = static_cast<int64_t>(table.times_s.size()),
             freqs = static_cast<int64_t>(table.freq_hz.size());
  const auto& along = times > 1 ? table.times_s : table.freq_hz;
  const Axis x{along.front(), along.back()};
  for (int64_t a = 0; a < antennas; ++a) {
    const int64_t left = kMargin + a % columns * (kWidth + kMargin),
                  top = kHead + kMargin + a / columns * (kHeight + kMargin);
    frame(canvas, left, top, table.antennas[static_cast<size_t>(a)].name, y);
    for (int64_t t = 0; t < times; ++t)
      for (int64_t f = 0; f < freqs; ++f)
        for (int64_t p = 0; p < pols; ++p) {
          const auto at = static_cast<size_t>(((t * freqs + f) * antennas + a) * pols + p);
          if (!table.valid[at]) continue;
          const double px = x.place(along[static_cast<size_t>(times > 1 ? t : f)]),
                       py = std::clamp(y.place(value(table.gains[at])), 0., 1.);
          const int64_t i = left + 3 + std::llround(px * (kWidth - 8)),
                        j = top + kHeight - 4 - std::llround(py * (kHeight - 8));
          for (int64_t k = 0; k < 4; ++k)
            canvas.set(i + k % 2, j + k / 2, kColours[static_cast<size_t>(p) % kColours.size()]);
        }
  }
  write_png(path, canvas);
}

}  // namespace

std::vector<std::string> write_gain_plots(const std::string& path, const GainTable& table) {
  const std::string stem =
      (std::filesystem::path(path).parent_path() / std::filesystem::path(path).stem()).string();
  std::vector<std::string> files{stem + "-phase.png"};
  plot(files.back(), table, "PHASE, DEG", {-180, 180},
       [](std::complex<double> g) { return std::arg(g) * 180 / kPi; });
  if (!table.amplitudes) return files;
  double most = 0;
  for (size_t i = 0; i < table.gains.size(); ++i)
    if (table.valid[i]) most = std::max(most, std::abs(table.gains[i]));
  files.push_back(stem + "-amplitude.png");
  plot(files.back(), table, "AMPLITUDE", {0, most > 0 ? 1.1 * most : 1},
       [](std::complex<double> g) { return std::abs(g); });
  return files;
}

}  // namespace fringeflow::io
