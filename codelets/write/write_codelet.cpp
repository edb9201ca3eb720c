// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/write/write.hpp"

#include "codelets/restore/restore_tasks.hpp"
#include "io/png_preview.hpp"

namespace fringeflow {
namespace {

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<WriteArgs>();
  auto header = args.header;
  double weight = 0;
  for (const auto index : args.sum_index) weight += context[1].as<const double>()[index];
  header.cards.push_back({"WSCIMGWG", weight, "sum of imaging weights"});
  if (args.with_beam) {
    const auto& block = *context[2].as<const restore::BeamBlock>();
    if (block.known != 0) {
      const auto beam = restore::on_sky(block.beam, header.grid.cell_rad);
      header.beam = io::BeamShape{beam.major_rad, beam.minor_rad, beam.angle_rad};
    }
  }
  const View<const float, 2> pixels(context[0].as<const float>(), {header.grid.ny, header.grid.nx});
  io::write_fits_image(args.path, header, pixels, args.products.get());
}

void preview_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<PreviewArgs>();
  io::write_png_preview(args.path, View<const float, 2>(context[0].as<const float>(), {args.ny, args.nx}), {},
                        args.products.get());
}
double preview_work(const void* arguments) {
  const auto& args = *static_cast<const PreviewArgs*>(arguments);
  return static_cast<double>(args.nx * args.ny);
}

double work(const void* arguments) {
  const auto& grid = static_cast<const WriteArgs*>(arguments)->header.grid;
  return static_cast<double>(grid.nx * grid.ny) * sizeof(float);
}

}  // namespace

const runtime::CodeletDef& write_codelet() {
  static const runtime::CodeletDef def{.name = "write",
                                       .doc = "Writes an image as FITS",
                                       .colour = 0x525252,
                                       .role = runtime::Role::io,
                                       .cpu = body,
                                       .work = work,
                                       .cpu_work_per_s = 3e8};
  return def;
}

const runtime::CodeletDef& preview_codelet() {
  static const runtime::CodeletDef def{.name = "preview",
                                       .doc = "Writes an image as a PNG preview",
                                       .colour = 0x737373,
                                       .role = runtime::Role::io,
                                       .cpu = preview_body,
                                       .work = preview_work,
                                       .cpu_work_per_s = 3e7};
  return def;
}

}  // namespace fringeflow
