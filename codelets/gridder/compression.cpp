// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/compression.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "io/constants.hpp"

namespace fringeflow::gridder {
namespace {

// Sums of nearly equal exponentials are ill-conditioned: the extra digits are lost in solving.
using Real = long double;
constexpr Real kRidge = 1e-18L;

Real sinc(Real x) { return std::abs(x) < 1e-9L ? 1 : std::sin(x) / x; }

/// Between equal spacing and Chebyshev's: the more waves, the nearer to equal.
std::vector<Real> node_positions(int nodes) {
  const Real chebyshev = nodes <= 10 ? 1.0L : 0.9L;
  std::vector<Real> out;
  for (int k = 0; k < nodes; ++k) {
    const Real middle = (static_cast<Real>(k) + 0.5L) / static_cast<Real>(nodes);
    out.push_back(chebyshev * -std::cos(static_cast<Real>(kPi) * middle) +
                  (1 - chebyshev) * (2 * middle - 1));
  }
  return out;
}

/// weights [x][node] that interpolate waves |kappa| <= reach at x from the nodes: normal equations of the mean over
/// kappa, by Cholesky.
std::vector<Real> interpolation(const std::vector<Real>& nodes, const std::vector<Real>& x, Real reach) {
  const size_t m = nodes.size();
  std::vector<Real> factor(m * m);
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j <= i; ++j) {
      Real sum = sinc(reach * (nodes[i] - nodes[j])) + (i == j ? kRidge : 0);
      for (size_t k = 0; k < j; ++k) sum -= factor[i * m + k] * factor[j * m + k];
      // Below rounding nothing is left of the pivot: such a direction gets no weight.
      factor[i * m + j] = i == j ? std::sqrt(std::max(sum, kRidge)) : sum / factor[j * m + j];
    }
  std::vector<Real> out;
  std::vector<Real> b(m);
  for (const Real at : x) {
    for (size_t i = 0; i < m; ++i) {
      b[i] = sinc(reach * (nodes[i] - at));
      for (size_t k = 0; k < i; ++k) b[i] -= factor[i * m + k] * b[k];
      b[i] /= factor[i * m + i];
    }
    for (size_t i = m; i-- > 0;) {
      for (size_t k = i + 1; k < m; ++k) b[i] -= factor[k * m + i] * b[k];
      b[i] /= factor[i * m + i];
    }
    out.insert(out.end(), b.begin(), b.end());
  }
  return out;
}

/// True if the error over x and kappa is nowhere above `most`.
bool error_within(const std::vector<Real>& nodes, Real reach, Real most) {
  std::vector<Real> x;
  constexpr int kSamples = 24;  // symmetric: one half is enough
  for (int i = 0; i <= kSamples; ++i) x.push_back(static_cast<Real>(i) / kSamples);
  const std::vector<Real> weights = interpolation(nodes, x, reach);
  std::vector<Real> re_of(nodes.size()), im_of(nodes.size());
  // The finest waves first: they are the first to fail.
  for (const Real share : {1.0L, 0.95L, 0.9L, 0.8L, 0.7L, 0.5L, 0.3L, 0.0L}) {
    const Real kappa = share * reach;
    for (size_t k = 0; k < nodes.size(); ++k) {
      re_of[k] = std::cos(kappa * nodes[k]);
      im_of[k] = std::sin(kappa * nodes[k]);
    }
    for (size_t i = 0; i < x.size(); ++i) {
      Real re = -std::cos(kappa * x[i]), im = -std::sin(kappa * x[i]);
      for (size_t k = 0; k < nodes.size(); ++k) {
        re += weights[i * nodes.size() + k] * re_of[k];
        im += weights[i * nodes.size() + k] * im_of[k];
      }
      if (!(re * re + im * im <= most * most)) return false;
    }
  }
  return true;
}

}  // namespace

ChannelCompression::ChannelCompression(double error) {
  for (int m = 4; m <= kMaxNodes; ++m) {
    const std::vector<Real> nodes = node_positions(m);
    // From the middle: for waves much below the reach many nodes are ill-conditioned.
    Real low = 0, high = static_cast<Real>(m);
    for (int i = 0; i < 12; ++i) {
      const Real middle = (low + high) / 2;
      (error_within(nodes, middle, static_cast<Real>(error)) ? low : high) = middle;
    }
    reach_[static_cast<size_t>(m)] = static_cast<double>(low);
    for (int k = 0; k < m; ++k)
      positions_[static_cast<size_t>(m)][static_cast<size_t>(k)] =
          static_cast<double>(nodes[static_cast<size_t>(k)]);
  }
}

ChannelCompression::~ChannelCompression() {
  for (auto& row : single_)
    for (auto& one : row) delete one.load();
  for (auto& row : double_)
    for (auto& one : row) delete one.load();
}

std::shared_ptr<const ChannelCompression> ChannelCompression::with_error(double error) {
  static std::mutex mutex;
  static std::map<double, std::shared_ptr<const ChannelCompression>> known;
  const std::lock_guard lock(mutex);
  auto& one = known[error];
  if (!one) one = std::make_shared<const ChannelCompression>(error);
  return one;
}

ChannelCompression::Choice ChannelCompression::choose(int n, double kappa) const {
  // What a channel costs that is only multiplied into nodes, against one that is gridded.
  constexpr double kLight = 0.2;
  Choice best;
  if (n < kMinChannels) return best;
  double best_cost = (1 - kLight) * n;
  for (int parts = (n + kMaxChannels - 1) / kMaxChannels; parts * 4 < best_cost; ++parts)
    for (int m = 4; m <= kMaxNodes; ++m) {
      if (parts * m >= best_cost) break;
      if (reach(m) < kappa / parts) continue;
      best = {parts, m};
      best_cost = parts * m;
      break;
    }
  return best;
}

template <>
ChannelCompression::Table<float>& ChannelCompression::table<float>() const {
  return single_;
}
template <>
ChannelCompression::Table<double>& ChannelCompression::table<double>() const {
  return double_;
}

template <class T>
std::unique_ptr<ChannelCompression::Matrix<T>> ChannelCompression::make(int channels, int nodes) const {
  auto out = std::make_unique<Matrix<T>>();
  out->channels = channels;
  out->nodes = nodes;
  out->padded = (channels + 15) / 16 * 16;
  const std::vector<Real> positions = node_positions(nodes);
  std::vector<Real> x;
  for (int c = 0; c < channels; ++c)
    x.push_back(-1 + 2 * static_cast<Real>(c) / static_cast<Real>(channels - 1));
  const std::vector<Real> weights = interpolation(positions, x, static_cast<Real>(reach(nodes)));
  for (int k = 0; k < kMaxNodes; ++k)
    out->position.push_back(static_cast<double>(positions[static_cast<size_t>(std::min(k, nodes - 1))]));
  out->to_nodes.resize(static_cast<size_t>(channels * kMaxNodes));
  out->to_channels.resize(static_cast<size_t>(nodes * out->padded));
  for (int c = 0; c < channels; ++c)
    for (int k = 0; k < nodes; ++k) {
      const auto weight = static_cast<T>(weights[static_cast<size_t>(c * nodes + k)]);
      out->to_nodes[static_cast<size_t>(c * kMaxNodes + k)] = weight;
      out->to_channels[static_cast<size_t>(k * out->padded + c)] = weight;
    }
  return out;
}

template <class T>
const ChannelCompression::Matrix<T>& ChannelCompression::matrix(int channels, int nodes) const {
  auto& slot = table<T>()[static_cast<size_t>(channels)][static_cast<size_t>(nodes)];
  if (const Matrix<T>* known = slot.load(std::memory_order_acquire)) return *known;
  const std::lock_guard lock(mutex_);
  if (const Matrix<T>* known = slot.load(std::memory_order_acquire)) return *known;
  const Matrix<T>* made = make<T>(channels, nodes).release();
  slot.store(made, std::memory_order_release);
  return *made;
}
template const ChannelCompression::Matrix<float>& ChannelCompression::matrix<float>(int, int) const;
template const ChannelCompression::Matrix<double>& ChannelCompression::matrix<double>(int, int) const;

}  // namespace fringeflow::gridder
