// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/schema/schema.hpp"

#include <gtest/gtest.h>

#include <set>

#include "graphs/registry.hpp"
#include "graphs/schema/suggest.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {
namespace {

void check_options(const std::string& whose, const std::vector<Option>& options) {
  std::set<std::string> names{"id", "stage", "in"};
  for (const Option& option : options) {
    const std::string name = whose + "." + option.key;
    EXPECT_TRUE(names.insert(option.key).second) << name;
    for (const Alias& alias : option.aliases)
      EXPECT_TRUE(names.insert(alias.name).second) << name << " " << alias.name;
    EXPECT_FALSE(option.doc.empty()) << name;
    EXPECT_NE(option.doc.back(), '.') << name;
    EXPECT_FALSE(option.required && option.fallback) << name;
    if (option.fallback) {
      EXPECT_NO_THROW(fallback_value(option)) << name;
    }
    if (!option.example.empty()) {
      EXPECT_NO_THROW(parse_value(option, option.example)) << name;
    }
    if (option.required) {
      EXPECT_FALSE(option.example.empty()) << name << ": the message for a missing option shows its example";
    }
    for (const Alias& alias : option.aliases) {
      if (!alias.fixed.empty()) {
        EXPECT_NO_THROW(parse_value(option, alias.fixed)) << name;
      }
    }
    EXPECT_FALSE(type_text(option).empty()) << name;
  }
}

TEST(Schema, EveryOptionIsComplete) {
  for (const StageSchema& stage : stages()) {
    check_options(stage.name, stage.options);
    EXPECT_FALSE(stage.doc.empty()) << stage.name;
    EXPECT_TRUE(!stage.inputs.empty() || !stage.outputs.empty()) << stage.name;
  }
  check_options("runtime", runtime_section().options);
}

/// The flags of `image` are the options of these four stages together.
TEST(Schema, FlagsOfImageAreUnambiguous) {
  std::set<std::string> names;
  for (const char* name : {"read", "image", "deconvolve", "write"}) {
    for (const Option& option : find_stage(name)->options) {
      EXPECT_TRUE(names.insert(option.key).second) << option.key;
      for (const Alias& alias : option.aliases) EXPECT_TRUE(names.insert(alias.name).second) << alias.name;
    }
  }
}

TEST(Schema, AliasesAndDashes) {
  const std::vector<Option>& options = find_stage("image")->options;
  const Alias* alias = nullptr;
  EXPECT_EQ(find_option(options, "scale", &alias)->key, "cell");
  EXPECT_NE(alias, nullptr);
  EXPECT_EQ(find_option(options, "channels-out", &alias)->key, "channels_out");
  EXPECT_EQ(alias, nullptr);
  EXPECT_EQ(find_option(options, "nothing"), nullptr);
}

TEST(Schema, Weightings) {
  const Option& option = *find_option(find_stage("image")->options, "weighting");
  const auto parse = [&](const char* text) { return std::get<Weighting>(parse_value(option, text)); };
  EXPECT_EQ(parse("natural").scheme, WeightingScheme::natural);
  EXPECT_EQ(parse("Uniform").scheme, WeightingScheme::uniform);
  EXPECT_EQ(parse("briggs").robust, 0);
  EXPECT_EQ(parse("briggs:-1.5").robust, -1.5);
  EXPECT_EQ(parse("briggs 0.5").robust, 0.5);
  for (const char* text : {"brigs:0", "briggs:9", "natural:1", "briggs:", "", "briggs:x"})
    EXPECT_THROW(parse(text), UserError) << text;
}

TEST(Schema, Schedulers) {
  const Option& option = *find_option(runtime_section().options, "scheduler");
  for (const char* name : {"auto", "lws", "dmda", "dmdas", "eager", "prio", "random"})
    EXPECT_NO_THROW(parse_value(option, name)) << name;
  for (const char* name : {"peager", "nonesuch", "", "LWS"})
    EXPECT_THROW(parse_value(option, name), UserError) << name;
}

TEST(Suggest, NearWordsOnly) {
  const std::vector<std::string> words{"scheduler", "cpus", "gpus", "image", "iterations"};
  EXPECT_EQ(closest("schedular", words), "scheduler");
  EXPECT_EQ(closest("imgae", words), "image");
  EXPECT_EQ(closest("iter", words), "iterations");
  EXPECT_EQ(closest("xyz", words), "");
  EXPECT_EQ(closest("", words), "");
  EXPECT_EQ(closest(std::string(100000, 'a'), words), "");
}

}  // namespace
}  // namespace fringeflow::graphs
