// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the tests of the workflow language share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "graphs/lower.hpp"
#include "graphs/workflow/workflow.hpp"

namespace fringeflow::graphs::test {

/// Builds a workflow from text, called w.yaml; files are not looked for.
inline Workflow build_text(const std::string& text, bool files = false) {
  BuildOptions options;
  options.files = files;
  return build(parse_yaml(text, "w.yaml"), "w.yaml", options);
}

/// All mistakes of a text, "" when there are none.
inline std::string mistakes(const std::string& text, bool files = false) {
  try {
    lower(build_text(text, files), "");
  } catch (const WorkflowError& e) {
    return e.what();
  }
  return {};
}

/// The only imaging job of a text.
inline ImagingJob job_of(const std::string& text) {
  const std::vector<Job> jobs = lower(build_text(text), "test");
  EXPECT_EQ(jobs.size(), 1u);
  return std::get<ImagingJob>(jobs.at(0));
}

inline const std::string kShort = R"(inputs: obs.ms
image:  {size: 4096, cell: 1.5asec, weighting: briggs:0, accuracy: 1e-4}
clean:  {algorithm: multiscale, iterations: 20000, threshold: 3sigma, auto_mask: 5}
output: out/meerkat-field
)";

/// The long form with these stages after a read stage on line 3.
inline std::string with_stages(const std::string& stages) {
  return "version: 1\nstages:\n  - {id: vis, stage: read, in: {ms: obs.ms}}\n" + stages;
}

}  // namespace fringeflow::graphs::test
