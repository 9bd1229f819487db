// Loads a DDSP-SVC voice, converts a recording with it, and lets it go.
//
//   quick_start VOICE IN OUT.wav
#include <cstdio>

#include "greenroom/init.h"
#include "greenroom/models/ddsp_svc.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: quick_start VOICE IN OUT.wav\n");
    return 2;
  }
  if (!greenroom::initialize_gpu_management()) {
    std::fprintf(stderr, "%s\n", greenroom::gpu_management_status().problem.c_str());
    return 1;
  }
  try {
    auto& manager = greenroom::get_model_manager();
    const auto id =
        manager.load_ddsp_model(argv[1]);  // on the best device; it has to fit, or nothing is read
    std::printf("loaded %s: %.1f MiB\n", id.c_str(),
                static_cast<double>(manager.get_model_info(id)->memory_bytes) / (1 << 20));

    const auto voice = greenroom::get_ddsp_model(id);
    greenroom::DdspSvcOptions options;
    options.key_semitones = 2;
    const auto result = voice->infer(std::filesystem::path(argv[2]), /*speaker_id=*/1, options);
    greenroom::write_audio(argv[3], result.audio);
    std::printf("wrote %.2f s at %d Hz\n", result.audio.seconds(), result.audio.sample_rate);

    manager.unload_model(id);
    std::printf("still loaded: %d\n", greenroom::gpu_management_status().loaded_models);
  } catch (const greenroom::Error& error) {
    std::fprintf(stderr, "%s: %s\n", std::string(greenroom::error_code_name(error.code())).c_str(),
                 error.what());
    return 1;
  }
  greenroom::shutdown_gpu_management();
}
