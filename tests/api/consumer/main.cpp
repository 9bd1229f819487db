// What somebody else's program does: loads a voice when it is given one, and converts with it.
#include <cstdio>

#include "greenroom/gpu_utils.h"
#include "greenroom/init.h"
#include "greenroom/lifecycle.h"
#include "greenroom/models/ddsp_svc.h"

int main(int argc, char** argv) {
  greenroom::InitOptions options;
  options.cache_dir = "";
  options.device = "cpu";
  if (!greenroom::initialize_gpu_management(options)) return 1;
  std::printf("device %s\n", greenroom::GPUUtils::get_optimal_device().c_str());
  try {
    greenroom::get_model_manager().load_ddsp_model("/nonexistent/voice");
    return 1;
  } catch (const greenroom::Error& error) {
    std::printf("refused %s\n", std::string(greenroom::error_code_name(error.code())).c_str());
  }
  if (argc == 2) {
    const auto id = greenroom::load_ddsp_model(argv[1]);
    greenroom::Audio tone{std::vector<float>(22050, 0.1F), 44100};
    std::printf("converted %.1f s\n", greenroom::get_ddsp_model(id)->infer(tone).audio.seconds());
    try {  // thrown in libgreenroom_models.so, caught here
      greenroom::get_ddsp_model(id)->infer(tone, /*speaker_id=*/99);
      return 1;
    } catch (const greenroom::Error& error) {
      std::printf("refused %s\n", std::string(greenroom::error_code_name(error.code())).c_str());
    }
  }
  greenroom::shutdown_gpu_management();
}
