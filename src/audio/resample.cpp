#include "audio/resample.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <system_error>
#include <thread>

namespace greenroom::audio {
namespace {

constexpr double kRollOff = 0.99;
constexpr std::size_t kLanes = 16;  // independent accumulators, so that the compiler may vectorise the sum

// The polyphase filter: output q = block * phases + j reads the input from block * step + first_tap(j).
struct Filter {
  std::int64_t step = 1;    // input samples per block: old_rate / gcd
  std::int64_t phases = 1;  // output samples per block: new_rate / gcd
  std::int64_t width = 0;   // reach of the untrimmed filter before a block
  std::size_t taps = 0;     // per phase, a multiple of kLanes; the rest of the filter is zero
  double base = 1;          // cut-off, in cycles of 1 / (2 * step)
  int zero_crossings = 1;   // on each side

  std::int64_t first_tap(std::int64_t phase) const {
    const double centre =
        static_cast<double>(phase) * static_cast<double>(step) / static_cast<double>(phases);
    const double reach = zero_crossings * static_cast<double>(step) / base;
    return std::max(-width, static_cast<std::int64_t>(std::floor(centre - reach)));
  }
};

Filter make_filter(int old_rate, int new_rate, int zero_crossings) {
  const int common = std::gcd(old_rate, new_rate);
  Filter filter;
  filter.step = old_rate / common;
  filter.phases = new_rate / common;
  filter.base = static_cast<double>(std::min(filter.step, filter.phases)) * kRollOff;
  filter.zero_crossings = zero_crossings;
  const double reach = zero_crossings * static_cast<double>(filter.step) / filter.base;
  filter.width = static_cast<std::int64_t>(std::ceil(reach));
  const std::size_t needed = static_cast<std::size_t>(std::ceil(2 * reach)) + 2;
  filter.taps = (needed + kLanes - 1) / kLanes * kLanes;
  return filter;
}

// torchaudio functional.py: _get_sinc_resample_kernel(). It divides the phase in float32 and the rest in
// float64.
void fill_kernel(const Filter& filter, std::int64_t phase, float* kernel) {
  const double limit = filter.zero_crossings;
  const double scale = filter.base / static_cast<double>(filter.step);
  const float offset = static_cast<float>(-phase) / static_cast<float>(filter.phases);
  const std::int64_t first = filter.first_tap(phase);
  for (std::size_t i = 0; i < filter.taps; ++i) {
    const std::int64_t tap = first + static_cast<std::int64_t>(i);
    const double time = (offset + static_cast<double>(tap) / static_cast<double>(filter.step)) * filter.base;
    if (tap >= filter.width + filter.step || std::abs(time) >= limit) {
      kernel[i] = 0;
      continue;
    }
    const double angle = time * std::numbers::pi;
    const double cosine = std::cos(angle / limit / 2);
    const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
    kernel[i] = static_cast<float>(sinc * (cosine * cosine * scale));
  }
}

float dot(const float* a, const float* b, std::size_t n) {
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (const float lane : lanes) total += lane;
  return total;
}

// One thread's share: a rectangle of phases and blocks. Every output sample belongs to exactly one part and
// is computed the same way in any division, so the result does not depend on the number of threads.
struct Part {
  std::int64_t first_phase = 0;
  std::int64_t end_phase = 0;
  std::int64_t first_block = 0;
  std::int64_t end_block = 0;
  std::vector<float> kernels;  // room for as many phases as are worked on at a time
};

// `padded` has filter.width zeros before the first input sample.
void compute(const Filter& filter, const std::vector<float>& padded, std::vector<float>& out, Part& part) {
  const std::int64_t n_out = static_cast<std::int64_t>(out.size());
  const std::int64_t group = static_cast<std::int64_t>(part.kernels.size() / filter.taps);
  for (std::int64_t phase = part.first_phase; phase < part.end_phase; phase += group) {
    const std::int64_t group_end = std::min(part.end_phase, phase + group);
    for (std::int64_t j = phase; j < group_end; ++j) {
      fill_kernel(filter, j, part.kernels.data() + static_cast<std::size_t>(j - phase) * filter.taps);
    }
    for (std::int64_t block = part.first_block; block < part.end_block; ++block) {
      for (std::int64_t j = phase; j < group_end && block * filter.phases + j < n_out; ++j) {
        const std::int64_t first = block * filter.step + filter.first_tap(j) + filter.width;
        const float* kernel = part.kernels.data() + static_cast<std::size_t>(j - phase) * filter.taps;
        out[static_cast<std::size_t>(block * filter.phases + j)] =
            dot(padded.data() + first, kernel, filter.taps);
      }
    }
  }
}

// Divides the phases where there are many (each kernel is then computed once), else the blocks.
std::vector<Part> divide(const Filter& filter, std::int64_t n_out) {
  // Kernels worked on at a time fit the second-level cache; unrelated rates can have hundreds of thousands.
  constexpr std::size_t kKernelFloats = 256UL * 1024;
  constexpr double kWorthAThread = 2e7;  // multiplications

  const std::int64_t phases = std::min(filter.phases, n_out);
  const std::int64_t blocks = (n_out + filter.phases - 1) / filter.phases;
  const double work = static_cast<double>(n_out) * static_cast<double>(filter.taps);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(work / kWorthAThread), 1,
                                                       std::max(1u, std::thread::hardware_concurrency()));
  const bool by_phase = phases >= 16 * wanted;
  const std::int64_t n_parts = std::min(wanted, by_phase ? phases : blocks);
  std::vector<Part> parts(static_cast<std::size_t>(n_parts));
  for (std::int64_t i = 0; i < n_parts; ++i) {
    Part& part = parts[static_cast<std::size_t>(i)];
    part.first_phase = by_phase ? phases * i / n_parts : 0;
    part.end_phase = by_phase ? phases * (i + 1) / n_parts : phases;
    part.first_block = by_phase ? 0 : blocks * i / n_parts;
    part.end_block = by_phase ? blocks : blocks * (i + 1) / n_parts;
    const std::size_t share = static_cast<std::size_t>(part.end_phase - part.first_phase);
    part.kernels.resize(std::clamp<std::size_t>(kKernelFloats / filter.taps, 1, share) * filter.taps);
  }
  return parts;
}

}  // namespace

std::vector<float> resample_sinc(std::span<const float> samples, int old_rate, int new_rate,
                                 int lowpass_filter_width) {
  assert(old_rate > 0 && new_rate > 0 && lowpass_filter_width > 0);
  if (old_rate == new_rate || samples.empty()) return {samples.begin(), samples.end()};

  const Filter filter = make_filter(old_rate, new_rate, lowpass_filter_width);
  const std::int64_t n = static_cast<std::int64_t>(samples.size());
  const std::int64_t n_out = (filter.phases * n + filter.step - 1) / filter.step;
  std::vector<float> padded(samples.size() + static_cast<std::size_t>(2 * filter.width + filter.step) +
                            filter.taps);
  std::copy(samples.begin(), samples.end(), padded.begin() + filter.width);

  std::vector<float> out(static_cast<std::size_t>(n_out));
  std::vector<Part> parts = divide(filter, n_out);
  std::vector<std::jthread> threads;
  threads.reserve(parts.size());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    try {
      threads.emplace_back([&, i] { compute(filter, padded, out, parts[i]); });
    } catch (const std::system_error&) {  // no more threads to be had: slower, not wrong
      compute(filter, padded, out, parts[i]);
    }
  }
  compute(filter, padded, out, parts[0]);
  threads.clear();
  return out;
}

}  // namespace greenroom::audio
