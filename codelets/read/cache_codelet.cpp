// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/read/cache.hpp"

namespace fringeflow {
namespace {

std::span<std::byte> bytes_of(const runtime::BodyContext& context, const CacheArgs& args) {
  return {static_cast<std::byte*>(context[0].data), static_cast<size_t>(args.bytes)};
}

void keep_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CacheArgs>();
  args.file->write(args.offset, bytes_of(context, args));
}

void recall_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CacheArgs>();
  args.file->read(args.offset, bytes_of(context, args));
}

double work(const void* arguments) {
  return static_cast<double>(static_cast<const CacheArgs*>(arguments)->bytes);
}

}  // namespace

const runtime::CodeletDef& keep_codelet() {
  static const runtime::CodeletDef def{.name = "keep",
                                       .doc = "Writes a chunk that does not fit in memory to the cache",
                                       .colour = 0xbd9e39,
                                       .role = runtime::Role::io,
                                       .cpu = keep_body,
                                       .work = work,
                                       .cpu_work_per_s = 1e9};
  return def;
}

const runtime::CodeletDef& recall_codelet() {
  static const runtime::CodeletDef def{.name = "recall",
                                       .doc = "Reads a chunk from the cache",
                                       .colour = 0xe7ba52,
                                       .role = runtime::Role::io,
                                       .cpu = recall_body,
                                       .work = work,
                                       .cpu_work_per_s = 2e9};
  return def;
}

}  // namespace fringeflow
