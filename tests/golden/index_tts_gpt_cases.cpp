// How the reference cases of the IndexTTS-2 language models are run. The names of arrays are those of
// the reference files.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "case.h"

namespace greenroom::golden {
namespace {

// What runs a case whose name begins so.
const std::vector<std::pair<std::string, std::function<void(Case&)>>>& kinds() {
  static const std::vector<std::pair<std::string, std::function<void(Case&)>>> kKinds = {};
  return kKinds;
}

}  // namespace

bool run_index_tts_gpt_case(Case& golden) {
  for (const auto& [prefix, run] : kinds()) {
    if (!golden.name().starts_with(prefix)) continue;
    run(golden);
    return true;
  }
  return false;
}

}  // namespace greenroom::golden
