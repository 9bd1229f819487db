// The kernels of row_kernels.h as one instruction set's table. Private to nn.
#pragma once

#include <cstdint>

#include "nn/row_kernels.h"

namespace greenroom::nn {

struct RowKernels {
  // Columns [begin, end) of the product; begin is a multiple of 16.
  void (*multiply)(const RowProduct& product, std::int64_t begin, std::int64_t end);
  void (*multiply_transposed)(const RowProduct& product, std::int64_t begin, std::int64_t end);
  void (*attend)(const RowAttention& attention);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* y,
                     std::int64_t n);
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, std::int64_t n);
  void (*gelu_tanh)(float* x, std::int64_t n);
  void (*silu_product)(float* x, const float* y, std::int64_t n);
};

const RowKernels& baseline_row_kernels();
#ifdef __x86_64__
const RowKernels& avx2_row_kernels();
const RowKernels& avx512_row_kernels();
#endif

}  // namespace greenroom::nn
