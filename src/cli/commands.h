// The commands, each a function of parsed arguments that returns the exit status.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/config.h"
#include "models/voice.h"

namespace greenroom::cli {

inline constexpr const char* kVersion = GREENROOM_VERSION;

struct ConvertArguments {
  std::filesystem::path model, input, output;
  models::ConvertOptions options;
  bool timings = false;
};

int run_convert(const app::Config& config, const ConvertArguments& arguments);
int run_estimate(const app::Config& config, const std::vector<std::filesystem::path>& paths, bool json);
int run_demo_models(const std::filesystem::path& folder, bool real_dimensions);
int run_gpu(bool json);
int run_serve(const app::Config& config);

}  // namespace greenroom::cli
