#include "models/ddsp_svc/pitch_net.h"

#include <spdlog/fmt/fmt.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "audio/mel_filters.h"
#include "base/error.h"
#include "nn/spectral.h"

namespace greenroom::models::ddsp_svc {
namespace {

constexpr int kSampleRate = 16000;
constexpr std::int64_t kFft = 1024;
constexpr std::int64_t kHop = 160;
constexpr int kMels = 128;
constexpr std::int64_t kFrameMultiple = 32;  // five halvings
constexpr int kBins = 360;
constexpr double kNormEpsilon = 1e-5;
constexpr double kSmallestMagnitude = 1e-5;

nn::Weights find_root(const nn::Weights& file) {
  for (const char* scope : {"model", "state_dict"}) {
    if (file.sub(scope).has("cnn.weight")) return file.sub(scope);
  }
  if (file.has("cnn.weight") && file.has("fc.1.weight")) return file;
  throw base::Error(
      base::ErrorCode::kDataLoss,
      fmt::format("{}: not an RMVPE checkpoint: \"cnn.weight\" is missing (looked under \"model\" and at "
                  "the top)",
                  file.file().path().string()));
}

}  // namespace

// y = gamma * (conv(x) - mean) / sqrt(var + eps) + beta, as one convolution.
PitchNet::Conv2d PitchNet::fold(const nn::Weights& conv, const nn::Weights& norm, int out_dim) {
  const auto weight = conv.peek("weight");
  const auto scale = norm.peek("weight") * torch::rsqrt(norm.peek("running_var") + kNormEpsilon);
  const auto bias = norm.peek("bias") - norm.peek("running_mean") * scale;
  const auto shaped = out_dim == 0 ? scale.view({-1, 1, 1, 1}) : scale.view({1, -1, 1, 1});
  return {conv.keep((weight * shaped).contiguous(), "weight"), norm.keep(bias.contiguous(), "bias")};
}

std::vector<PitchNet::Block> PitchNet::load_blocks(const nn::Weights& scope) {
  std::vector<Block> blocks;
  for (int i = 0; i < scope.count("conv"); ++i) {
    const auto block = scope.sub(fmt::format("conv.{}", i));
    blocks.push_back({fold(block.sub("conv.0"), block.sub("conv.1"), 0),
                      fold(block.sub("conv.3"), block.sub("conv.4"), 0),
                      block.tensor_or_none("shortcut.weight"), block.tensor_or_none("shortcut.bias")});
  }
  return blocks;
}

PitchNet::PitchNet(const nn::Weights& file) {
  const nn::Weights root = find_root(file);
  const auto input_norm = root.sub("unet.encoder.bn");
  const auto value = [&](const char* name) { return input_norm.peek(name).to(torch::kCPU).item<double>(); };
  input_scale_ = value("weight") / std::sqrt(value("running_var") + kNormEpsilon);
  input_shift_ = value("bias") - value("running_mean") * input_scale_;

  for (int i = 0; i < root.count("unet.encoder.layers"); ++i) {
    down_.push_back(load_blocks(root.sub(fmt::format("unet.encoder.layers.{}", i))));
  }
  for (int i = 0; i < root.count("unet.intermediate.layers"); ++i) {
    middle_.push_back(load_blocks(root.sub(fmt::format("unet.intermediate.layers.{}", i))));
  }
  for (int i = 0; i < root.count("unet.decoder.layers"); ++i) {
    const auto layer = root.sub(fmt::format("unet.decoder.layers.{}", i));
    UpLayer up{fold(layer.sub("conv1.0"), layer.sub("conv1.1"), 1), {}};
    for (int j = 0; j < layer.count("conv2"); ++j) {
      const auto block = layer.sub(fmt::format("conv2.{}", j));
      up.blocks.push_back({fold(block.sub("conv.0"), block.sub("conv.1"), 0),
                           fold(block.sub("conv.3"), block.sub("conv.4"), 0),
                           block.tensor_or_none("shortcut.weight"), block.tensor_or_none("shortcut.bias")});
    }
    up_.push_back(std::move(up));
  }
  if (down_.size() != 5 || up_.size() != 5) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: the U-Net has {} encoder and {} decoder levels, RMVPE has 5 of each",
                                  file.file().path().string(), down_.size(), up_.size()));
  }
  cnn_weight_ = root.tensor("cnn.weight", {3, -1, 3, 3});
  cnn_bias_ = root.tensor("cnn.bias", {3});
  for (const char* direction : {"", "_reverse"}) {
    for (const char* part : {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}) {
      gru_.push_back(root.tensor(fmt::format("fc.0.gru.{}{}", part, direction)));
    }
  }
  gru_hidden_ = gru_[1].size(1);
  out_ = nn::Linear::load(root.sub("fc.1"));
  const auto filters = audio::mel_filters(kSampleRate, kFft, kMels, 30, 8000, audio::MelScale::kHtk);
  filters_ = torch::tensor(filters).view({kMels, kFft / 2 + 1}).to(cnn_weight_.device());
}

torch::Tensor PitchNet::log_mel_of_padded(const torch::Tensor& padded) const {
  const auto magnitude = nn::stft(padded, kFft, kHop, kFft).abs();
  return torch::log(torch::clamp_min(torch::matmul(filters_, magnitude), kSmallestMagnitude));
}

torch::Tensor PitchNet::log_mel(const torch::Tensor& audio) const {
  return log_mel_of_padded(nn::pad_reflect_or_zero(audio.view({1, -1}), kFft / 2, kFft / 2));
}

// The network's input, any part of it at a time: the recording with what is padded on every side.
class PitchNet::Input {
 public:
  Input(const PitchNet& net, const torch::Tensor& audio, PitchPadding padding)
      : net_(net),
        frames_(audio.numel() / kHop + 1),
        padded_frames_((frames_ + kFrameMultiple - 1) / kFrameMultiple * kFrameMultiple),
        spectral_frames_(padding == PitchPadding::kLogMel ? frames_ : padded_frames_) {
    auto samples = audio.view({1, -1});
    if (padding == PitchPadding::kAudio) {
      const std::int64_t block = kHop * kFrameMultiple;
      const std::int64_t wanted = (audio.numel() + kHop + block - 1) / block * block;
      samples = torch::constant_pad_nd(samples, {0, wanted - (audio.numel() + kHop)});
    }
    padded_ = nn::pad_reflect_or_zero(samples, kFft / 2, kFft / 2);
  }

  std::int64_t frames() const { return frames_; }
  std::int64_t padded_frames() const { return padded_frames_; }

  // [1, 128, end - first]; behind the last frame of the recording there may be zeros.
  torch::Tensor log_mel(std::int64_t first, std::int64_t end) const {
    const std::int64_t last = std::min(end, spectral_frames_);
    const auto mel = net_.log_mel_of_padded(padded_.slice(1, first * kHop, (last - 1) * kHop + kFft));
    return last == end ? mel : torch::constant_pad_nd(mel, {0, end - last});
  }

 private:
  const PitchNet& net_;
  std::int64_t frames_;
  std::int64_t padded_frames_;
  std::int64_t spectral_frames_;  // those that are computed from audio
  torch::Tensor padded_;          // [1, samples]
};

torch::Tensor PitchNet::Block::operator()(const torch::Tensor& x) const {
  auto y = torch::conv2d(x, first.weight, first.bias, 1, 1).relu_();
  y = torch::conv2d(y, second.weight, second.bias, 1, 1).relu_();
  if (!shortcut_weight.defined()) return y.add_(x);
  return y.add_(torch::conv2d(x, shortcut_weight, shortcut_bias));
}

PitchNet::UnetOutputs PitchNet::unet(const torch::Tensor& log_mel, const Progress& progress) const {
  const auto steps = static_cast<double>(down_.size() + middle_.size() + up_.size());
  int done = 0;
  const auto tell = [&] {
    if (progress) progress(done++ / steps);
  };
  auto x = log_mel.transpose(1, 2).unsqueeze(1) * input_scale_ + input_shift_;
  std::vector<torch::Tensor> skips;
  for (const auto& level : down_) {
    tell();
    for (const auto& block : level) x = block(x);
    skips.push_back(x);
    x = torch::avg_pool2d(x, 2);
  }
  UnetOutputs outputs;
  outputs.encoder = x;
  for (const auto& level : middle_) {
    tell();
    for (const auto& block : level) x = block(x);
  }
  outputs.intermediate = x;
  for (const auto& level : up_) {
    tell();
    x = torch::conv_transpose2d(x, level.up.weight, level.up.bias, 2, 1, 1).relu_();
    x = torch::cat({x, skips.back()}, 1);
    skips.pop_back();
    for (const auto& block : level.blocks) x = block(x);
  }
  outputs.decoder = x;
  return outputs;
}

// A block sees two frames more each side, a step up one, all at the rate of their level; averaging over two
// frames sees no other, because pieces begin and end at whole frames of the deepest level.
std::int64_t PitchNet::context_frames() const {
  constexpr std::int64_t kBlockReach = 2;
  std::int64_t reach = 1;  // the last convolution
  std::int64_t rate = 1;
  for (std::size_t level = 0; level < down_.size(); ++level) {
    const std::size_t blocks = down_[level].size() + up_[up_.size() - 1 - level].blocks.size();
    reach += kBlockReach * static_cast<std::int64_t>(blocks) * rate;
    rate *= 2;
    reach += rate;  // both ways between this level and the next
  }
  for (const auto& level : middle_) reach += kBlockReach * static_cast<std::int64_t>(level.size()) * rate;
  return (reach + kFrameMultiple - 1) / kFrameMultiple * kFrameMultiple;
}

std::vector<PitchNet::Piece> PitchNet::cut(std::int64_t frames, std::int64_t piece_frames) const {
  if (frames <= piece_frames) return {{0, frames}};
  const std::int64_t own = (piece_frames - 2 * context_frames()) / kFrameMultiple * kFrameMultiple;
  const std::int64_t step = std::max(own, kFrameMultiple);
  std::vector<Piece> pieces;
  for (std::int64_t first = 0; first < frames; first += step)
    pieces.push_back({first, std::min(first + step, frames)});
  return pieces;
}

// The GRU's input for the frames of `piece`: [1, frames, 3 * mels], channel-major.
torch::Tensor PitchNet::features(const Input& input, const Piece& piece, const Progress& progress) const {
  const std::int64_t context = context_frames();
  const std::int64_t first = std::max<std::int64_t>(0, piece.first - context);
  const std::int64_t end = std::min(input.padded_frames(), piece.end + context);
  const auto outputs = unet(input.log_mel(first, end), progress);
  const auto x = torch::conv2d(outputs.decoder, cnn_weight_, cnn_bias_, 1, 1);
  return x.slice(2, piece.first - first, piece.end - first).transpose(1, 2).flatten(2).contiguous();
}

// The state of the GRU that reads backwards, after it has read `features`.
torch::Tensor PitchNet::state_before(const torch::Tensor& features, const torch::Tensor& state_behind) const {
  const std::vector<torch::Tensor> backwards(gru_.begin() + 4, gru_.end());
  return std::get<1>(torch::gru(features.flip(1), state_behind, backwards, /*has_biases=*/true,
                                /*num_layers=*/1, /*dropout=*/0.0, /*train=*/false, /*bidirectional=*/false,
                                /*batch_first=*/true));
}

// From the last piece to the first through the U-Net and the GRU that reads backwards, of which only the
// state at the end of each piece is kept; then from the first to the last through both GRUs. `take` is given
// [1, frames, 360] for each piece in order, the padded frames included.
void PitchNet::salience_in_pieces(const Input& input, std::int64_t piece_frames, const Progress& progress,
                                  const std::function<void(torch::Tensor)>& take) const {
  const auto pieces = cut(input.padded_frames(), piece_frames);
  std::vector<torch::Tensor> read(pieces.size());
  std::vector<torch::Tensor> states_behind(pieces.size());
  auto state = torch::zeros({1, 1, gru_hidden_}, cnn_weight_.options());
  const auto count = static_cast<double>(pieces.size());
  for (std::size_t i = pieces.size(); i-- > 0;) {
    const double done = static_cast<double>(pieces.size() - 1 - i);
    read[i] = features(input, pieces[i], [&](double share) {
      if (progress) progress((done + share) / count);
    });
    states_behind[i] = state;
    if (i > 0) state = state_before(read[i], state);
  }
  auto ahead = torch::zeros_like(state);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto [hidden, last] =
        torch::gru(read[i], torch::cat({ahead, states_behind[i]}), gru_, /*has_biases=*/true,
                   /*num_layers=*/1, /*dropout=*/0.0, /*train=*/false, /*bidirectional=*/true,
                   /*batch_first=*/true);
    read[i].reset();
    ahead = last.slice(0, 0, 1).contiguous();
    take(torch::sigmoid(out_(hidden)));
    if (progress) progress(1);
  }
}

torch::Tensor PitchNet::salience(const torch::Tensor& audio, PitchPadding padding,
                                 std::int64_t piece_frames) const {
  const Input input(*this, audio, padding);
  std::vector<torch::Tensor> pieces;
  salience_in_pieces(input, piece_frames, {},
                     [&](torch::Tensor piece) { pieces.push_back(std::move(piece)); });
  return torch::cat(pieces, 1).slice(1, 0, input.frames());
}

// In float32 and summed over all bins, as upstream: cents are around 5000, so what rounding leaves of them is
// heard of again when a pitch track is summed up to a phase.
std::vector<float> PitchNet::decode(const torch::Tensor& salience, double threshold) {
  constexpr int kReach = 4;  // bins each side of the peak
  const auto values = salience.squeeze(0);
  const auto bins = torch::arange(kBins, torch::TensorOptions().device(values.device()));
  const auto [highest, peak] = values.max(1, /*keepdim=*/true);
  const auto weights = values * ((bins - peak).abs() <= kReach);
  const auto cents = (weights * (bins * 20 + 1997.3794084376191)).sum(1) / weights.sum(1);
  const auto voiced = highest.squeeze(1) >= threshold;  // elsewhere cents may be 0 / 0
  const auto f0 = torch::where(voiced, 10 * torch::pow(2, cents / 1200), torch::zeros_like(cents));
  const auto result = f0.to(torch::kCPU, torch::kFloat32).contiguous();
  return {result.data_ptr<float>(), result.data_ptr<float>() + result.numel()};
}

std::vector<float> PitchNet::track(const torch::Tensor& audio, PitchPadding padding,
                                   const Progress& progress) const {
  const Input input(*this, audio, padding);
  std::vector<float> track;
  salience_in_pieces(input, kPitchPieceFrames, progress, [&](const torch::Tensor& piece) {
    const auto hz = decode(piece);
    track.insert(track.end(), hz.begin(), hz.end());
  });
  track.resize(static_cast<std::size_t>(input.frames()));
  return track;
}

}  // namespace greenroom::models::ddsp_svc
