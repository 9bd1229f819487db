// Writes demo DDSP-SVC voices in exactly the official layout, so that everything can be tried without a
// download. No torch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace greenroom::models::ddsp_svc {

struct DemoOptions {
  bool real_dimensions = false;  // random weights at the size of published models, about 1.2 GB
  std::uint64_t seed = 20250117;
  std::function<void(const std::filesystem::path& file)> wrote;  // called after each file; may be empty
};

// Below `folder`: pretrain/{contentvec,rmvpe,nsf_hifigan}/... shared by the voices, and the voices
// {alto,tenor}/{config.yaml,model_0.pt}. Existing files are overwritten. Throws base::Error.
void write_demo_models(const std::filesystem::path& folder, const DemoOptions& options);

}  // namespace greenroom::models::ddsp_svc
