#include "nn/spectral.h"

#include <torch/torch.h>

namespace greenroom::nn {

torch::Tensor pad_reflect_or_zero(const torch::Tensor& x, std::int64_t left, std::int64_t right) {
  const bool can_mirror = left < x.size(-1) && right < x.size(-1);
  if (!can_mirror) return torch::constant_pad_nd(x, {left, right});
  return torch::reflection_pad1d(x.unsqueeze(1), {left, right}).squeeze(1);
}

torch::Tensor stft(const torch::Tensor& x, std::int64_t n_fft, std::int64_t hop, std::int64_t window_length) {
  const auto window = torch::hann_window(window_length, x.options());
  return torch::stft(x, n_fft, hop, window_length, window, /*center=*/false, "constant", /*normalized=*/false,
                     /*onesided=*/true, /*return_complex=*/true);
}

torch::Tensor istft_centered(const torch::Tensor& spectrum, std::int64_t n_fft, std::int64_t hop) {
  const auto window = torch::hann_window(n_fft, torch::TensorOptions().device(spectrum.device()));
  return torch::istft(spectrum, n_fft, hop, n_fft, window, /*center=*/true);
}

}  // namespace greenroom::nn
