// The language model that tells the emotion of a text: Qwen3. Transformers models/qwen3/modeling_qwen3.py.
// What it is asked and how its answer is read is not its business.
#pragma once

#include <torch/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/index_tts/code_picker.h"
#include "models/index_tts/config.h"
#include "models/index_tts/llm_generation.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace greenroom::models::index_tts {

struct LlmRequest {
  std::span<const std::int64_t> prompt;
  std::int64_t max_new_tokens = 512;
  LlmGeneration generation;
  CodePicker* picker = nullptr;                       // null: the best token, as without do_sample
  std::function<void(std::int64_t tokens)> progress;  // after every token; may be empty
  const std::atomic<bool>* cancelled = nullptr;
};

// Immutable. Thread-safe. Runs on the device and in the dtype of its weights.
class EmotionLlm {
 public:
  // `weights`: of model.safetensors or its shards; the head is the embedding when there is no lm_head. Throws
  // Error(kDataLoss) for tensors that do not fit together or the config.
  EmotionLlm(const nn::Weights& weights, const EmotionLlmConfig& config);

  // The answer's tokens, without the stop token. Throws base::Error: kInvalidArgument (an empty prompt, one
  // that is too long, a token outside of the vocabulary), kCancelled, kInternal (scores that are not finite).
  std::vector<std::int64_t> generate(const LlmRequest& request) const;

  // Keys and values so far.
  struct Cache {
    std::vector<torch::Tensor> keys;  // per layer [kv_heads, capacity, head_dim]
    std::vector<torch::Tensor> values;
    std::int64_t length = 0;
  };
  Cache make_cache(std::int64_t capacity) const;
  // Appends tokens to what the cache holds; the last norm's output for them: [tokens, width].
  torch::Tensor run(std::span<const std::int64_t> tokens, Cache& cache) const;
  torch::Tensor score(const torch::Tensor& hidden) const;  // [tokens, width] -> [tokens, vocabulary], float32

 private:
  struct Layer {
    torch::Tensor attention_norm, feed_forward_norm, q_norm, k_norm;
    nn::Linear q, k, v, out, gate, up, down;
  };
  torch::Tensor normalize(const torch::Tensor& x, const torch::Tensor& weight) const;
  torch::Tensor attend(std::size_t layer, const torch::Tensor& x, const torch::Tensor& turn,
                       Cache& cache) const;

  EmotionLlmConfig config_;
  torch::Tensor embedding_;  // [vocabulary, width]
  nn::Linear head_;
  std::vector<Layer> layers_;
  torch::Tensor norm_;
};

}  // namespace greenroom::models::index_tts
