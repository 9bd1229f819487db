#include "audio/fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace greenroom::audio {
namespace {

TEST(RealFft, IsTheSumItStandsFor) {
  for (const std::size_t size : {2U, 4U, 16U, 512U}) {
    std::vector<double> frame(size);
    for (std::size_t i = 0; i < size; ++i) frame[i] = std::sin(1.7 * static_cast<double>(i * i % 31)) + 0.1;
    std::vector<std::complex<double>> bins(size / 2 + 1);
    RealFft(size).transform(frame, bins);
    for (std::size_t k = 0; k < bins.size(); ++k) {
      std::complex<double> sum;
      for (std::size_t i = 0; i < size; ++i) {
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(i * k % size) / static_cast<double>(size);
        sum += frame[i] * std::complex<double>(std::cos(angle), std::sin(angle));
      }
      EXPECT_NEAR(bins[k].real(), sum.real(), 1e-10) << size << " bin " << k;
      EXPECT_NEAR(bins[k].imag(), sum.imag(), 1e-10) << size << " bin " << k;
    }
  }
}

TEST(RealFft, ContinuesAShortFrameWithZeros) {
  const RealFft fft(8);
  std::vector<std::complex<double>> bins(5);
  fft.transform(std::vector<double>{3}, bins);
  for (const auto& bin : bins) EXPECT_EQ(bin, std::complex<double>(3));
}

}  // namespace
}  // namespace greenroom::audio
