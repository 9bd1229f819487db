// A file that a model needs, and where it is or should be.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace greenroom::models {

struct ModelFile {
  std::string what;                          // "the speech encoder w2v-bert-2.0"
  std::filesystem::path found;               // empty when it is missing
  std::vector<std::filesystem::path> tried;  // where it was looked for
  std::string where_to_get;
  bool optional = false;

  bool is_missing() const { return found.empty() && !optional; }
};

}  // namespace greenroom::models
