// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/write/visibilities.hpp"

namespace fringeflow {
namespace {

void uvw_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<UvwArgs>();
  args.fill(View<double, 2>(context[0].as<double>(), {args.rows, 3}));
}
void write_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<WriteRowsArgs>();
  args.write(View<const double, 2>(context[1].as<const double>(), {args.rows, args.columns}),
             View<const std::complex<float>, 3>(context[0].as<const std::complex<float>>(), args.extents));
}
double uvw_work(const void* arguments) {
  return static_cast<double>(static_cast<const UvwArgs*>(arguments)->rows) * 24;
}
double write_work(const void* arguments) {
  const auto& args = *static_cast<const WriteRowsArgs*>(arguments);
  return static_cast<double>(args.extents[0] * args.extents[1] * args.extents[2]) * 8;
}

}  // namespace

const runtime::CodeletDef& uvw_codelet() {
  static const runtime::CodeletDef def{.name = "uvw",
                                       .doc = "Baseline coordinates of a block of rows",
                                       .colour = 0xbd9e39,
                                       .role = runtime::Role::io,
                                       .cpu = uvw_body,
                                       .work = uvw_work,
                                       .cpu_work_per_s = 1e8};
  return def;
}
const runtime::CodeletDef& write_rows_codelet() {
  static const runtime::CodeletDef def{.name = "write_rows",
                                       .doc = "Writes a block of rows of a MeasurementSet",
                                       .colour = 0x636363,
                                       .role = runtime::Role::io,
                                       .cpu = write_body,
                                       .work = write_work,
                                       .cpu_work_per_s = 3e8};
  return def;
}

}  // namespace fringeflow
