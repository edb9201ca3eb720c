// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/read/read.hpp"

namespace fringeflow {
namespace {

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ReadArgs>();
  void* chunk = context[0].data;
  io::ChunkBuffers out;
  out.uvw_m = args.layout.uvw_m(chunk);
  out.vis = args.layout.vis(chunk);
  out.weight = args.layout.weight(chunk);
  args.counters->add(args.set->read(args.spec, args.stokes, args.centre, out), args.first_time);
}

double work(const void* arguments) {
  return static_cast<double>(static_cast<const ReadArgs*>(arguments)->layout.bytes());
}

}  // namespace

const runtime::CodeletDef& read_codelet() {
  static const runtime::CodeletDef def{
      .name = "read",
      .doc = "Reads a chunk of a MeasurementSet and forms Stokes visibilities and weights",
      .colour = 0x8c6d31,
      .role = runtime::Role::io,
      .cpu = body,
      .work = work,
      .cpu_work_per_s = 1e9};
  return def;
}

}  // namespace fringeflow
