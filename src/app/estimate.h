// What models need, from the headers of their files alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/json.h"
#include "checkpoint/summary.h"

namespace greenroom::app {

// A component, or a checkpoint file that is no model's.
struct EstimateLine {
  std::string kind, variant;
  std::filesystem::path file;
  checkpoint::Summary weights;
  std::uint64_t bytes = 0;          // on the device
  bool kept = true;                 // for as long as the model is loaded; else only for a stage of a run
  std::vector<std::string> models;  // that use it
};

struct Estimate {
  checkpoint::DType dtype = checkpoint::DType::kFloat32;
  std::set<std::filesystem::path> models;
  std::vector<EstimateLine> lines;

  std::uint64_t bytes() const;                  // kept, each shared component once
  std::uint64_t bytes_without_sharing() const;  // kept, once for each model
  std::uint64_t stage_bytes() const;            // of what is not kept
};

// Of the models (their files or folders) and checkpoint files at `paths`, in the order met: a component that
// several models name is one line, a model named twice is one model. `dtype` is that of the weights on the
// device; of an IndexTTS-2 model it is that of the language models, the rest is always float32. Never opens
// the models library. Throws base::Error.
Estimate estimate(const Config& config, const std::vector<std::filesystem::path>& paths,
                  checkpoint::DType dtype);

// {"dtype", "components": [{"kind", "file", "variant", "parameters", "stored_bytes", "bytes", "kept",
// "models"}], "bytes", "bytes_without_sharing", "stage_bytes"}
base::Json to_json(const Estimate& estimate);

}  // namespace greenroom::app
