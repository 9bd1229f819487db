// A task that needs two voices: both are loaded or neither, and both are let go together.
//
//   task_profile VOICE VOICE
#include <cstdio>

#include "greenroom/init.h"
#include "greenroom/lifecycle.h"

namespace {

int count_loaded() {
  return greenroom::gpu_management_status().loaded_models;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: task_profile VOICE VOICE\n");
    return 2;
  }
  try {
    auto& lifecycle = greenroom::get_lifecycle_manager();
    greenroom::TaskProfile duet;
    duet.task_name = "duet";
    for (const char* voice : {argv[1], argv[2]}) {
      duet.required_models.push_back({greenroom::ModelType::ddsp_svc, voice, "auto", /*priority=*/1});
    }
    duet.memory_limit_mb = 4096;
    lifecycle.register_task_profile(duet);

    const auto preloaded = lifecycle.preload_for_task("duet");
    std::printf("preloaded %zu voices in %.1f MiB, shared components counted once; loaded: %d\n",
                preloaded.required.size(), static_cast<double>(preloaded.memory_bytes) / (1 << 20),
                count_loaded());

    const auto cleaned = lifecycle.cleanup_for_task("duet");
    std::printf("cleaned up %zu; loaded: %d\n", cleaned.size(), count_loaded());

    duet.memory_limit_mb = 1;  // too little for two voices: then none is loaded
    lifecycle.register_task_profile(duet);
    try {
      lifecycle.preload_for_task("duet");
    } catch (const greenroom::Error& error) {
      std::printf("refused: %s; loaded: %d\n", std::string(greenroom::error_code_name(error.code())).c_str(),
                  count_loaded());
    }
  } catch (const greenroom::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  greenroom::shutdown_gpu_management();
}
