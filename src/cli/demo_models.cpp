#include <spdlog/fmt/fmt.h>

#include "cli/commands.h"
#include "models/ddsp_svc/demo.h"
#include "models/index_tts/demo.h"

namespace greenroom::cli {

int run_demo_models(const std::filesystem::path& folder, bool real_dimensions) {
  models::ddsp_svc::DemoOptions options;
  options.real_dimensions = real_dimensions;
  options.wrote = [](const std::filesystem::path& file) { fmt::print("wrote {}\n", file.string()); };
  models::ddsp_svc::write_demo_models(folder, options);
  models::index_tts::DemoOptions speech;
  speech.real_dimensions = real_dimensions;
  speech.wrote = options.wrote;
  models::index_tts::write_demo_model(folder / "index_tts", speech);
  fmt::print("These are demo models: made up, not trained, for trying greenroom out.\n");
  return 0;
}

}  // namespace greenroom::cli
