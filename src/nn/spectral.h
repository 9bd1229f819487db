// Spectra on the model's device.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace greenroom::nn {

// Pads the last axis of [batch, time] by mirroring, zeros where the signal is too short to mirror.
torch::Tensor pad_reflect_or_zero(const torch::Tensor& x, std::int64_t left, std::int64_t right);

// Magnitude-independent STFT without centring: [batch, time] -> complex [batch, n_fft / 2 + 1, frames],
// periodic Hann window of `window_length` centred in n_fft.
torch::Tensor stft(const torch::Tensor& x, std::int64_t n_fft, std::int64_t hop, std::int64_t window_length);

// Inverse of a centred STFT: overlap-add of Hann-windowed frames divided by the squared window's envelope,
// n_fft / 2 trimmed at both ends. spectrum: complex [batch, n_fft / 2 + 1, frames] -> [batch, (frames - 1) *
// hop].
torch::Tensor istft_centered(const torch::Tensor& spectrum, std::int64_t n_fft, std::int64_t hop);

}  // namespace greenroom::nn
