// The kernels, written once over vectors of 16 floats; included by one file per instruction set, each
// compiled with its own flags. Nothing inline of the standard library is called here: the linker keeps one
// copy of such a function, and that copy must not be one with instructions the processor lacks.
#pragma once

#include "nn/row_kernels_isa.h"

namespace greenroom::nn {
namespace {

constexpr std::int64_t kLanes = 16;
using Floats = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
using Ints = std::int32_t __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

#define GREENROOM_INLINE inline __attribute__((always_inline))

GREENROOM_INLINE const Floats& load(const float* from) {
  return *reinterpret_cast<const Floats*>(from);
}

GREENROOM_INLINE Floats& at(float* to) {
  return *reinterpret_cast<Floats*>(to);
}

GREENROOM_INLINE float sum_of(const Floats& v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// e^x to about one unit in the last place, for x <= 88; below -87 it is 0 or next to it.
GREENROOM_INLINE void exponentiate(Floats& x) {
  constexpr float kLog2e = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  x = x < -87.0F ? Floats{} - 87.0F : x;
  x = x > 88.0F ? Floats{} + 88.0F : x;
  const Floats shifted = x * kLog2e + kRound;
  const Floats n = shifted - kRound;
  const Floats r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor's series to the sixth order: |r| <= ln(2) / 2.
  Floats p = r * (1.0F / 720) + (1.0F / 120);
  p = p * r + (1.0F / 24);
  p = p * r + (1.0F / 6);
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  x = p * reinterpret_cast<const Floats&>(power);
}

// Weight rows whose products are added in a register before y is touched again. Each is read along all
// columns: long runs of memory are what the processor fetches ahead best.
constexpr std::int64_t kUnroll = 16;

template <int kRows>
GREENROOM_INLINE void multiply_block(const RowProduct& p, std::int64_t row, std::int64_t k,
                                     std::int64_t begin, std::int64_t end) {
  const float* weight = p.weight + k * p.out;
  float x[kRows][kUnroll];
  for (int r = 0; r < kRows; ++r)
    for (int i = 0; i < kUnroll; ++i) x[r][i] = p.x[(row + r) * p.in + k + i];
  std::int64_t j = begin;
  for (; j + kLanes <= end; j += kLanes) {
    Floats sum[kRows];
    for (int r = 0; r < kRows; ++r) sum[r] = load(p.y + (row + r) * p.out + j);
    for (int i = 0; i < kUnroll; ++i) {
      const Floats w = load(weight + i * p.out + j);
      for (int r = 0; r < kRows; ++r) sum[r] += x[r][i] * w;
    }
    for (int r = 0; r < kRows; ++r) at(p.y + (row + r) * p.out + j) = sum[r];
  }
  for (; j < end; ++j) {
    for (int r = 0; r < kRows; ++r) {
      float sum = p.y[(row + r) * p.out + j];
      for (int i = 0; i < kUnroll; ++i) sum += x[r][i] * weight[i * p.out + j];
      p.y[(row + r) * p.out + j] = sum;
    }
  }
}

GREENROOM_INLINE void start_sums(const RowProduct& p, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    float* y = p.y + r * p.out;
    for (std::int64_t j = begin; j < end; ++j) {
      const float bias = p.bias != nullptr ? p.bias[j] : 0.0F;
      y[j] = p.accumulate ? y[j] + bias : bias;
    }
  }
}

void multiply(const RowProduct& p, std::int64_t begin, std::int64_t end) {
  start_sums(p, begin, end);
  std::int64_t k = 0;
  for (; k + kUnroll <= p.in; k += kUnroll) {
    std::int64_t row = 0;
    for (; row + 4 <= p.rows; row += 4) multiply_block<4>(p, row, k, begin, end);
    if (p.rows - row == 3) multiply_block<3>(p, row, k, begin, end);
    if (p.rows - row == 2) multiply_block<2>(p, row, k, begin, end);
    if (p.rows - row == 1) multiply_block<1>(p, row, k, begin, end);
  }
  for (; k < p.in; ++k) {
    for (std::int64_t row = 0; row < p.rows; ++row) {
      const float x = p.x[row * p.in + k];
      for (std::int64_t j = begin; j < end; ++j) p.y[row * p.out + j] += x * p.weight[k * p.out + j];
    }
  }
}

GREENROOM_INLINE void finish_dot(const RowProduct& p, std::int64_t row, std::int64_t column, float sum,
                                 std::int64_t from) {
  const float* x = p.x + row * p.in;
  const float* w = p.weight + column * p.in;
  for (std::int64_t k = from; k < p.in; ++k) sum += x[k] * w[k];
  if (p.bias != nullptr) sum += p.bias[column];
  float& y = p.y[row * p.out + column];
  y = p.accumulate ? y + sum : sum;
}

template <int kRows>
GREENROOM_INLINE void dot_block(const RowProduct& p, std::int64_t row, std::int64_t column) {
  const float* w = p.weight + column * p.in;
  Floats sum[kRows][2] = {};
  std::int64_t k = 0;
  for (; k + 2 * kLanes <= p.in; k += 2 * kLanes) {
    const Floats w0 = load(w + k);
    const Floats w1 = load(w + k + kLanes);
    for (int r = 0; r < kRows; ++r) {
      sum[r][0] += load(p.x + (row + r) * p.in + k) * w0;
      sum[r][1] += load(p.x + (row + r) * p.in + k + kLanes) * w1;
    }
  }
  for (int r = 0; r < kRows; ++r) finish_dot(p, row + r, column, sum_of(sum[r][0] + sum[r][1]), k);
}

void multiply_transposed(const RowProduct& p, std::int64_t first, std::int64_t last) {
  for (std::int64_t column = first; column < last; ++column) {
    std::int64_t row = 0;
    for (; row + 4 <= p.rows; row += 4) dot_block<4>(p, row, column);
    if (p.rows - row == 3) dot_block<3>(p, row, column);
    if (p.rows - row == 2) dot_block<2>(p, row, column);
    if (p.rows - row == 1) dot_block<1>(p, row, column);
  }
}

GREENROOM_INLINE float dot(const float* a, const float* b, std::int64_t n) {
  Floats sum = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum += load(a + i) * load(b + i);
  float total = sum_of(sum);
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

// scores -> exp(scores - max); returns their sum. Padded to whole vectors with what becomes 0.
GREENROOM_INLINE float exponentials(float* scores, std::int64_t n) {
  float largest = scores[0];
  for (std::int64_t j = 1; j < n; ++j) largest = scores[j] > largest ? scores[j] : largest;
  float sum = 0;
  for (std::int64_t j = 0; j < n; j += kLanes) {
    for (std::int64_t pad = n; pad < j + kLanes; ++pad) scores[pad] = largest;
    Floats e = load(scores + j) - largest;
    exponentiate(e);
    at(scores + j) = e;
    const std::int64_t real = n - j < kLanes ? n - j : kLanes;
    for (std::int64_t i = 0; i < real; ++i) sum += scores[j + i];
  }
  return sum;
}

void attend(const RowAttention& a) {
  const std::int64_t n = a.count;
  const std::int32_t* indexes = a.indexes;
  for (std::int64_t j = 0; j < n; ++j) a.scores[j] = dot(a.q, a.keys + indexes[j] * a.dim, a.dim) * a.scale;
  const float factor = 1.0F / exponentials(a.scores, n);
  std::int64_t d = 0;
  for (; d + 4 * kLanes <= a.dim; d += 4 * kLanes) {
    Floats sum[4] = {};
    for (std::int64_t j = 0; j < n; ++j) {
      const float* v = a.values + indexes[j] * a.dim + d;
      for (int i = 0; i < 4; ++i) sum[i] += a.scores[j] * load(v + i * kLanes);
    }
    for (int i = 0; i < 4; ++i) at(a.out + d + i * kLanes) = sum[i] * factor;
  }
  for (; d < a.dim; ++d) {
    float sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += a.scores[j] * a.values[indexes[j] * a.dim + d];
    a.out[d] = sum * factor;
  }
}

GREENROOM_INLINE float mean_of(const float* x, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i];
  return static_cast<float>(sum / static_cast<double>(n));
}

// Of the squared distance to `center`.
GREENROOM_INLINE float mean_square(const float* x, float center, std::int64_t n) {
  Floats sum = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Floats d = load(x + i) - center;
    sum += d * d;
  }
  float total = sum_of(sum);
  for (; i < n; ++i) total += (x[i] - center) * (x[i] - center);
  return total / static_cast<float>(n);
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* y, std::int64_t n) {
  const float mean = mean_of(x, n);
  const float factor = 1.0F / __builtin_sqrtf(mean_square(x, mean, n) + eps);
  for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * factor * weight[i] + bias[i];
}

void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  const float factor = 1.0F / __builtin_sqrtf(mean_square(x, 0, n) + eps);
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * weight[i];
}

// x / (1 + e^-z): both activations below are of this form.
GREENROOM_INLINE void times_logistic(Floats& x, const Floats& z) {
  Floats e = -z;
  exponentiate(e);
  x = x / (1.0F + e);
}

GREENROOM_INLINE void gelu_tanh_vector(Floats& x) {
  constexpr float kTwiceRootTwoOverPi = 1.5957691216F;
  times_logistic(x, kTwiceRootTwoOverPi * (x + 0.044715F * x * x * x));
}

// Calls `body` for whole vectors and for a padded copy of the rest.
template <typename Body>
GREENROOM_INLINE void for_vectors(float* x, std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(at(x + i), i, kLanes);
  if (i == n) return;
  Floats rest = {};
  for (std::int64_t j = i; j < n; ++j) rest[j - i] = x[j];
  body(rest, i, n - i);
  for (std::int64_t j = i; j < n; ++j) x[j] = rest[j - i];
}

void gelu_tanh(float* x, std::int64_t n) {
  for_vectors(x, n, [](Floats& v, std::int64_t, std::int64_t) { gelu_tanh_vector(v); });
}

void silu_product(float* x, const float* y, std::int64_t n) {
  for_vectors(x, n, [y](Floats& v, std::int64_t from, std::int64_t count) {
    times_logistic(v, v);
    for (std::int64_t i = 0; i < count; ++i) v[i] *= y[from + i];
  });
}

#undef GREENROOM_INLINE

constexpr RowKernels kKernels{multiply, multiply_transposed, attend,      layer_norm,
                              rms_norm, gelu_tanh,           silu_product};

}  // namespace
}  // namespace greenroom::nn
