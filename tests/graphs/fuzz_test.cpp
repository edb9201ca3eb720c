// SPDX-License-Identifier: GPL-3.0-or-later
// Mutated workflow files for a bounded time: each is accepted or refused with a UserError, nothing else
// happens.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/graphs/workflow_fixture.hpp"

namespace fringeflow::graphs {
namespace {

std::vector<std::string> seeds() {
  std::vector<std::string> texts{test::kShort, to_yaml(test::build_text(test::kShort), true)};
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(FRINGEFLOW_SOURCE_DIR) / "apps/workflows")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    texts.push_back(text.str());
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

class Mutator {
 public:
  Mutator(std::vector<std::string> texts, unsigned seed) : texts_(std::move(texts)), random_(seed) {}

  std::string next() {
    std::string text = texts_[below(texts_.size())];
    for (std::size_t edits = 1 + below(6); edits > 0; --edits) edit(text);
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }

  void edit(std::string& text) {
    static const std::vector<std::string> kPieces{"{",
                                                  "}",
                                                  "[",
                                                  "]",
                                                  ":",
                                                  ": ",
                                                  ",",
                                                  "-",
                                                  "- ",
                                                  "\n",
                                                  "\n  ",
                                                  "\t",
                                                  "\"",
                                                  "'",
                                                  "#",
                                                  "&a ",
                                                  "*a",
                                                  "!!int ",
                                                  "|",
                                                  ">",
                                                  "?",
                                                  "~",
                                                  "null",
                                                  "---\n",
                                                  "...",
                                                  "%YAML 9\n",
                                                  "<<: ",
                                                  "..",
                                                  "nan",
                                                  "1e999",
                                                  "-1",
                                                  "0",
                                                  "99999999999999999999",
                                                  "\xff",
                                                  "\xef\xbb\xbf",
                                                  std::string(1, '\0'),
                                                  "asec",
                                                  "sigma",
                                                  "$inputs.ms",
                                                  "in: ",
                                                  "id: ",
                                                  "stage: image",
                                                  "size: ",
                                                  "vis",
                                                  "dirty",
                                                  "runtime: "};
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        if (!text.empty()) text[at % text.size()] = static_cast<char>(random_());
        break;
      case 1:
        text.insert(at, kPieces[below(kPieces.size())]);
        break;
      case 2:
        text.erase(at, 1 + below(12));
        break;
      case 3:
        text.insert(at, text.substr(below(text.size()), below(40)));
        break;
      case 4:
        text.resize(at);
        break;
      case 5: {  // swap two lines
        const std::size_t end = text.find('\n', at);
        if (end != std::string::npos) text = text.substr(end + 1) + text.substr(0, end + 1);
        break;
      }
    }
  }

  std::vector<std::string> texts_;
  std::mt19937 random_;
};

TEST(WorkflowFuzz, AcceptsOrRefuses) {
  // FRINGEFLOW_FUZZ_SECONDS and FRINGEFLOW_FUZZ_SEED for longer runs by hand.
  const char* seconds = std::getenv("FRINGEFLOW_FUZZ_SECONDS");
  const char* seed = std::getenv("FRINGEFLOW_FUZZ_SEED");
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::milliseconds(seconds ? 1000 * std::atoi(seconds) : 8000);
  Mutator mutator(seeds(), seed ? static_cast<unsigned>(std::atoi(seed)) : 1u);
  long accepted = 0, refused = 0;
  while (std::chrono::steady_clock::now() < end) {
    const std::string text = mutator.next();
    try {
      const Workflow workflow = build(parse_yaml(text, "w.yaml"), "w.yaml", {(accepted + refused) % 4 == 0});
      lower(workflow, "fuzz");
      // What was accepted must survive its own long form.
      ASSERT_EQ(test::mistakes(to_yaml(workflow, true)), "") << text;
      for (const char* format : {"dot", "mermaid", "json"}) logical_graph(workflow, format);
      ++accepted;
    } catch (const UserError& e) {
      ASSERT_STRNE(e.what(), "") << text;
      ++refused;
    } catch (const std::exception& e) {
      FAIL() << "neither accepted nor refused: " << e.what() << "\n" << text;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
  RecordProperty("accepted", std::to_string(accepted));
  RecordProperty("refused", std::to_string(refused));
  std::cout << accepted << " accepted, " << refused << " refused\n";
}

}  // namespace
}  // namespace fringeflow::graphs
