#include "nn/row_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "nn/row_kernels_isa.h"

namespace greenroom::nn {
namespace {

const RowKernels& best_kernels() {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return avx512_row_kernels();
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2_row_kernels();
#endif
  return baseline_row_kernels();
}

const RowKernels& kernels() {
  static const RowKernels& chosen = best_kernels();
  return chosen;
}

constexpr std::int64_t kColumnGroup = 16;

// A thread gets whole groups of columns; small products stay on the caller, where starting threads costs
// more.
template <typename Body>
void in_parallel(const RowProduct& product, const Body& body) {
  constexpr std::int64_t kWorthAThread = 32768;  // multiplications of a row
  const std::int64_t groups = (product.out + kColumnGroup - 1) / kColumnGroup;
  const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / (product.in * kColumnGroup));
  at::parallel_for(0, groups, grain, [&](std::int64_t begin, std::int64_t end) {
    body(begin * kColumnGroup, std::min(end * kColumnGroup, product.out));
  });
}

}  // namespace

void multiply_rows(const RowProduct& product) {
  in_parallel(product,
              [&](std::int64_t begin, std::int64_t end) { kernels().multiply(product, begin, end); });
}

void multiply_rows_transposed(const RowProduct& product) {
  in_parallel(product, [&](std::int64_t begin, std::int64_t end) {
    kernels().multiply_transposed(product, begin, end);
  });
}

void attend_row(const RowAttention& attention) {
  kernels().attend(attention);
}

void layer_norm_row(const float* x, const float* weight, const float* bias, float eps, float* y,
                    std::int64_t n) {
  kernels().layer_norm(x, weight, bias, eps, y, n);
}

void rms_norm_row(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  kernels().rms_norm(x, weight, eps, y, n);
}

void gelu_tanh_row(float* x, std::int64_t n) {
  kernels().gelu_tanh(x, n);
}

void silu_product_row(float* x, const float* y, std::int64_t n) {
  kernels().silu_product(x, y, n);
}

}  // namespace greenroom::nn
