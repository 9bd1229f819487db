#include "audio/fft.h"

#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

namespace greenroom::audio {

RealFft::RealFft(std::size_t size) : size_(size), twiddles_(size / 2), reversed_(size / 2) {
  assert(size >= 2 && (size & (size - 1)) == 0);
  for (std::size_t k = 0; k < twiddles_.size(); ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(size);
    twiddles_[k] = {std::cos(angle), std::sin(angle)};
  }
  const std::size_t half = size / 2;
  for (std::size_t i = 0; i < half; ++i) {
    std::size_t reversed = 0;
    for (std::size_t bit = 1, mirrored = half >> 1; bit < half; bit <<= 1, mirrored >>= 1) {
      if ((i & bit) != 0) reversed |= mirrored;
    }
    reversed_[i] = reversed;
  }
}

// Even samples as real and odd ones as imaginary part of a transform of half the length, then taken apart.
void RealFft::transform(std::span<const double> frame, std::span<std::complex<double>> bins) const {
  assert(frame.size() <= size_ && bins.size() == size_ / 2 + 1);
  const std::size_t half = size_ / 2;
  std::vector<std::complex<double>> z(half);
  const auto sample = [&](std::size_t i) { return i < frame.size() ? frame[i] : 0.0; };
  for (std::size_t i = 0; i < half; ++i) z[reversed_[i]] = {sample(2 * i), sample(2 * i + 1)};
  for (std::size_t span = 1; span < half; span *= 2) {
    const std::size_t step = half / span;  // twiddles of size / (2 * span): every size_ / (2 * span)-th
    for (std::size_t start = 0; start < half; start += 2 * span) {
      for (std::size_t k = 0; k < span; ++k) {
        const auto w = twiddles_[k * step];
        const auto a = z[start + k];
        const auto b = z[start + k + span];
        const std::complex<double> turned(b.real() * w.real() - b.imag() * w.imag(),
                                          b.real() * w.imag() + b.imag() * w.real());
        z[start + k] = a + turned;
        z[start + k + span] = a - turned;
      }
    }
  }
  bins[0] = z[0].real() + z[0].imag();
  bins[half] = z[0].real() - z[0].imag();
  for (std::size_t k = 1; k < half; ++k) {
    const auto even = 0.5 * (z[k] + std::conj(z[half - k]));
    const auto odd = std::complex<double>(0, -0.5) * (z[k] - std::conj(z[half - k]));
    bins[k] = even + twiddles_[k] * odd;
  }
}

}  // namespace greenroom::audio
