#include "models/index_tts/bigvgan.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/index_tts/audio_workspace.h"

namespace greenroom::models::index_tts {
namespace {

nn::Weights find_generator(const nn::Weights& file) {
  for (const auto& root : {file.sub("generator"), file}) {
    if (root.has("conv_pre.bias")) return root;
  }
  throw base::Error(base::ErrorCode::kDataLoss,
                    fmt::format("{}: not a BigVGAN checkpoint: \"conv_pre.bias\" is missing (looked under "
                                "\"generator\" and at the top)",
                                file.file().path().string()));
}

nn::FilteredSnake load_snake(const nn::Weights& weights, const VocoderConfig& config) {
  return nn::FilteredSnake::load(weights.sub("act"), config.snake_logscale);
}

}  // namespace

VocoderStage::VocoderStage(const nn::Weights& generator, const VocoderConfig& config, std::size_t index) {
  const int rate = config.upsample_rates.at(index);
  const auto up = generator.sub(fmt::format("ups.{}.0", index));
  up_ = nn::ConvTranspose1d::load_weight_norm(up, rate);
  const std::int64_t excess = up_.weight.size(2) - rate;
  if (excess < 0 || excess % 2 != 0) {
    throw base::Error(
        base::ErrorCode::kDataLoss,
        fmt::format("{}: \"{}\" has a kernel of {}, which fits no upsampling by {} (config.json)",
                    generator.file().path().string(), up.full_name("weight"), up_.weight.size(2), rate));
  }
  const std::size_t kernels = config.resblock_kernel_sizes.size();
  for (std::size_t j = 0; j < kernels; ++j) {
    const auto scope = generator.sub(fmt::format("resblocks.{}", index * kernels + j));
    const auto& dilations = config.resblock_dilation_sizes[j];
    Block block;
    for (std::size_t d = 0; d < dilations.size(); ++d) {
      block.first.push_back(
          nn::Conv1d::load_same_weight_norm(scope.sub(fmt::format("convs1.{}", d)), dilations[d]));
      block.second.push_back(nn::Conv1d::load_same_weight_norm(scope.sub(fmt::format("convs2.{}", d))));
      block.activations.push_back(load_snake(scope.sub(fmt::format("activations.{}", 2 * d)), config));
      block.activations.push_back(load_snake(scope.sub(fmt::format("activations.{}", 2 * d + 1)), config));
    }
    blocks_.push_back(std::move(block));
  }
}

torch::Tensor VocoderStage::Block::operator()(torch::Tensor x) const {
  for (std::size_t i = 0; i < first.size(); ++i) {
    auto y = second[i](activations[2 * i + 1](first[i](activations[2 * i](x))));
    x = y.add_(x);
  }
  return x;
}

torch::Tensor VocoderStage::blocks(const torch::Tensor& x) const {
  torch::Tensor sum;
  for (const auto& block : blocks_) {
    const auto y = block(x);
    sum = sum.defined() ? sum.add_(y) : y;
  }
  return sum.div_(static_cast<double>(blocks_.size()));
}

double VocoderStage::input_context() const {
  return static_cast<double>(up_.weight.size(2)) / static_cast<double>(up_.stride);
}

std::int64_t VocoderStage::output_context() const {
  std::int64_t widest = 0;
  for (const auto& block : blocks_) {
    std::int64_t width = nn::FilteredSnake::kContext * static_cast<std::int64_t>(block.activations.size());
    for (const auto& conv : block.first) width += conv.padding;
    for (const auto& conv : block.second) width += conv.padding;
    widest = std::max(widest, width);
  }
  return widest;
}

VocoderEnd::VocoderEnd(const nn::Weights& generator, const VocoderConfig& config)
    : activation_(load_snake(generator.sub("activation_post"), config)),
      conv_(nn::Conv1d::load_same_weight_norm(generator.sub("conv_post"))) {}

torch::Tensor VocoderEnd::operator()(const torch::Tensor& x) const {
  return conv_(activation_(x)).squeeze(1);
}

Vocoder::Vocoder(const nn::Weights& file, VocoderConfig config)
    : config_(std::move(config)),
      begin_(nn::Conv1d::load_same_weight_norm(find_generator(file).sub("conv_pre"))),
      end_(find_generator(file), config_) {
  if (!config_.snake_beta) {
    throw base::Error(
        base::ErrorCode::kUnimplemented,
        fmt::format("{}: a generator with the activation \"snake\"; BigVGAN v2's \"snakebeta\" is "
                    "supported",
                    file.file().path().string()));
  }
  if (begin_.weight.size(1) != config_.num_mels) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: the generator takes {} mels, its config.json says {}",
                                  file.file().path().string(), begin_.weight.size(1), config_.num_mels));
  }
  const auto generator = find_generator(file);
  for (std::size_t i = 0; i < config_.upsample_rates.size(); ++i) stages_.emplace_back(generator, config_, i);
}

torch::Tensor Vocoder::unclamped(const torch::Tensor& mel) const {
  auto x = begin_(mel);
  for (const auto& stage : stages_) x = stage(x);
  return end_(x);
}

std::int64_t Vocoder::context_frames(std::size_t stage) const {
  double rate = 1;
  for (std::size_t i = 0; i < stage; ++i) rate *= static_cast<double>(stages_[i].rate());
  double frames = 0;
  for (std::size_t i = stage; i < stages_.size(); ++i) {
    frames += stages_[i].input_context() / rate;
    rate *= static_cast<double>(stages_[i].rate());
    frames += static_cast<double>(stages_[i].output_context()) / rate;
  }
  return static_cast<std::int64_t>(std::ceil(frames + static_cast<double>(end_.context()) / rate));
}

// Frames first to end of the whole; what a stage does not need of the context is cut off before it.
torch::Tensor Vocoder::piece(const torch::Tensor& mel, std::int64_t first, std::int64_t end,
                             const std::function<void(std::size_t stages_done)>& after_stage) const {
  const std::int64_t widest = context_frames(0) + begin_.padding;
  std::int64_t from = std::max<std::int64_t>(0, first - widest);
  std::int64_t to = std::min(mel.size(2), end + widest);
  auto x = begin_(mel.slice(2, from, to));
  std::int64_t rate = 1;
  for (std::size_t i = 0;; ++i) {
    const std::int64_t context = context_frames(i);
    const std::int64_t wanted_from = std::max(from, first - context);
    const std::int64_t wanted_to = std::min(to, end + context);
    x = x.slice(2, (wanted_from - from) * rate, (wanted_to - from) * rate);
    from = wanted_from;
    to = wanted_to;
    if (i == stages_.size()) break;
    x = stages_[i](x);
    rate *= stages_[i].rate();
    if (after_stage) after_stage(i + 1);
  }
  return end_(x).slice(1, (first - from) * rate, (end - from) * rate);
}

torch::Tensor Vocoder::synthesize(const torch::Tensor& mel,
                                  const std::function<void(double share)>& after_part) const {
  const std::int64_t frames = mel.size(2);
  const std::int64_t pieces =
      std::max<std::int64_t>(1, (frames + kVocoderPieceFrames - 1) / kVocoderPieceFrames);
  const auto stages = static_cast<double>(stages_.size());
  std::vector<torch::Tensor> samples;
  for (std::int64_t i = 0; i < pieces; ++i) {
    const auto wave =
        piece(mel, frames * i / pieces, frames * (i + 1) / pieces, [&](std::size_t stages_done) {
          if (!after_part) return;
          const double done = static_cast<double>(i) * stages + static_cast<double>(stages_done);
          after_part(done / (static_cast<double>(pieces) * stages));
        });
    samples.push_back(config_.tanh_at_final ? torch::tanh(wave) : torch::clamp(wave, -1, 1));
  }
  return pieces == 1 ? samples[0] : torch::cat(samples, 1);
}

}  // namespace greenroom::models::index_tts
