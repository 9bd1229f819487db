// How the emotion model's answer is drawn: its directory's generation_config.json, as Transformers reads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace greenroom::models::index_tts {

struct LlmGeneration {
  bool do_sample = false;
  double temperature = 1.0;
  int top_k = 50;
  double top_p = 1.0;
  std::vector<std::int64_t> stop_tokens;  // any of them ends the answer
};

// Of the folder of a Qwen3. Without the file, greedy, and the stop token of config.json. Throws base::Error:
// kDataLoss (not JSON, a value of another type or out of range; names the key).
LlmGeneration read_llm_generation(const std::filesystem::path& folder);

}  // namespace greenroom::models::index_tts
