// The tensors of the demo model's checkpoints, by the official names.
#pragma once

#include <cstdint>

#include "models/ddsp_svc/demo_tensors.h"

namespace greenroom::models::index_tts {

using ddsp_svc::TensorSet;

// Every width and depth of the model that is not a constant of its design.
struct DemoShapes {
  std::int64_t speech = 32, speech_inner = 64, speech_heads = 4, speech_layers = 18;
  std::int64_t codes = 128, code_width = 8, codec = 24, codec_inner = 48, codec_layers = 2;
  std::int64_t speaker_growth = 4, speaker_bottleneck = 8, speaker_initial = 16, style = 24;
  std::int64_t speaker_layers[3] = {3, 4, 4};
  std::int64_t conditioner = 16, conditioner_inner = 32, conditioner_blocks = 2, conditioner_heads = 4;
  std::int64_t emotion_inner = 24, emotion_heads = 2, emotion_latent = 24, emotion_blocks = 2;
  std::int64_t gpt = 48, gpt_heads = 4, gpt_layers = 3, text_tokens = 400;
  std::int64_t text_positions = 602, mel_positions = 1818;
  std::int64_t latent_1 = 20, latent_2 = 12;
  std::int64_t flow = 32, flow_inner = 64, flow_heads = 4, flow_layers = 5, wavenet_layers = 3;
  std::int64_t vocoder = 64;
  std::int64_t llm = 48, llm_inner = 80, llm_heads = 6, llm_kv_heads = 2, llm_head_dim = 16, llm_layers = 2;
  std::int64_t llm_tokens = 272;
  std::int64_t emotion_rows = 73;
};

DemoShapes published_shapes();

TensorSet demo_speech_encoder(const DemoShapes& shapes, std::uint64_t seed);
TensorSet demo_codec(const DemoShapes& shapes, std::uint64_t seed);
TensorSet demo_speaker_encoder(const DemoShapes& shapes, std::uint64_t seed);
TensorSet demo_gpt(const DemoShapes& shapes, std::uint64_t seed);
TensorSet demo_regulator(const DemoShapes& shapes, std::uint64_t seed);     // s2mel.pth: length_regulator
TensorSet demo_latent_layer(const DemoShapes& shapes, std::uint64_t seed);  // s2mel.pth: gpt_layer
TensorSet demo_flow(const DemoShapes& shapes, std::uint64_t seed);          // s2mel.pth: cfm
TensorSet demo_vocoder(const DemoShapes& shapes, std::uint64_t seed);
TensorSet demo_emotion_llm(const DemoShapes& shapes, std::uint64_t seed);

}  // namespace greenroom::models::index_tts
