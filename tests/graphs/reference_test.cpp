// SPDX-License-Identifier: GPL-3.0-or-later
// What is generated from the tables must be the same as what is in the tree.
#include "graphs/schema/reference.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/graphs/workflow_fixture.hpp"

namespace fringeflow::graphs {
namespace {

const std::filesystem::path kSource = FRINGEFLOW_SOURCE_DIR;

std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Reference, ManualIsFresh) {
  EXPECT_TRUE(read_text(kSource / "docs/workflow-reference.md") == reference_markdown())
      << "run: fringeflow explain --all --markdown > docs/workflow-reference.md";
}

TEST(Reference, JsonSchemaIsFresh) {
  EXPECT_TRUE(read_text(kSource / "docs/workflow.schema.json") == json_schema())
      << "run: fringeflow schema > docs/workflow.schema.json";
  EXPECT_TRUE(nlohmann::json::accept(json_schema()));
}

/// The YAML in the manual must be true.
TEST(Reference, ExamplesOfTheManualAreRight) {
  const std::string manual = reference_markdown();
  int examples = 0;
  for (std::size_t at = manual.find("```yaml\n"); at != std::string::npos;
       at = manual.find("```yaml\n", at + 1)) {
    const std::size_t begin = at + 8;
    EXPECT_EQ(test::mistakes(manual.substr(begin, manual.find("```", begin) - begin)), "");
    ++examples;
  }
  EXPECT_EQ(examples, 2);
}

TEST(Reference, ExampleWorkflowsAreRight) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "apps/workflows")) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_EQ(test::mistakes(read_text(entry.path())), "") << entry.path();
    ++examples;
  }
  EXPECT_GE(examples, 9);
}

TEST(Reference, EveryStageIsExplained) {
  for (const StageSchema& stage : stages()) {
    for (const Option& option : stage.options)
      EXPECT_NE(explain(stage).find(option.key), std::string::npos) << option.key;
  }
}

}  // namespace
}  // namespace fringeflow::graphs
