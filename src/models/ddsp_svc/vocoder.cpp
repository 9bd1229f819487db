#include "models/ddsp_svc/vocoder.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "models/ddsp_svc/workspace.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr double kSlope = 0.1;
constexpr double kLastSlope = 0.01;
constexpr int kSines = 9;  // fundamental and 8 harmonics
constexpr double kSineAmplitude = 0.1;
constexpr double kVoicedNoise = 0.003;
constexpr double kLn10Inverse = 0.434294;
constexpr std::size_t kMiniSourceStage = 1;

nn::Weights find_root(const nn::Weights& file) {
  for (const char* scope : {"generator", "state_dict.generator"}) {
    if (file.sub(scope).has("conv_pre.bias")) return file.sub(scope);
  }
  if (file.has("conv_pre.bias")) return file;
  throw base::Error(
      base::ErrorCode::kDataLoss,
      fmt::format("{}: not an NSF-HiFiGAN checkpoint: \"conv_pre.bias\" is missing (looked under "
                  "\"generator\", \"state_dict.generator\" and at the top)",
                  file.file().path().string()));
}

// Phase in cycles at each sample of each frame -> the same, continuous from frame to frame. rad [1, frames,
// samples].
torch::Tensor accumulate_phase(const torch::Tensor& rad) {
  const auto advance = torch::fmod(rad.slice(2, rad.size(2) - 1) + 0.5, 1.0) - 0.5;
  const auto start = torch::fmod(advance.cumsum(1), 1.0);
  return rad + torch::constant_pad_nd(start.slice(1, 0, start.size(1) - 1), {0, 0, 1, 0});
}

}  // namespace

Vocoder::Vocoder(const nn::Weights& file, VocoderConfig config, bool log10_mel)
    : config_(std::move(config)), log10_mel_(log10_mel) {
  const nn::Weights root = find_root(file);
  before_ = nn::Conv1d::load_same_weight_norm(root.sub("conv_pre"));
  after_ = nn::Conv1d::load_same_weight_norm(root.sub("conv_post"));
  if (before_.weight.size(1) != config_.num_mels) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: the generator takes {} mels, its config.json says {}",
                                  file.file().path().string(), before_.weight.size(1), config_.num_mels));
  }
  if (!config_.mini_nsf) merge_ = nn::Linear::load(root.sub("m_source.l_linear"));
  for (std::size_t i = 0; i < config_.upsample_rates.size(); ++i) load_stage(root, i);
}

void Vocoder::load_stage(const nn::Weights& root, std::size_t index) {
  const auto& rates = config_.upsample_rates;
  Stage stage{
      nn::ConvTranspose1d::load_weight_norm(root.sub(fmt::format("ups.{}", index)), rates[index]), {}, {}};
  if (config_.mini_nsf) {
    if (index == kMiniSourceStage) stage.source = nn::Conv1d::load(root.sub("source_conv"), 1, 0);
  } else {
    const auto later = rates.begin() + static_cast<std::ptrdiff_t>(index) + 1;
    const int stride = std::accumulate(later, rates.end(), 1, std::multiplies<>());
    stage.source =
        nn::Conv1d::load(root.sub(fmt::format("noise_convs.{}", index)), stride, stride > 1 ? stride / 2 : 0);
  }
  const std::size_t kernels = config_.resblock_kernel_sizes.size();
  for (std::size_t j = 0; j < kernels; ++j) {
    const auto scope = root.sub(fmt::format("resblocks.{}", index * kernels + j));
    ResBlock block;
    const auto& dilations = config_.resblock_dilation_sizes[j];
    for (std::size_t d = 0; d < dilations.size(); ++d) {
      if (config_.resblock == "1") {
        block.first.push_back(
            nn::Conv1d::load_same_weight_norm(scope.sub(fmt::format("convs1.{}", d)), dilations[d]));
        block.second.push_back(nn::Conv1d::load_same_weight_norm(scope.sub(fmt::format("convs2.{}", d))));
      } else {
        block.first.push_back(
            nn::Conv1d::load_same_weight_norm(scope.sub(fmt::format("convs.{}", d)), dilations[d]));
      }
    }
    stage.blocks.push_back(std::move(block));
  }
  stages_.push_back(std::move(stage));
}

torch::Tensor Vocoder::ResBlock::operator()(torch::Tensor x) const {
  for (std::size_t i = 0; i < first.size(); ++i) {
    auto y = first[i](torch::leaky_relu(x, kSlope));
    if (!second.empty()) y = second[i](torch::leaky_relu_(y, kSlope));
    x = y.add_(x);
  }
  return x;
}

std::int64_t Vocoder::context_frames() const {
  double frames = (static_cast<double>(before_.weight.size(2)) - 1) / 2;
  double rate = 1;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const auto& up = stages_[i].up;
    frames += (static_cast<double>(up.weight.size(2)) / (2.0 * static_cast<double>(up.stride)) + 1) / rate;
    rate *= static_cast<double>(up.stride);
    double widest = 0;
    for (const auto& block : stages_[i].blocks) {
      double width = 0;
      for (const auto& conv : block.first) width += static_cast<double>(conv.padding);
      for (const auto& conv : block.second) width += static_cast<double>(conv.padding);
      widest = std::max(widest, width);
    }
    frames += widest / rate;
  }
  frames += static_cast<double>(after_.padding) / rate;
  return static_cast<std::int64_t>(std::ceil(frames)) + 1;
}

torch::Tensor Vocoder::classic_excitation(const torch::Tensor& f0, nn::NoiseSource& noise) const {
  const std::int64_t hop = config_.hop_size;
  const auto options = f0.options();
  auto initial = noise.uniform("rand_ini", {1, 1, kSines}, f0.device()).clone();
  initial.select(2, 0).zero_();
  const auto harmonics = torch::arange(1, kSines + 1, options);
  const auto sample_index = torch::arange(1, hop + 1, options);
  const auto phase =
      accumulate_phase(f0.unsqueeze(2) / config_.sampling_rate * sample_index);  // [1, frames, hop]

  std::vector<torch::Tensor> pieces;
  for (std::int64_t start = 0; start < f0.size(1); start += kVocoderPieceFrames) {
    const std::int64_t end = std::min(start + kVocoderPieceFrames, f0.size(1));
    const auto cycles = phase.slice(1, start, end).reshape({1, -1, 1}) * harmonics + initial;
    const auto sines = torch::sin(cycles * (2 * std::numbers::pi)) * kSineAmplitude;
    const auto voiced =
        (f0.slice(1, start, end) > 0).to(torch::kFloat32).repeat_interleave(hop, 1).unsqueeze(2);
    const auto amplitude = voiced * kVoicedNoise + (1 - voiced) * (kSineAmplitude / 3);
    const auto drawn = noise.normal("vocoder", {1, (end - start) * hop, kSines}, f0.device());
    pieces.push_back(torch::tanh(merge_(sines * voiced + amplitude * drawn)).transpose(1, 2));
  }
  return torch::cat(pieces, 2);
}

torch::Tensor Vocoder::mini_excitation(const torch::Tensor& f0) const {
  const auto& rates = config_.upsample_rates;
  const std::int64_t per_frame = std::int64_t{rates[0]} * rates[1];
  const double source_rate = static_cast<double>(config_.sampling_rate) /
                             (static_cast<double>(config_.hop_size) / static_cast<double>(per_frame));
  const auto n = torch::arange(1, per_frame + 1, f0.options());
  const auto s0 = f0.unsqueeze(2) / source_rate;
  const auto ds0 = torch::constant_pad_nd(s0.slice(1, 1) - s0.slice(1, 0, s0.size(1) - 1), {0, 0, 0, 1});
  const auto phase = accumulate_phase(s0 * n + 0.5 * ds0 * n * (n - 1) / per_frame);
  return torch::sin(phase.reshape({1, 1, -1}) * (2 * std::numbers::pi));
}

torch::Tensor Vocoder::excitation(const torch::Tensor& f0, nn::NoiseSource& noise) const {
  return config_.mini_nsf ? mini_excitation(f0) : classic_excitation(f0, noise);
}

torch::Tensor Vocoder::generate(const torch::Tensor& mel, const torch::Tensor& excitation) const {
  auto x = before_(log10_mel_ ? mel * kLn10Inverse : mel);
  for (const auto& stage : stages_) {
    x = stage.up(torch::leaky_relu_(x, kSlope));
    if (stage.source.weight.defined()) x = x + stage.source(excitation).slice(2, 0, x.size(2));
    torch::Tensor sum;
    for (const auto& block : stage.blocks) {
      const auto y = block(x);
      sum = sum.defined() ? sum.add_(y) : y;
    }
    x = sum / static_cast<double>(stage.blocks.size());
  }
  return torch::tanh(after_(torch::leaky_relu(x, kLastSlope))).squeeze(1);
}

torch::Tensor Vocoder::synthesize(const torch::Tensor& mel, const torch::Tensor& f0, nn::NoiseSource& noise,
                                  const std::function<void(std::int64_t)>& after_piece) const {
  const std::int64_t frames = mel.size(1);
  const std::int64_t hop = config_.hop_size;
  const std::int64_t context = context_frames();
  const auto source = excitation(f0, noise);
  const std::int64_t source_hop = source.size(2) / frames;
  const auto channels_first = mel.transpose(1, 2).contiguous();
  std::vector<torch::Tensor> pieces;
  for (std::int64_t start = 0; start < frames; start += kVocoderPieceFrames) {
    const std::int64_t end = std::min(start + kVocoderPieceFrames, frames);
    const std::int64_t first = std::max<std::int64_t>(0, start - context);
    const std::int64_t last = std::min(frames, end + context);
    const auto audio = generate(channels_first.slice(2, first, last),
                                source.slice(2, first * source_hop, last * source_hop));
    pieces.push_back(audio.slice(1, (start - first) * hop, (end - first) * hop));
    if (after_piece) after_piece(end);
  }
  return torch::cat(pieces, 1);
}

}  // namespace greenroom::models::ddsp_svc
