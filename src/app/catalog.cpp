#include "app/catalog.h"

#include <spdlog/fmt/fmt.h>

#include "base/error.h"

namespace greenroom::app {

namespace fs = std::filesystem;

// All releases of IndexTTS (1.5, 2, 2.5) name their language model gpt.pth, and nothing else does. Where that
// is what is missing, the acoustic model of 2 and 2.5 tells.
bool is_index_tts(const fs::path& path) {
  std::error_code ignored;
  const fs::path folder = fs::is_directory(path, ignored) ? path : fs::absolute(path, ignored).parent_path();
  return fs::exists(folder / "gpt.pth", ignored) || fs::exists(folder / "s2mel.pth", ignored);
}

bool is_voice(const fs::path& path) {
  std::error_code ignored;
  if (is_index_tts(path)) return false;
  if (fs::is_directory(path, ignored)) return !fs::exists(path / "model.safetensors.index.json", ignored);
  return !fs::exists(path, ignored) ||
         fs::exists(fs::absolute(path, ignored).parent_path() / "config.yaml", ignored);
}

std::vector<models::ModelFile> locate_files(const fs::path& path, const fs::path& pretrain_dir,
                                            const std::vector<fs::path>& search) {
  if (is_index_tts(path)) {
    models::index_tts::DescribeOptions options;
    options.search = search;
    return models::index_tts::locate_files(path, options);
  }
  return models::ddsp_svc::locate_files(path, pretrain_dir);
}

models::ddsp_svc::Description describe_voice(const fs::path& path, const fs::path& pretrain_dir) {
  if (is_index_tts(path)) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("{}: an IndexTTS model: it speaks text and converts no recordings; use "
                                  "`greenroom speak`",
                                  path.string()));
  }
  return models::ddsp_svc::describe(path, pretrain_dir);
}

models::index_tts::Description describe_speech_model(const fs::path& path,
                                                     const std::vector<fs::path>& search,
                                                     const std::string& precision, base::DeviceId device) {
  const bool on_gpu = device.kind == base::DeviceKind::kCuda;
  const auto dtype = precision == "auto"
                         ? (on_gpu ? checkpoint::DType::kFloat16 : checkpoint::DType::kFloat32)
                         : checkpoint::parse_dtype(precision).value_or(checkpoint::DType::kFloat32);
  if (dtype == checkpoint::DType::kFloat16 && !on_gpu) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      "precision float16 needs a GPU; on the CPU use float32 or bfloat16");
  }
  return describe_speech_model(path, search, models::index_tts::Precision{dtype, dtype});
}

models::index_tts::Description describe_speech_model(const fs::path& path,
                                                     const std::vector<fs::path>& search,
                                                     const models::index_tts::Precision& precision) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw base::Error(base::ErrorCode::kNotFound, fmt::format("{}: no such file or folder", path.string()));
  }
  if (!is_index_tts(path) && is_voice(path)) {
    throw base::Error(
        base::ErrorCode::kInvalidArgument,
        fmt::format("{}: no IndexTTS-2 model (it has no gpt.pth); to convert a recording with a "
                    "DDSP-SVC voice use `greenroom convert`",
                    path.string()));
  }
  models::index_tts::DescribeOptions options;
  options.search = search;
  options.precision = precision;
  return models::index_tts::describe(path, options);
}

}  // namespace greenroom::app
