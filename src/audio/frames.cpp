#include "audio/frames.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>

namespace greenroom::audio {

// CPython Objects/floatobject.c documents the same steps: the quotient is formed from the exact remainder, so
// it can lie one below the correctly rounded a / b.
double python_floor_divide(double a, double b) {
  assert(a >= 0 && b > 0);
  const double quotient = (a - std::fmod(a, b)) / b;
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

// The rounding mode is the default one everywhere in this process: to nearest, ties to even.
std::int64_t python_round(double x) {
  return std::llrint(x);
}

std::int64_t frame_count(std::int64_t n_samples, double hop) {
  return static_cast<std::int64_t>(python_floor_divide(static_cast<double>(n_samples), hop)) + 1;
}

std::vector<double> interpolate(const std::vector<double>& x, const std::vector<double>& xp,
                                const std::vector<double>& fp) {
  assert(!xp.empty() && xp.size() == fp.size());
  std::vector<double> result;
  result.reserve(x.size());
  for (const double at : x) {
    if (at < xp.front()) {
      result.push_back(fp.front());
    } else if (at >= xp.back()) {
      result.push_back(fp.back());
    } else {
      const auto above = std::upper_bound(xp.begin(), xp.end(), at);
      const std::size_t right = static_cast<std::size_t>(std::distance(xp.begin(), above));
      const std::size_t left = right - 1;
      const double slope = (fp[right] - fp[left]) / (xp[right] - xp[left]);
      result.push_back(slope * (at - xp[left]) + fp[left]);
    }
  }
  return result;
}

}  // namespace greenroom::audio
