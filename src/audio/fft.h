// A small Fourier transform for analysis on the CPU, in double precision.
#pragma once

#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace greenroom::audio {

// Of real frames whose length is a power of two. Immutable; thread-safe.
class RealFft {
 public:
  // REQUIRES: size is a power of two, at least 2.
  explicit RealFft(std::size_t size);

  std::size_t size() const { return size_; }

  // The size / 2 + 1 non-negative frequencies of `frame`, which may be shorter than size() (zeros follow).
  // REQUIRES: frame.size() <= size(), bins.size() == size() / 2 + 1.
  void transform(std::span<const double> frame, std::span<std::complex<double>> bins) const;

 private:
  std::size_t size_;
  std::vector<std::complex<double>> twiddles_;  // exp(-2 pi i k / size), k < size / 2
  std::vector<std::size_t> reversed_;           // bit reversal of the size / 2 packed samples
};

}  // namespace greenroom::audio
