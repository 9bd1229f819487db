#include "nn/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "nn/row_kernels_isa.h"

namespace greenroom::nn {
namespace {

std::vector<float> noise(std::size_t size, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> result(size);
  for (float& value : result) value = values(generator);
  return result;
}

struct Isa {
  const char* name;
  const RowKernels* kernels;
};

// Those this processor can run.
std::vector<Isa> isas() {
  std::vector<Isa> all{{"baseline", &baseline_row_kernels()}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back({"avx2", &avx2_row_kernels()});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    all.push_back({"avx512", &avx512_row_kernels()});
  }
#endif
  return all;
}

struct Shape {
  std::int64_t rows, in, out;
};

// Sizes that are no multiples of anything, more rows than a kernel takes at once.
const Shape kShapes[] = {{1, 1, 1}, {1, 64, 32}, {3, 37, 19}, {7, 100, 1100}, {2, 1280, 48}};

TEST(RowKernels, MultiplyAsWrittenOut) {
  for (const auto& isa : isas()) {
    for (const auto& shape : kShapes) {
      for (const bool transposed : {false, true}) {
        const auto x = noise(static_cast<std::size_t>(shape.rows * shape.in), 1);
        const auto w = noise(static_cast<std::size_t>(shape.in * shape.out), 2);
        const auto bias = noise(static_cast<std::size_t>(shape.out), 3);
        const auto before = noise(static_cast<std::size_t>(shape.rows * shape.out), 4);
        auto y = before;
        const RowProduct product{x.data(),   w.data(), bias.data(), y.data(),
                                 shape.rows, shape.in, shape.out,   /*accumulate=*/true};
        (transposed ? isa.kernels->multiply_transposed : isa.kernels->multiply)(product, 0, shape.out);
        for (std::int64_t r = 0; r < shape.rows; ++r) {
          for (std::int64_t j = 0; j < shape.out; ++j) {
            double sum =
                bias[static_cast<std::size_t>(j)] + before[static_cast<std::size_t>(r * shape.out + j)];
            for (std::int64_t k = 0; k < shape.in; ++k) {
              const auto place = transposed ? j * shape.in + k : k * shape.out + j;
              sum += static_cast<double>(x[static_cast<std::size_t>(r * shape.in + k)]) *
                     w[static_cast<std::size_t>(place)];
            }
            ASSERT_NEAR(y[static_cast<std::size_t>(r * shape.out + j)], sum, 1e-4)
                << isa.name << " transposed " << transposed << " row " << r << " column " << j;
          }
        }
      }
    }
  }
}

TEST(RowKernels, ARowDoesNotDependOnTheRowsBesideIt) {
  constexpr std::int64_t kIn = 333;
  constexpr std::int64_t kOut = 1111;
  constexpr std::int64_t kRows = 9;
  const auto x = noise(kRows * kIn, 1);
  const auto w = noise(kIn * kOut, 2);
  for (const auto multiply : {multiply_rows, multiply_rows_transposed}) {
    std::vector<float> together(kRows * kOut);
    multiply({x.data(), w.data(), nullptr, together.data(), kRows, kIn, kOut});
    for (std::int64_t r = 0; r < kRows; ++r) {
      std::vector<float> alone(kOut);
      multiply({x.data() + r * kIn, w.data(), nullptr, alone.data(), 1, kIn, kOut});
      const std::vector<float> theirs(together.begin() + r * kOut, together.begin() + (r + 1) * kOut);
      ASSERT_EQ(alone, theirs) << "row " << r;
    }
  }
}

TEST(RowKernels, AttendToScatteredKeys) {
  constexpr std::int64_t kDim = 72;
  const auto q = noise(kDim, 1);
  const auto keys = noise(50 * kDim, 2);
  const auto values = noise(50 * kDim, 3);
  const std::vector<std::int32_t> indexes{0, 1, 2, 7, 49, 3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31};
  std::vector<double> p;
  double total = 0;
  for (const auto index : indexes) {
    double score = 0;
    for (std::int64_t d = 0; d < kDim; ++d)
      score += q[static_cast<std::size_t>(d)] * keys[static_cast<std::size_t>(index * kDim + d)];
    p.push_back(std::exp(score * 0.5));
    total += p.back();
  }
  for (const auto& isa : isas()) {
    std::vector<float> scores(32);
    std::vector<float> out(kDim);
    isa.kernels->attend({q.data(), keys.data(), values.data(), indexes.data(),
                         static_cast<std::int64_t>(indexes.size()), scores.data(), out.data(), kDim, 0.5F});
    for (std::int64_t d = 0; d < kDim; ++d) {
      double expected = 0;
      for (std::size_t j = 0; j < indexes.size(); ++j)
        expected += p[j] / total * values[static_cast<std::size_t>(indexes[j] * kDim + d)];
      ASSERT_NEAR(out[static_cast<std::size_t>(d)], expected, 1e-5) << isa.name << " " << d;
    }
  }
}

TEST(RowKernels, ActivationsAndNormsOverTheWholeRange) {
  std::vector<float> x;
  for (int i = -2000; i <= 2000; ++i) x.push_back(static_cast<float>(i) * 0.05F);
  const auto n = static_cast<std::int64_t>(x.size());
  const std::vector<float> ones(x.size(), 1.0F);
  const std::vector<float> zeros(x.size(), 0.0F);
  double square = 0;
  for (const float value : x) square += static_cast<double>(value) * value;
  const double deviation = std::sqrt(square / static_cast<double>(n));
  for (const auto& isa : isas()) {
    auto gelu = x;
    isa.kernels->gelu_tanh(gelu.data(), n);
    auto silu = x;
    isa.kernels->silu_product(silu.data(), ones.data(), n);
    std::vector<float> layer(x.size());
    isa.kernels->layer_norm(x.data(), ones.data(), zeros.data(), 1e-5F, layer.data(), n);
    std::vector<float> rms(x.size());
    isa.kernels->rms_norm(x.data(), ones.data(), 1e-6F, rms.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = x[i];
      const double inner = std::sqrt(2 / 3.14159265358979) * (v + 0.044715 * v * v * v);
      ASSERT_NEAR(gelu[i], 0.5 * v * (1 + std::tanh(inner)), 1e-5 + 1e-6 * std::abs(v))
          << isa.name << " " << v;
      ASSERT_NEAR(silu[i], v / (1 + std::exp(-v)), 1e-5 + 1e-6 * std::abs(v)) << isa.name << " " << v;
      ASSERT_NEAR(layer[i], v / deviation, 1e-5) << isa.name << " " << v;
      ASSERT_NEAR(rms[i], v / deviation, 1e-5) << isa.name << " " << v;
    }
  }
}

}  // namespace
}  // namespace greenroom::nn
