// A trunk of IndexTTS-2's GPT of any size, with random weights.
#pragma once

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>

namespace greenroom::test {

struct GptShape {
  std::int64_t layers, width, inner, codes, text_tokens, text_positions, mel_positions;
};

// By the names of gpt.pth, float32 on the CPU: evenly spread between -spread and spread, the weights of norms
// around 1.
inline std::map<std::string, torch::Tensor> random_gpt(const GptShape& shape, double spread) {
  std::map<std::string, torch::Tensor> tensors;
  const auto random = [&](const std::string& name, torch::IntArrayRef sizes) {
    tensors[name] = torch::empty(sizes).uniform_(-spread, spread);
  };
  const auto linear = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    random(name + ".weight", {in, out});
    random(name + ".bias", {out});
  };
  const auto norm = [&](const std::string& name) {
    random(name + ".weight", {shape.width});
    tensors[name + ".weight"] += 1;
    random(name + ".bias", {shape.width});
  };
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    const auto block = fmt::format("gpt.h.{}.", i);
    norm(block + "ln_1");
    norm(block + "ln_2");
    linear(block + "attn.c_attn", shape.width, 3 * shape.width);
    linear(block + "attn.c_proj", shape.width, shape.width);
    linear(block + "mlp.c_fc", shape.width, shape.inner);
    linear(block + "mlp.c_proj", shape.inner, shape.width);
  }
  norm("gpt.ln_f");
  norm("final_norm");
  random("mel_head.weight", {shape.codes, shape.width});
  random("mel_head.bias", {shape.codes});
  random("mel_embedding.weight", {shape.codes, shape.width});
  random("text_embedding.weight", {shape.text_tokens, shape.width});
  random("text_pos_embedding.emb.weight", {shape.text_positions, shape.width});
  random("mel_pos_embedding.emb.weight", {shape.mel_positions, shape.width});
  random("speed_emb.weight", {2, shape.width});
  return tensors;
}

}  // namespace greenroom::test
