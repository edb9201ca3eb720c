// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/gain_lookup.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/error.hpp"
#include "io/measurement_set_stokes.hpp"

namespace fringeflow::io {
namespace {

using Complex = std::complex<double>;

/// Index of the value nearest to x in an ascending list.
size_t nearest(const std::vector<double>& sorted, double x) {
  const auto above = std::lower_bound(sorted.begin(), sorted.end(), x);
  if (above == sorted.begin()) return 0;
  if (above == sorted.end()) return sorted.size() - 1;
  const auto at = static_cast<size_t>(above - sorted.begin());
  return x - sorted[at - 1] <= sorted[at] - x ? at - 1 : at;
}

bool circular(int code) { return code <= 8; }

/// Which elements of the Jones matrix the polarisations of a table are.
std::vector<int> elements_of(const GainTable& table, std::span<const int> correlations,
                             const std::string& what, const std::string& set) {
  std::vector<int> elements;
  for (const auto& name : table.polarisations) {
    const int code = correlation_code(name);
    if (code == 0) throw UserError(fmt::format("{}: polarisation '{}' is not understood", what, name));
    if (!correlations.empty() && circular(code) != circular(correlations.front()))
      throw UserError(fmt::format("{} has gains of {}, but '{}' has {}", what,
                                  fmt::join(table.polarisations, ", "), set,
                                  correlation_names(correlations)));
    elements.push_back(matrix_element(code));
  }
  return elements;
}

void invert(const Complex* m, Complex* out) {
  const Complex determinant = m[0] * m[3] - m[1] * m[2];
  out[0] = m[3] / determinant;
  out[1] = -m[1] / determinant;
  out[2] = -m[2] / determinant;
  out[3] = m[0] / determinant;
}

bool finite(const Complex* m) {
  return std::all_of(m, m + 4, [](Complex x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); });
}

}  // namespace

GainLookup::GainLookup(const GainTable& table, std::span<const Antenna> antennas,
                       std::span<const int> correlations, const std::string& what, const std::string& set)
    : antennas_(static_cast<int64_t>(antennas.size())),
      times_s_(table.times_s),
      freq_hz_(table.freq_hz),
      bounds_s_(table.bounds_s) {
  std::map<std::string, int64_t> place;
  for (const auto& antenna : table.antennas) place.emplace(antenna.name, static_cast<int64_t>(place.size()));
  std::vector<std::string> missing;
  std::vector<int64_t> from;
  for (const auto& antenna : antennas) {
    const auto found = place.find(antenna.name);
    if (found == place.end())
      missing.push_back(antenna.name);
    else
      from.push_back(found->second);
  }
  if (!missing.empty()) {
    const size_t shown = std::min<size_t>(missing.size(), 5);
    throw UserError(
        fmt::format("{} has no gains for {} of the {} antennas of '{}' ({}{}): it belongs to another array",
                    what, missing.size(), antennas.size(), set,
                    fmt::join(missing.begin(), missing.begin() + static_cast<int64_t>(shown), ", "),
                    shown < missing.size() ? ", ..." : ""));
  }
  const auto elements = elements_of(table, correlations, what, set);
  diagonal_ = std::none_of(elements.begin(), elements.end(), [](int e) { return e == 1 || e == 2; });
  // A table without an axis of times or frequencies holds for all of them.
  const auto times = std::max<int64_t>(static_cast<int64_t>(times_s_.size()), 1);
  frequencies_ = std::max<int64_t>(static_cast<int64_t>(freq_hz_.size()), 1);
  const int64_t all = static_cast<int64_t>(table.antennas.size()), pols = table.pols();
  const auto size = static_cast<size_t>(times * frequencies_ * antennas_);
  jones_.assign(4 * size, 0);
  inverse_.resize(4 * size);
  valid_.assign(2 * size, 1);
  for (int64_t block = 0; block < times * frequencies_; ++block)
    for (int64_t a = 0; a < antennas_; ++a) {
      const auto to = static_cast<size_t>(block * antennas_ + a);
      const auto at = static_cast<size_t>((block * all + from[static_cast<size_t>(a)]) * pols);
      Complex* out = jones_.data() + 4 * to;
      if (elements.empty()) {
        out[0] = out[3] = table.gains[at];
        valid_[2 * to] = valid_[2 * to + 1] = table.valid[at];
      } else {
        out[0] = out[3] = 1;
        for (size_t p = 0; p < elements.size(); ++p) {
          out[elements[p]] = table.gains[at + p];
          if (elements[p] == 0 || elements[p] == 3)
            valid_[2 * to + (elements[p] == 0 ? 0 : 1)] = table.valid[at + p];
        }
        // Off-diagonal elements of a flagged matrix count for nothing, and one element spoils the others.
        if (!diagonal_) {
          const bool good = std::all_of(table.valid.begin() + static_cast<int64_t>(at),
                                        table.valid.begin() + static_cast<int64_t>(at) + pols,
                                        [](uint8_t v) { return v != 0; });
          valid_[2 * to] = valid_[2 * to + 1] = good ? 1 : 0;
        }
      }
      if (!diagonal_ && !valid_[2 * to]) {
        out[0] = out[3] = 1;
        out[1] = out[2] = 0;
      }
      for (int hand = 0; hand < 2; ++hand)
        if (!valid_[2 * to + static_cast<size_t>(hand)] && diagonal_) out[3 * hand] = 1;
      invert(out, inverse_.data() + 4 * to);
      if (!finite(inverse_.data() + 4 * to)) {
        valid_[2 * to] = valid_[2 * to + 1] = 0;
        for (int i = 0; i < 4; ++i) inverse_[4 * to + static_cast<size_t>(i)] = i % 3 == 0 ? 1 : 0;
      }
    }
}

int64_t GainLookup::time_of(double time_s) const {
  if (times_s_.empty()) return 0;
  const size_t at = nearest(times_s_, time_s);
  if (bounds_s_.size() != times_s_.size()) return static_cast<int64_t>(at);
  // Intervals of unequal length: the nearest middle may be a neighbour's.
  constexpr double kSlack_s = 1e-3;
  for (const size_t i : {at, at + 1, at > 0 ? at - 1 : at})
    if (i < bounds_s_.size() && time_s >= bounds_s_[i].first - kSlack_s &&
        time_s <= bounds_s_[i].second + kSlack_s)
      return static_cast<int64_t>(i);
  return static_cast<int64_t>(at);
}

std::vector<int32_t> GainLookup::frequencies_of(std::span<const double> freq_hz) const {
  std::vector<int32_t> index;
  for (const double f : freq_hz)
    index.push_back(freq_hz_.empty() ? 0 : static_cast<int32_t>(nearest(freq_hz_, f)));
  return index;
}

void GainLookup::correct(double time_s, int64_t p, int64_t q, std::span<const int32_t> freq,
                         std::span<const int> correlations, std::complex<float>* vis, bool* flag) const {
  const int64_t t = time_of(time_s);
  const auto step = static_cast<int64_t>(correlations.size());
  if (!diagonal_ && step != 4)
    throw UserError(fmt::format("gains with leakage need four correlations, the data have {}",
                                correlation_names(correlations)));
  for (size_t c = 0; c < freq.size(); ++c, vis += step, flag += step) {
    const Complex *a = inverse(t, freq[c], p), *b = inverse(t, freq[c], q);
    if (diagonal_) {
      for (int64_t k = 0; k < step; ++k) {
        const int element = matrix_element(correlations[static_cast<size_t>(k)]), i = element / 2,
                  j = element % 2;
        if (valid(t, freq[c], p, i) && valid(t, freq[c], q, j))
          vis[k] = std::complex<float>(Complex(vis[k]) * a[3 * i] * std::conj(b[3 * j]));
        else
          flag[k] = true;
      }
      continue;
    }
    if (!valid(t, freq[c], p, 0) || !valid(t, freq[c], q, 0)) {
      std::fill_n(flag, step, true);
      continue;
    }
    // A matrix mixes the correlations: one that is flagged spoils all.
    if (std::any_of(flag, flag + step, [](bool f) { return f; })) {
      std::fill_n(flag, step, true);
      continue;
    }
    Complex v[4] = {vis[0], vis[1], vis[2], vis[3]}, left[4];
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) left[2 * i + j] = a[2 * i] * v[j] + a[2 * i + 1] * v[2 + j];
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        vis[2 * i + j] = std::complex<float>(left[2 * i] * std::conj(b[2 * j]) +
                                             left[2 * i + 1] * std::conj(b[2 * j + 1]));
  }
}

}  // namespace fringeflow::io
