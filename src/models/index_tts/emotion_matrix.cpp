#include "models/index_tts/emotion_matrix.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <cstring>
#include <numeric>
#include <random>

#include "base/error.h"
#include "checkpoint/checkpoint.h"

namespace greenroom::models::index_tts {
namespace {

// The one matrix of a file, which torch.save wrote bare or in a dict.
torch::Tensor read_matrix(const std::filesystem::path& path, std::int64_t rows) {
  const auto file = checkpoint::Checkpoint::open(path);
  for (const auto& [name, view] : file.tensors()) {
    if (view.dtype != checkpoint::DType::kFloat32 || view.shape.size() != 2 || !view.is_contiguous())
      continue;
    if (view.shape[0] != rows) {
      throw base::Error(base::ErrorCode::kDataLoss,
                        fmt::format("{}: has {} rows; emo_num of config.yaml counts {}", path.string(),
                                    view.shape[0], rows));
    }
    auto matrix = torch::empty(view.shape, torch::kFloat32);
    std::memcpy(matrix.data_ptr(), view.bytes.data(), view.bytes.size());
    file.check_unchanged();
    return matrix;
  }
  throw base::Error(base::ErrorCode::kDataLoss, fmt::format("{}: holds no float32 matrix", path.string()));
}

}  // namespace

EmotionMatrix::EmotionMatrix(const Description& description) : groups_(description.config.emo_num) {
  const auto rows = std::accumulate(groups_.begin(), groups_.end(), std::int64_t{0});
  speakers_ = read_matrix(description.speaker_matrix, rows);
  emotions_ = read_matrix(description.emotion_matrix, rows);
  if (emotions_.size(1) != description.widths.gpt) {
    throw base::Error(base::ErrorCode::kDataLoss, fmt::format("{}: is {} wide, the language model {}",
                                                              description.emotion_matrix.string(),
                                                              emotions_.size(1), description.widths.gpt));
  }
}

std::vector<std::int64_t> EmotionMatrix::most_similar(const torch::Tensor& style) const {
  const auto likeness = torch::cosine_similarity(style.to(torch::kCPU, torch::kFloat32), speakers_, 1);
  std::vector<std::int64_t> rows;
  std::int64_t first = 0;
  for (const int group : groups_) {
    rows.push_back(likeness.slice(0, first, first + group).argmax().item<std::int64_t>());
    first += group;
  }
  return rows;
}

std::vector<std::int64_t> EmotionMatrix::random(std::uint64_t seed) const {
  std::mt19937_64 generator(seed);
  std::vector<std::int64_t> rows;
  for (const int group : groups_)
    rows.push_back(static_cast<std::int64_t>(generator() % static_cast<unsigned>(group)));
  return rows;
}

torch::Tensor EmotionMatrix::mix(const std::vector<std::int64_t>& rows, const EmotionVector& weights) const {
  std::vector<torch::Tensor> chosen;
  std::vector<float> factors;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    chosen.push_back(emotions_[first + rows.at(i)]);
    factors.push_back(static_cast<float>(weights.at(i)));
    first += groups_[i];
  }
  return (torch::stack(chosen) * torch::tensor(factors).unsqueeze(1)).sum(0, /*keepdim=*/true);
}

}  // namespace greenroom::models::index_tts
