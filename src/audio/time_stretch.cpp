#include "audio/time_stretch.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/error.h"

namespace greenroom::audio {
namespace {

// Samples beyond the ends are silence.
float at(const std::vector<float>& samples, std::int64_t index) {
  return index < 0 || index >= static_cast<std::int64_t>(samples.size())
             ? 0.0F
             : samples[static_cast<std::size_t>(index)];
}

class Stretcher {
 public:
  Stretcher(const Buffer& audio, double speed)
      : samples_(audio.samples),
        speed_(speed),
        hop_(std::max(8, audio.sample_rate * 15 / 1000)),
        reach_(hop_ * 2 / 3) {
    for (std::int64_t i = 0; i < 2 * hop_; ++i) {
      window_.push_back(0.5F - 0.5F * static_cast<float>(std::cos(std::numbers::pi * static_cast<double>(i) /
                                                                  static_cast<double>(hop_))));
    }
  }

  std::vector<float> run() const {
    const auto wanted = static_cast<std::size_t>(std::llround(static_cast<double>(samples_.size()) / speed_));
    std::vector<float> out(wanted + static_cast<std::size_t>(3 * hop_));
    std::int64_t previous = 0;
    // A window is centred on its place, so the first begins before the start.
    for (std::int64_t step = 0; step * hop_ < static_cast<std::int64_t>(wanted) + hop_; ++step) {
      const auto ideal = static_cast<std::int64_t>(std::llround(static_cast<double>(step * hop_) * speed_));
      const std::int64_t centre = step == 0 ? 0 : best_near(ideal, previous + hop_);
      for (std::int64_t i = 0; i < 2 * hop_; ++i) {
        const std::int64_t target = (step - 1) * hop_ + i;
        if (target < 0) continue;
        out[static_cast<std::size_t>(target)] +=
            window_[static_cast<std::size_t>(i)] * at(samples_, centre - hop_ + i);
      }
      previous = centre;
    }
    out.resize(wanted);
    return out;
  }

 private:
  // The place near `ideal` whose signal is most like that at `continuation`, by normalised correlation.
  std::int64_t best_near(std::int64_t ideal, std::int64_t continuation) const {
    std::int64_t best = ideal;
    double best_likeness = likeness(ideal, continuation);
    for (std::int64_t shift = 1; shift <= reach_; ++shift) {
      for (const std::int64_t place : {ideal - shift, ideal + shift}) {
        const double value = likeness(place, continuation);
        if (value > best_likeness) {
          best_likeness = value;
          best = place;
        }
      }
    }
    return best;
  }

  double likeness(std::int64_t a, std::int64_t b) const {
    const auto size = static_cast<std::int64_t>(samples_.size());
    const std::int64_t begin = std::max({-hop_, -a, -b});
    const std::int64_t end = std::min({hop_, size - a, size - b});
    float product = 0;
    float energy = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const float x = samples_[static_cast<std::size_t>(a + i)];
      product += x * samples_[static_cast<std::size_t>(b + i)];
      energy += x * x;
    }
    constexpr double kTiny = 1e-9;  // silence is like nothing
    return product / std::sqrt(energy + kTiny);
  }

  const std::vector<float>& samples_;
  const double speed_;
  const std::int64_t hop_;    // half a window
  const std::int64_t reach_;  // of the search
  std::vector<float> window_;
};

}  // namespace

Buffer time_stretch(const Buffer& audio, double speed) {
  if (!(speed >= kSlowest && speed <= kFastest)) {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("the speed {} is not between {} and {}", speed, kSlowest, kFastest));
  }
  if (speed == 1 || audio.samples.empty()) return audio;
  return {Stretcher(audio, speed).run(), audio.sample_rate};
}

}  // namespace greenroom::audio
