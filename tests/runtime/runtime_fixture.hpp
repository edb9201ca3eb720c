// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Small codelets and options that the tests of the runtime share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "io/error.hpp"
#include "runtime/machine.hpp"
#include "runtime/runtime.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::runtime::test {

inline RuntimeOptions workers(int cpus, int io_workers, const std::string& scheduler = "prio") {
  RuntimeOptions options;
  options.scheduler = scheduler;
  options.cpus = cpus;
  options.io_workers = io_workers;
  options.gpus = 0;  // these codelets have no CUDA bodies
  return options;
}

struct Step {
  int64_t factor = 1, term = 0;
};

/// x <- x * factor + term: what comes out depends on the order.
inline const CodeletDef& affine_codelet() {
  static const CodeletDef def{
      .name = "affine", .doc = "x <- x * factor + term", .cpu = [](const BodyContext& context) {
        const auto& step = context.arguments<Step>();
        auto& x = *context[0].as<uint64_t>();
        x = x * static_cast<uint64_t>(step.factor) + static_cast<uint64_t>(step.term);
      }};
  return def;
}

/// The last buffer <- sum of the others.
inline const CodeletDef& sum_codelet() {
  static const CodeletDef def{
      .name = "sum", .doc = "last <- sum of the others", .cpu = [](const BodyContext& context) {
        uint64_t sum = 0;
        for (size_t i = 0; i + 1 < context.size(); ++i) sum += *context[i].as<uint64_t>();
        *context[context.size() - 1].as<uint64_t>() = sum;
      }};
  return def;
}

struct Nap {
  int milliseconds = 1;
};
inline void nap(const BodyContext& context) {
  std::this_thread::sleep_for(std::chrono::milliseconds(context.arguments<Nap>().milliseconds));
}
inline const CodeletDef& nap_codelet() {
  static const CodeletDef def{.name = "nap", .doc = "computes by sleeping", .cpu = nap};
  return def;
}
inline const CodeletDef& read_nap_codelet() {
  static const CodeletDef def{.name = "read_nap", .doc = "reads by sleeping", .role = Role::io, .cpu = nap};
  return def;
}

inline DataId number(Runtime& runtime, const std::string& name = "x") {
  return runtime.create({name, sizeof(uint64_t)});
}
inline uint64_t value(const Runtime& runtime, DataId id) { return *runtime.host(id).as<uint64_t>(); }

/// A chain of affine steps on one number; `expected` follows it.
inline void submit_chain(Runtime& runtime, DataId id, int length, uint64_t& expected) {
  for (int i = 0; i < length; ++i) {
    const Step step{2 * i + 3, i};
    runtime.submit(make_task(affine_codelet(), step, {{id, i == 0 ? Access::write : Access::read_write}}));
    expected = expected * static_cast<uint64_t>(step.factor) + static_cast<uint64_t>(step.term);
  }
}

}  // namespace fringeflow::runtime::test
