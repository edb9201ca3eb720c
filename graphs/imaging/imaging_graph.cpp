// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/imaging/imaging_graph.hpp"

#include "codelets/image/image.hpp"

namespace fringeflow::graphs {

ImagingGraph::ImagingGraph(const ImagingPlan& plan, runtime::TaskSink& sink, ChunkFeed* feed)
    : plan_(plan), sink_(sink), feed_(feed) {
  create_chunks();
  create_grids();
  const int64_t image_bytes = plan_.geometry.nx * plan_.geometry.ny * int64_t{sizeof(float)};
  for (size_t c = 0; c < plan_.channels.size(); ++c) {
    images_.psf.push_back(create("psf", image_bytes));
    images_.residual.emplace_back();
    for (int64_t p = 0; p < plan_.stokes(); ++p)
      images_.residual.back().push_back(create("residual", image_bytes));
    if (!plan_.channels[c].empty()) continue;
    // No visibility falls into this output channel: its planes are blank.
    for (const auto id : images_.residual.back()) submit_blank(id, image_bytes);
    submit_blank(images_.psf.back(), image_bytes);
  }
}

void ImagingGraph::submit_blank(DataId image, int64_t bytes) {
  submit(runtime::make_task(image::fill_codelet(), image::FillArgs{nullptr, bytes, true},
                            {{image, Access::write}}));
}

void ImagingGraph::dirty() {
  if (plan_.needs_density()) density_pass();
  std::vector<Instance> instances;
  for (int64_t p = 0; p < plan_.stokes(); ++p) instances.push_back({false, p});
  if (plan_.job.image.psf) instances.push_back({true, 0});
  grid_pass(instances, false);
}

void record_graph(const ImagingPlan& plan, runtime::TaskSink& sink, int cycles, ChunkFeed* feed) {
  ImagingGraph graph(plan, sink, feed);
  graph.assume_cycles(cycles);
  graph.dirty();
  graph.write_dirty(nullptr);
  if (!plan.cleans()) return;
  graph.clean([](runtime::DataId) { return nullptr; });
  graph.write_cleaned(nullptr);
}

}  // namespace fringeflow::graphs
