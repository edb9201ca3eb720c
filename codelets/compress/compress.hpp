// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// compress and expand: between the visibilities of a chunk and the nodes along time that stand for them (gridder/time_groups.hpp).
///   compress  node[k][c] = sum_t A[k][t] weight[t][c] V[t][c]     before gridding; weights are 1 then, 0 where all of a node's are
///   expand    V[t][c]    = sum_k A[k][t] node[k][c]               after degridding: the transpose
/// The rows of groups without nodes are copied. A chunk of nodes lies in its buffer as any chunk does (read/chunk.hpp).
#include <complex>
#include <memory>
#include <span>

#include "codelets/gridder/time_groups.hpp"
#include "codelets/read/chunk.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::gridder {

/// One plane of a chunk, [row][channel].
struct CompressPlane {
  View<const std::complex<float>, 2> vis;  ///< Jy; empty: every visibility is 1 (the PSF)
  View<const float, 2> weight;             ///< imaging weight, flags folded in as zero
};

/// @param vis, weight [plane][row of nodes][channel]
/// Sums are in the order of time: bits do not depend on the SIMD width.
void compress_cpu(const TimeGroups& groups, const ChannelCompression& nodes,
                  std::span<const CompressPlane> planes, View<std::complex<float>, 3> vis,
                  View<float, 3> weight);

/// @param nodes_vis [row of nodes][channel], Jy   @param vis [row][channel], written
void expand_cpu(const TimeGroups& groups, const ChannelCompression& nodes,
                View<const std::complex<float>, 2> nodes_vis, View<std::complex<float>, 2> vis);

/// What both know of a chunk.
struct NodesOf {
  TimeGroups groups;
  std::shared_ptr<const TimeCompression> compression;
  ChunkLayout layout;  ///< of the chunk
  ChunkLayout nodes;   ///< of its nodes: a plane for each Stokes, and one for the PSF if there is one
};

/// Buffers: nodes (write), chunk (read), and with `residual` the residual visibilities (read).
struct CompressArgs {
  NodesOf of;
  bool residual = false;  ///< visibilities from the third buffer instead of the chunk's own
  bool psf = false;       ///< the plane after the Stokes, too
};
const runtime::CodeletDef& compress_codelet();

/// Buffers: predicted visibilities of the chunk (write), those of its nodes (read).
struct ExpandArgs {
  NodesOf of;
};
const runtime::CodeletDef& expand_codelet();

}  // namespace fringeflow::gridder
