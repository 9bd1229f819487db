// The emotions of the speakers a model was trained with: eight numbers become a vector of the language model.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "models/index_tts/description.h"
#include "models/index_tts/text/emotion.h"

namespace greenroom::models::index_tts {

// feat1.pt and feat2.pt. On the CPU: half a megabyte. Immutable; thread-safe.
class EmotionMatrix {
 public:
  // Throws base::Error(kDataLoss) when the matrices do not have the rows that emo_num of the config counts.
  explicit EmotionMatrix(const Description& description);

  // infer_v2.py: of each emotion the row whose speaker is most like `style` ([1, 192]). Indexes within a
  // group.
  std::vector<std::int64_t> most_similar(const torch::Tensor& style) const;
  // With use_random.
  std::vector<std::int64_t> random(std::uint64_t seed) const;

  // The weighted sum of one row of each emotion: [1, width].
  torch::Tensor mix(const std::vector<std::int64_t>& rows, const EmotionVector& weights) const;

 private:
  std::vector<int> groups_;
  torch::Tensor speakers_;  // [rows, 192]
  torch::Tensor emotions_;  // [rows, width]
};

}  // namespace greenroom::models::index_tts
