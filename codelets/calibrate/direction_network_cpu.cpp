// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/direction_network.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "codelets/calibrate/network.hpp"

namespace fringeflow::calibrate::detail {

Network gather(const SolveDirectionsArguments& a, int64_t first, int64_t last, int64_t hand,
               const std::vector<bool>& barred) {
  const Shape& shape = a.shape.gains;
  const int64_t directions = a.shape.directions, each = a.shape.hand_sums();
  const int64_t from = hand < 0 ? 0 : hand, to = hand < 0 ? shape.hands() : hand + 1;
  const auto power = [&](int64_t block, int64_t p, int64_t q) {
    const int64_t baseline = baseline_index(p, q, shape.antennas);
    double total = 0;
    for (int64_t h = from; h < to; ++h) {
      const double* diagonal = &a.sums(block, baseline, h * each) + 2 + 2 * directions;
      for (int64_t d = 0; d < directions; ++d) {
        total += *diagonal;
        diagonal += 1 + 2 * (directions - d - 1);
      }
    }
    return total;
  };
  Network out;
  out.directions = directions;
  out.antenna = connected(shape.antennas, [&](int64_t p, int64_t q) {
    if (barred[static_cast<size_t>(p)] || barred[static_cast<size_t>(q)]) return 0.;
    double total = 0;
    for (int64_t block = first; block < last; ++block) total += power(block, p, q);
    return total;
  });
  const int64_t n = out.size();
  if (!a.position_m.empty())
    for (const int64_t antenna : out.antenna)
      out.position_m.push_back(a.position_m[static_cast<size_t>(antenna)]);
  for (int64_t block = first; block < last; ++block) {
    out.freq_hz.push_back(a.freq_hz.empty() ? 0 : a.freq_hz[static_cast<size_t>(block)]);
    auto& pairs = out.blocks.emplace_back();
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i + 1; j < n; ++j) {
        const int64_t p = out.antenna[static_cast<size_t>(i)], q = out.antenna[static_cast<size_t>(j)];
        const bool turned = p > q;
        const int64_t baseline = baseline_index(std::min(p, q), std::max(p, q), shape.antennas);
        Pair pair{i, j, 0, 0, 0, {}, {}};
        pair.p.resize(static_cast<size_t>(directions));
        pair.q.resize(static_cast<size_t>(directions * directions));
        for (int64_t h = from; h < to; ++h) {
          const double* sums = &a.sums(block, baseline, h * each);
          pair.observed += *sums++;
          pair.samples += *sums++;
          for (int64_t d = 0; d < directions; ++d, sums += 2)
            pair.p[static_cast<size_t>(d)] += Complex(sums[0], turned ? -sums[1] : sums[1]);
          for (int64_t d = 0; d < directions; ++d) {
            pair.power += *sums;
            pair.q[static_cast<size_t>(d * directions + d)] += *sums++;
            for (int64_t e = d + 1; e < directions; ++e, sums += 2) {
              const Complex x(sums[0], turned ? -sums[1] : sums[1]);
              pair.q[static_cast<size_t>(d * directions + e)] += x;
              pair.q[static_cast<size_t>(e * directions + d)] += std::conj(x);
            }
          }
        }
        if (pair.power > 0) pairs.push_back(std::move(pair));
      }
  }
  return out;
}

Network merged(const Network& network) {
  Network out;
  out.antenna = network.antenna;
  out.freq_hz = network.freq_hz;
  for (const auto& pairs : network.blocks) {
    auto& merged_pairs = out.blocks.emplace_back();
    for (const auto& pair : pairs)
      merged_pairs.push_back({pair.i,
                              pair.j,
                              pair.observed,
                              pair.samples,
                              pair.power,
                              {std::accumulate(pair.p.begin(), pair.p.end(), Complex(0))},
                              {std::accumulate(pair.q.begin(), pair.q.end(), Complex(0))}});
  }
  return out;
}

double misfit(const std::vector<Pair>& pairs, int64_t directions, const Gains& g) {
  double total = 0;
  std::vector<Complex> products(static_cast<size_t>(directions));
  for (const auto& pair : pairs) {
    double cross = 0, square = 0;
    for (int64_t d = 0; d < directions; ++d) {
      products[static_cast<size_t>(d)] = g[static_cast<size_t>(pair.i * directions + d)] *
                                         std::conj(g[static_cast<size_t>(pair.j * directions + d)]);
      cross += (std::conj(products[static_cast<size_t>(d)]) * pair.p[static_cast<size_t>(d)]).real();
    }
    for (int64_t d = 0; d < directions; ++d) {
      Complex row = 0;
      for (int64_t e = 0; e < directions; ++e)
        row += pair.q[static_cast<size_t>(d * directions + e)] * products[static_cast<size_t>(e)];
      square += (std::conj(products[static_cast<size_t>(d)]) * row).real();
    }
    total += pair.observed - 2 * cross + square;
  }
  return total;
}

std::vector<std::vector<const Pair*>> by_antenna(const std::vector<Pair>& pairs, int64_t antennas) {
  std::vector<std::vector<const Pair*>> out(static_cast<size_t>(antennas));
  for (const auto& pair : pairs) {
    out[static_cast<size_t>(pair.i)].push_back(&pair);
    out[static_cast<size_t>(pair.j)].push_back(&pair);
  }
  return out;
}

void Quadratic::form(const std::vector<const Pair*>& pairs, int64_t antenna, int64_t directions,
                     const Gains& g, const std::vector<bool>& known) {
  normal.assign(static_cast<size_t>(directions * directions), 0);
  right.assign(static_cast<size_t>(directions), 0);
  for (const Pair* pair : pairs) {
    const bool turned = pair->j == antenna;
    if (!known.empty() && !known[static_cast<size_t>(turned ? pair->i : pair->j)]) continue;
    const Complex* other = g.data() + (turned ? pair->i : pair->j) * directions;
    for (int64_t d = 0; d < directions; ++d) {
      const Complex p = pair->p[static_cast<size_t>(d)];
      right[static_cast<size_t>(d)] += other[d] * (turned ? std::conj(p) : p);
      const Complex* q = pair->q.data() + d * directions;
      Complex* row = normal.data() + d * directions;
      for (int64_t e = d; e < directions; ++e) {
        const double gr = other[d].real() * other[e].real() + other[d].imag() * other[e].imag(),
                     gi = other[d].imag() * other[e].real() - other[d].real() * other[e].imag(),
                     qr = q[e].real(), qi = turned ? -q[e].imag() : q[e].imag();
        row[e] += Complex(gr * qr - gi * qi, gr * qi + gi * qr);
      }
    }
  }
}

std::pair<double, double> sweep(const std::vector<std::vector<const Pair*>>& pairs, int64_t directions,
                                bool phase_only, Gains& g, std::vector<double>& weight) {
  double change = 0, size = 0;
  Quadratic quadratic;
  for (size_t i = 0; i < pairs.size(); ++i) {
    quadratic.form(pairs[i], static_cast<int64_t>(i), directions, g);
    Complex* x = g.data() + static_cast<int64_t>(i) * directions;
    for (int64_t d = 0; d < directions; ++d) {
      const double curvature = quadratic.curvature(d, directions);
      weight[i * static_cast<size_t>(directions) + static_cast<size_t>(d)] = curvature;
      if (!(curvature > 0)) continue;
      const Complex rest = quadratic.rest(d, directions, x);
      const Complex fresh = phase_only ? unit(rest) : rest / curvature;
      if (phase_only && fresh == Complex(0)) continue;
      change += std::norm(fresh - x[d]);
      size += std::norm(fresh);
      x[d] = fresh;
    }
  }
  return {change, size};
}

void refer(Gains& g, int64_t directions, int64_t reference) {
  for (int64_t d = 0; d < directions; ++d) {
    const Complex turn = std::conj(unit(g[static_cast<size_t>(reference * directions + d)]));
    if (turn == Complex(0)) continue;
    for (size_t at = static_cast<size_t>(d); at < g.size(); at += static_cast<size_t>(directions))
      g[at] *= turn;
  }
}

void smooth(const std::vector<double>& freq_hz, double width_hz, bool phase_only,
            const std::vector<std::vector<double>>& weight, std::vector<Gains>& g) {
  const double scale = 4 * std::log(2.) / (width_hz * width_hz);
  const std::vector<Gains> from = g;
  for (size_t b = 0; b < g.size(); ++b)
    for (size_t k = 0; k < g[b].size(); ++k) {
      Complex sum = 0;
      double total = 0;
      for (size_t c = 0; c < g.size(); ++c) {
        const double distance = freq_hz[b] - freq_hz[c],
                     w = weight[c][k] * std::exp(-scale * distance * distance);
        sum += w * from[c][k];
        total += w;
      }
      if (total > 0) g[b][k] = phase_only ? unit(sum) : sum / total;
      if (g[b][k] == Complex(0)) g[b][k] = from[b][k];
    }
}

Gains start(const std::vector<Pair>& pairs, int64_t antennas, bool phase_only) {
  double observed = 0, power = 0;
  for (const auto& pair : pairs) {
    observed += pair.observed;
    power += pair.q[0].real();
  }
  const double level = phase_only || !(power > 0) || !(observed > 0) ? 1 : std::pow(observed / power, 0.25);
  Gains g(static_cast<size_t>(antennas), level);
  std::vector<bool> known(g.size());
  known[0] = true;
  for (const auto& pair : pairs) {  // in the order of i, then j
    const auto i = static_cast<size_t>(pair.i), j = static_cast<size_t>(pair.j);
    if (known[j] || !known[i]) continue;
    const Complex phase = unit(std::conj(pair.p[0])) * unit(g[i]);
    if (phase != Complex(0)) g[j] = level * phase;
    known[j] = true;
  }
  return g;
}

}  // namespace fringeflow::calibrate::detail
