#include "app/catalog.h"

#include <spdlog/fmt/fmt.h>

#include "app/model_library.h"
#include "base/error.h"

namespace greenroom::app {

namespace fs = std::filesystem;

models::ddsp_svc::Description describe_voice(const fs::path& path, const fs::path& pretrain_dir) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored) && fs::exists(path / "bpe.model", ignored)) {
    throw base::Error(base::ErrorCode::kUnimplemented,
                      fmt::format("{}: an IndexTTS model; IndexTTS is not supported yet", path.string()));
  }
  return models::ddsp_svc::describe(path, pretrain_dir);
}

std::shared_ptr<const models::ConversionModel> make_voice(models::ddsp_svc::Description description) {
  return model_library().make_ddsp_svc(std::move(description));
}

}  // namespace greenroom::app
