// A made-up IndexTTS-2 in the official layout, to try greenroom out without a download: it speaks noise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace greenroom::models::index_tts {

struct DemoOptions {
  bool real_dimensions = false;  // those of the published model: some 9 GB
  std::uint64_t seed = 1;
  std::function<void(const std::filesystem::path&)> wrote;  // after each file; may be empty
};

// Writes config.yaml, gpt.pth, s2mel.pth and the rest into `folder`, with the files of other projects below
// hf_cache. Throws base::Error(kUnavailable).
void write_demo_model(const std::filesystem::path& folder, const DemoOptions& options);

}  // namespace greenroom::models::index_tts
