// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/average/average.hpp"

namespace fringeflow::average {

void average_cpu(const AverageArguments& a) {
  const int64_t planes = a.vis.extent(0), values = a.vis.extent(2), each = values / a.channels;
  std::vector<std::complex<double>> sum(static_cast<size_t>(planes * values));
  for (int64_t bin = 0; bin < static_cast<int64_t>(a.bins.size()); ++bin) {
    const io::AveragedRow& one = a.bins[static_cast<size_t>(bin)];
    const auto row_at = [&](int64_t t) {
      return (one.begin - a.first_time + t) * a.baselines + one.baseline;
    };
    const auto flag_at = [&](int64_t t, int64_t c) {
      return a.flag != nullptr && a.flag[row_at(t) * a.channels + c] != 0;
    };
    double* out = &a.rows(bin, 0);
    std::fill_n(out, kRowColumns + a.channels, 0.);
    double* samples = out + kRowColumns;
    for (int64_t t = 0; t < one.count; ++t)
      for (int64_t c = 0; c < a.channels; ++c) samples[c] += flag_at(t, c) ? 0 : 1;
    const bool observed = std::any_of(samples, samples + a.channels, [](double n) { return n > 0; });

    std::fill(sum.begin(), sum.end(), std::complex<double>());
    for (int64_t t = 0; t < one.count; ++t) {
      bool counts = !observed;
      for (int64_t c = 0; c < a.channels; ++c) {
        if (flag_at(t, c) && samples[c] > 0) continue;
        counts = counts || !flag_at(t, c);
        for (int64_t p = 0; p < planes; ++p)
          for (int64_t k = c * each; k < (c + 1) * each; ++k)
            sum[static_cast<size_t>(p * values + k)] += std::complex<double>(a.vis(p, row_at(t), k));
      }
      if (!counts) continue;
      for (int64_t k = 0; k < 3; ++k) out[k] += a.uvw_m(row_at(t), k);
      out[3] += static_cast<double>(one.begin + t);
      out[4] += 1;
    }
    for (int64_t k = 0; k < 4; ++k) out[k] /= out[4];
    for (int64_t p = 0; p < planes; ++p)
      for (int64_t k = 0; k < values; ++k) {
        const double n = samples[k / each];
        a.mean_vis(p, bin, k) = std::complex<float>(sum[static_cast<size_t>(p * values + k)] /
                                                    (n > 0 ? n : static_cast<double>(one.count)));
      }
  }
}

}  // namespace fringeflow::average
