// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Channel compression: along the channels of a row a visibility's share of the image is a sum of smooth functions,
/// exp(i kappa x) with x in [-1, 1] over the channels and |kappa| <= K, K half the phase that the farthest pixel sees
/// change. A few nodes then stand for many channels: their values are
///   node[k] = sum_c A[k][c] (weight V)[c]
/// and the gridder adds nodes, at nodes' frequencies, instead of channels. A interpolates: for |kappa| <= K
///   exp(i kappa x_c) = sum_k A[k][c] exp(i kappa xi_k)  to the error asked for, A by least squares over kappa.
/// Degridding uses the same A the other way, so that the pair stays adjoint. time_groups.hpp does the same along time.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace fringeflow::gridder {

/// Share of the accuracy that compression may take.
inline constexpr double kCompressionShare = 0.1;

class ChannelCompression {
 public:
  static constexpr int kMaxNodes = 16;     ///< one block of the gridder's kernels
  static constexpr int kMaxChannels = 64;  ///< that one set of nodes stands for
  static constexpr int kMinChannels = 6;

  /// @param error of a visibility's wave, worst over pixels and channels
  explicit ChannelCompression(double error);
  ~ChannelCompression();
  ChannelCompression(const ChannelCompression&) = delete;
  ChannelCompression& operator=(const ChannelCompression&) = delete;

  /// The same object for the same error.
  static std::shared_ptr<const ChannelCompression> with_error(double error);

  /// How n channels are cut: into `parts` of about equal length, each with `nodes`; 0 nodes: not worth it.
  struct Choice {
    int parts = 1, nodes = 0;
  };
  /// @param kappa of the n channels together, radians
  Choice choose(int n, double kappa) const;

  /// Interpolation between n equally spaced channels and nodes.
  template <class T>
  struct Matrix {
    int channels = 0, nodes = 0;
    int padded = 0;  ///< channels rounded up to 16
    std::vector<double>
        position;  ///< [kMaxNodes] of the nodes, -1 the first channel, 1 the last; past the last node: its own
    std::vector<T> to_nodes;     ///< [channel][kMaxNodes], zero past the last node
    std::vector<T> to_channels;  ///< [node][padded], zero past the last channel
  };
  template <class T>
  const Matrix<T>& matrix(int channels, int nodes) const;

  /// Of so many nodes, -1..1.
  const double* positions(int nodes) const { return positions_[static_cast<size_t>(nodes)].data(); }

  /// Largest kappa that so many nodes carry; 0: none.
  double reach(int nodes) const { return reach_[static_cast<size_t>(nodes)]; }

 private:
  template <class T>
  using Table = std::array<std::array<std::atomic<const Matrix<T>*>, kMaxNodes + 1>, kMaxChannels + 1>;
  template <class T>
  Table<T>& table() const;
  template <class T>
  std::unique_ptr<Matrix<T>> make(int channels, int nodes) const;

  std::array<double, kMaxNodes + 1> reach_{};
  std::array<std::array<double, kMaxNodes>, kMaxNodes + 1> positions_{};
  mutable std::mutex mutex_;  ///< of making matrices
  mutable Table<float> single_{};
  mutable Table<double> double_{};
};

}  // namespace fringeflow::gridder
