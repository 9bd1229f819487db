#include "nn/filtered_snake.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace greenroom::nn {
namespace {

constexpr std::int64_t kTaps = 12;
constexpr std::int64_t kPhaseTaps = kTaps / 2;
constexpr double kCutoff = 0.25;
constexpr double kHalfWidth = 0.3;
constexpr double kAmplitudeFloor = 1e-9;

double bessel_i0(double x) {
  double term = 1;
  double sum = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// Outputs that are made at a time; the doubled signal of so many stays in the first-level cache.
constexpr std::int64_t kBlock = 512;
constexpr std::int64_t kReach =
    3;  // doubled samples (of one phase) on each side of an output, and inputs too

struct Channel {
  const float* in;
  float* out;
  std::int64_t length;
  float frequency;
  float amplitude;
};

// x + amplitude * sin^2(frequency * x). The sine's argument is brought to [-pi/2, pi/2] by a multiple of pi
// in three parts (Cody and Waite), which keeps the error below that of rounding the product itself.
[[gnu::always_inline]] inline float snake(float x, float frequency, float amplitude) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  constexpr float kPi1 = 3.140625F;
  constexpr float kPi2 = 9.67502593994140625e-4F;
  constexpr float kPi3 = 1.509957990978376432e-7F;
  const float angle = x * frequency;
  const float turns = (angle * std::numbers::inv_pi_v<float> + kRound) - kRound;
  float r = angle - turns * kPi1;
  r -= turns * kPi2;
  r -= turns * kPi3;
  const float r2 = r * r;
  float p = -2.5052108e-8F;
  p = p * r2 + 2.7557319e-6F;
  p = p * r2 - 1.9841270e-4F;
  p = p * r2 + 8.3333333e-3F;
  p = p * r2 - 1.6666667e-1F;
  const float sine = r + r * r2 * p;
  return x + amplitude * (sine * sine);
}

// channel.in[first ...], the first and last sample repeated where the index is beyond the ends.
inline void copy_continued(const Channel& channel, std::int64_t first, std::int64_t count, float* to) {
  const std::int64_t before = std::max<std::int64_t>(0, -first);
  const std::int64_t after = std::max<std::int64_t>(0, first + count - channel.length);
  std::fill_n(to, before, channel.in[0]);
  std::copy(channel.in + first + before, channel.in + first + count - after, to + before);
  std::fill_n(to + count - after, after, channel.in[channel.length - 1]);
}

// Both phases of the doubled signal: sample 2t is even[t], 2t + 1 odd[t]. With x mirrored at its ends by
// repetition, even[t] = 2 sum f[2i + 1] x[t + 2 - i] and odd[t] = 2 sum f[2i] x[t + 3 - i]; an output is
// sum f[2i + 1] even[t + i - 2] + f[2i] odd[t + i - 3].
[[gnu::always_inline]] inline void run_channel(const Channel& channel, const float* up_even,
                                               const float* up_odd, const float* down_even,
                                               const float* down_odd) {
  float input[kBlock + 4 * kReach];
  float even[kBlock + 2 * kReach];
  float odd[kBlock + 2 * kReach];
  const std::int64_t length = channel.length;
  for (std::int64_t start = 0; start < length; start += kBlock) {
    const std::int64_t count = std::min(kBlock, length - start);
    const std::int64_t wide = count + 2 * kReach;  // of the doubled signal, from start - kReach
    const std::int64_t first = start - 2 * kReach;
    copy_continued(channel, first, count + 4 * kReach, input);
    for (std::int64_t i = 0; i < wide; ++i) {
      const float* x = input + i + kReach;  // the input at this sample's place
      float e = up_even[0] * x[2];
      float o = up_odd[0] * x[3];
      for (std::int64_t k = 1; k < kPhaseTaps; ++k) {
        e += up_even[k] * x[2 - k];
        o += up_odd[k] * x[3 - k];
      }
      even[i] = snake(e, channel.frequency, channel.amplitude);
      odd[i] = snake(o, channel.frequency, channel.amplitude);
    }
    // The doubled signal is continued by its first and last sample.
    for (std::int64_t i = 0; i < kReach - start; ++i) even[i] = odd[i] = even[kReach - start];
    for (std::int64_t i = length - start + kReach; i < wide; ++i) {
      even[i] = odd[i] = odd[length - start + kReach - 1];
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const float* e = even + i + kReach - 2;
      const float* o = odd + i + kReach - 3;
      float sum = 0;
      for (std::int64_t k = 0; k < kPhaseTaps; ++k) sum += down_even[k] * e[k] + down_odd[k] * o[k];
      channel.out[start + i] = sum;
    }
  }
}

using RunChannel = void (*)(const Channel&, const float*, const float*, const float*, const float*);

void run_channel_plain(const Channel& channel, const float* ue, const float* uo, const float* de,
                       const float* od) {
  run_channel(channel, ue, uo, de, od);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void run_channel_avx2(const Channel& channel, const float* ue, const float* uo,
                                                  const float* de, const float* od) {
  run_channel(channel, ue, uo, de, od);
}
[[gnu::target("avx512f,avx512vl,avx512dq,fma,prefer-vector-width=512")]] void run_channel_avx512(
    const Channel& channel, const float* ue, const float* uo, const float* de, const float* od) {
  run_channel(channel, ue, uo, de, od);
}
#endif

RunChannel best_for_this_cpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return run_channel_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return run_channel_avx2;
#endif
  return run_channel_plain;
}

torch::Tensor run_on_cpu(const torch::Tensor& x, const torch::Tensor& frequency,
                         const torch::Tensor& amplitude) {
  static const RunChannel run = best_for_this_cpu();
  const auto input = x.contiguous();
  auto output = torch::empty_like(input);
  const auto filter = half_band_filter();
  float up_even[kPhaseTaps], up_odd[kPhaseTaps], down_even[kPhaseTaps], down_odd[kPhaseTaps];
  for (std::size_t k = 0; k < kPhaseTaps; ++k) {
    down_even[k] = filter[2 * k + 1];
    down_odd[k] = filter[2 * k];
    up_even[k] = 2 * down_even[k];
    up_odd[k] = 2 * down_odd[k];
  }
  const std::int64_t channels = x.size(1);
  const std::int64_t length = x.size(2);
  const float* in = input.data_ptr<float>();
  float* out = output.data_ptr<float>();
  const float* a = frequency.data_ptr<float>();
  const float* b = amplitude.data_ptr<float>();
  constexpr std::int64_t kWorthAThread = 16384;  // samples
  const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(1, length));
  at::parallel_for(0, x.size(0) * channels, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const Channel channel{in + row * length, out + row * length, length, a[row % channels],
                            b[row % channels]};
      run(channel, up_even, up_odd, down_even, down_odd);
    }
  });
  return output;
}

}  // namespace

std::array<float, 12> half_band_filter() {
  const double attenuation = 2.285 * (kTaps / 2 - 1) * std::numbers::pi * 4 * kHalfWidth + 7.95;
  const double beta = 0.1102 * (attenuation - 8.7);  // for more than 50 dB, which it is
  std::array<double, kTaps> taps{};
  double sum = 0;
  for (std::size_t i = 0; i < taps.size(); ++i) {
    const double place = 2.0 * static_cast<double>(i) / (kTaps - 1) - 1;
    const double window = bessel_i0(beta * std::sqrt(std::max(0.0, 1 - place * place))) / bessel_i0(beta);
    const double angle = std::numbers::pi * 2 * kCutoff * (static_cast<double>(i) - kTaps / 2.0 + 0.5);
    taps[i] = 2 * kCutoff * window * std::sin(angle) / angle;
    sum += taps[i];
  }
  std::array<float, kTaps> filter{};
  for (std::size_t i = 0; i < taps.size(); ++i) filter[i] = static_cast<float>(taps[i] / sum);
  return filter;
}

FilteredSnake FilteredSnake::load(const Weights& weights, bool logarithmic) {
  auto alpha = weights.peek("alpha");
  auto beta = weights.peek("beta");
  if (logarithmic) {
    alpha = torch::exp(alpha);
    beta = torch::exp(beta);
  }
  return {weights.keep(alpha, "alpha"), weights.keep(1 / (beta + kAmplitudeFloor), "beta")};
}

FilteredSnake::FilteredSnake(torch::Tensor frequency, torch::Tensor amplitude)
    : frequency_(std::move(frequency)), amplitude_(std::move(amplitude)) {
  const auto filter = half_band_filter();
  std::array<float, kTaps> up{};
  std::array<float, kTaps> down{};
  for (std::size_t k = 0; k < kPhaseTaps; ++k) {
    up[k] = 2 * filter[2 * (kPhaseTaps - 1 - k) + 1];           // even: x[t - 3 + k]
    up[kPhaseTaps + k] = 2 * filter[2 * (kPhaseTaps - 1 - k)];  // odd: x[t - 2 + k]
    down[k] = filter[2 * k + 1];
    down[kPhaseTaps + k] = filter[2 * k];
  }
  const auto options = torch::TensorOptions().dtype(torch::kFloat32);
  up_ = torch::from_blob(up.data(), {2, 1, kPhaseTaps}, options).clone().to(frequency_.device());
  down_ = torch::from_blob(down.data(), {1, 2, kPhaseTaps}, options).clone().to(frequency_.device());
}

torch::Tensor FilteredSnake::reference(const torch::Tensor& x) const {
  const std::int64_t batch = x.size(0);
  const std::int64_t channels = x.size(1);
  const std::int64_t length = x.size(2);
  const auto rows = x.reshape({batch * channels, 1, length});
  // Row 0 of the two phases is even[t - 3 ...]: one more on the left and right than needed of each.
  const auto both = torch::conv1d(torch::replication_pad1d(rows, {3, 3}), up_);  // [rows, 2, length + 1]
  const auto even = both.select(1, 0).slice(1, 0, length);
  const auto odd = both.select(1, 1).slice(1, 1, length + 1);
  auto doubled = torch::stack({even, odd}, 1).view({batch, channels, 2, length});
  const auto a = frequency_.view({1, channels, 1, 1});
  const auto b = amplitude_.view({1, channels, 1, 1});
  doubled = torch::addcmul(doubled, torch::sin(doubled * a).square_(), b);
  doubled = doubled.view({batch * channels, 2, length});
  const auto first = doubled.select(1, 0).slice(1, 0, 1);
  const auto last = doubled.select(1, 1).slice(1, length - 1, length);
  const auto padded_even =
      torch::cat({first.expand({-1, 2}), doubled.select(1, 0), last.expand({-1, 3})}, 1);  // from -2
  const auto padded_odd =
      torch::cat({first.expand({-1, 3}), doubled.select(1, 1), last.expand({-1, 2})}, 1);  // from -3
  const auto out = torch::conv1d(torch::stack({padded_even, padded_odd}, 1), down_);
  return out.view({batch, channels, length});
}

torch::Tensor FilteredSnake::operator()(const torch::Tensor& x) const {
  if (x.device().is_cpu() && x.scalar_type() == torch::kFloat32) return run_on_cpu(x, frequency_, amplitude_);
  return reference(x);
}

}  // namespace greenroom::nn
