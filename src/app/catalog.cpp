#include "app/catalog.h"

#include <spdlog/fmt/fmt.h>

#include "app/model_library.h"
#include "base/error.h"

namespace greenroom::app {

namespace fs = std::filesystem;

// All releases of IndexTTS (1.5, 2, 2.5) name their language model so, and nothing else does.
bool is_index_tts(const fs::path& path) {
  std::error_code ignored;
  const fs::path folder = fs::is_directory(path, ignored) ? path : fs::absolute(path, ignored).parent_path();
  return fs::exists(folder / "gpt.pth", ignored);
}

bool is_voice(const fs::path& path) {
  std::error_code ignored;
  if (is_index_tts(path)) return false;
  if (fs::is_directory(path, ignored)) return !fs::exists(path / "model.safetensors.index.json", ignored);
  return !fs::exists(path, ignored) ||
         fs::exists(fs::absolute(path, ignored).parent_path() / "config.yaml", ignored);
}

models::ddsp_svc::Description describe_voice(const fs::path& path, const fs::path& pretrain_dir) {
  if (is_index_tts(path)) {
    throw base::Error(base::ErrorCode::kUnimplemented,
                      fmt::format("{}: an IndexTTS model; IndexTTS is not supported yet", path.string()));
  }
  return models::ddsp_svc::describe(path, pretrain_dir);
}

std::shared_ptr<const models::ConversionModel> make_voice(models::ddsp_svc::Description description) {
  return model_library().make_ddsp_svc(std::move(description));
}

}  // namespace greenroom::app
