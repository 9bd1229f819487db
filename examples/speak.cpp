// Says a text in the voice of a recording with an IndexTTS-2 model.
//
//   speak MODEL_FOLDER VOICE.wav OUT.wav
#include <cstdio>

#include "greenroom/init.h"
#include "greenroom/models/index_tts.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: speak MODEL_FOLDER VOICE.wav OUT.wav\n");
    return 2;
  }
  const std::string text = "Hello there. Good bye.";
  try {
    // What a known voice needs is loaded and kept; the encoders for a new one come and go with the run.
    const auto id = greenroom::load_index_tts_model(argv[1]);
    const auto model = greenroom::get_index_tts_model(id);
    greenroom::IndexTtsOptions options;
    options.num_beams = 1;
    options.max_mel_tokens = 30;
    options.diffusion_steps = 2;
    options.max_text_tokens_per_segment = 20;
    options.on_segment = [](const greenroom::Audio& segment, std::size_t index, std::size_t count) {
      std::printf("segment %zu of %zu: %zu samples\n", index + 1, count, segment.samples.size());
    };
    const auto result = model->infer(text, std::filesystem::path(argv[2]), options);
    greenroom::write_audio(argv[3], result.audio);
    std::printf("wrote %zu segments at %d Hz\n", result.segments, result.audio.sample_rate);

    // The same model for whoever only has a text and a recording.
    const auto same = greenroom::auto_load_for_synthesis(text, argv[2]);
    std::printf("found again: %s\n", same == id ? "yes" : "no");
    greenroom::unload_model(id, /*force=*/true);
    std::printf("still loaded: %d\n", greenroom::gpu_management_status().loaded_models);
  } catch (const greenroom::Error& error) {
    std::fprintf(stderr, "%s: %s\n", std::string(greenroom::error_code_name(error.code())).c_str(),
                 error.what());
    return 1;
  }
  greenroom::shutdown_gpu_management();
}
