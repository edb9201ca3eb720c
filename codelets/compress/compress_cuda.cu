// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/compress/compress_cuda.hpp"

namespace fringeflow::gridder {
namespace {

GroupTables tables_of(cuda::Stream stream, const NodesOf& of) {
  auto& worker = cuda::Worker::of(stream);
  const auto& nodes = of.compression->shared_nodes();
  // Both tables belong to the nodes; one of them is kept under the name of the object that holds the nodes.
  return {worker.constants(of.groups.groups),
          {worker.made(nodes, [&] { return time_matrices(*nodes); })},
          worker.made(of.compression, [&] { return time_positions(*nodes); }),
          of.groups.times,
          static_cast<int64_t>(of.groups.groups->size())};
}

}  // namespace

void compress_cuda(cuda::Stream stream, const NodesOf& of, const double* uvw_m,
                   std::span<const CompressPlane> planes, void* nodes) {
  const GroupTables tables = tables_of(stream, of);
  cuda::launch_elements(stream, tables.count, PlaceNodes{tables, uvw_m, of.nodes.uvw_m(nodes).data()},
                        "compress");
  for (size_t p = 0; p < planes.size(); ++p) {
    const auto at = static_cast<int64_t>(p);
    cuda::launch_elements(
        stream, tables.count * of.layout.channels,
        CompressChannel{tables, of.layout.channels,
                        reinterpret_cast<const cuda::Visibility*>(planes[p].vis.data()),
                        planes[p].weight.data(),
                        reinterpret_cast<cuda::Visibility*>(plane(of.nodes.vis(nodes), at).data()),
                        plane(of.nodes.weight(nodes), at).data()},
        "compress");
  }
}

void expand_cuda(cuda::Stream stream, const NodesOf& of, const cuda::Visibility* nodes_vis,
                 cuda::Visibility* vis) {
  const GroupTables tables = tables_of(stream, of);
  for (int64_t stokes = 0; stokes < of.layout.stokes; ++stokes)
    cuda::launch_elements(
        stream, tables.count * of.layout.channels,
        ExpandChannel{tables, of.layout.channels, nodes_vis + stokes * of.nodes.rows * of.nodes.channels,
                      vis + stokes * of.layout.rows * of.layout.channels},
        "expand");
}

}  // namespace fringeflow::gridder
