// The commands, each a function of parsed arguments that returns the exit status.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "checkpoint/tensor_view.h"
#include "models/voice.h"

namespace greenroom::cli {

inline constexpr const char* kVersion = GREENROOM_VERSION;

struct ConvertArguments {
  std::filesystem::path model, input, output;
  models::ConvertOptions options;
  bool timings = false;
};

struct EstimateArguments {
  std::vector<std::filesystem::path> paths;
  checkpoint::DType dtype = checkpoint::DType::kFloat32;  // of the weights on the device
  bool json = false;
};

struct ConvertCheckpointArguments {
  std::filesystem::path input, output;
  std::optional<checkpoint::DType> dtype;  // of the result; as stored when absent
  bool skip_unsupported = false;
  bool force = false;
};

int run_convert(const app::Config& config, const ConvertArguments& arguments);
int run_estimate(const app::Config& config, const EstimateArguments& arguments);
int run_inspect(const std::filesystem::path& path, bool json, bool verify);
int run_convert_checkpoint(const ConvertCheckpointArguments& arguments);
int run_demo_models(const std::filesystem::path& folder, bool real_dimensions);
int run_gpu(bool json);
int run_serve(const app::Config& config);

}  // namespace greenroom::cli
