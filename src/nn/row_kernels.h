// Kernels for a handful of rows at a time on the CPU: what a step of autoregressive decoding consists of.
//
// A step multiplies one to a few dozen vectors with every weight of the network once, so it is bound by how
// fast the weights stream from memory; a general matrix product reaches a fraction of that at such sizes.
// Every row is computed by the same operations in the same order whatever the other rows and the number of
// threads, so results do not depend on what is batched together.
//
// Everything is float32, row-major and contiguous. The vector instructions are those of the processor that
// runs it. Thread-safe: no state; work is spread over libtorch's threads.
#pragma once

#include <cstdint>

namespace greenroom::nn {

// y = x W + bias, or y += x W + bias. `bias` may be null.
struct RowProduct {
  const float* x = nullptr;       // [rows, in]
  const float* weight = nullptr;  // see the function
  const float* bias = nullptr;    // [out]
  float* y = nullptr;             // [rows, out]
  std::int64_t rows = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
  bool accumulate = false;
};

void multiply_rows(const RowProduct& product);             // weight: [in, out], GPT-2's order
void multiply_rows_transposed(const RowProduct& product);  // weight: [out, in], torch's Linear

// One query against keys that need not be neighbours: out = softmax(scale * q K^T) V.
struct RowAttention {
  const float* q = nullptr;       // [dim]
  const float* keys = nullptr;    // row j is at keys + indexes[j] * dim
  const float* values = nullptr;  // the same
  const std::int32_t* indexes = nullptr;
  std::int64_t count = 0;
  float* scores = nullptr;  // scratch, `count` rounded up to a multiple of 16
  float* out = nullptr;     // [dim]
  std::int64_t dim = 0;
  float scale = 1;
};

// On the calling thread.
void attend_row(const RowAttention& attention);

// On the calling thread, over `n` elements.
void layer_norm_row(const float* x, const float* weight, const float* bias, float eps, float* y,
                    std::int64_t n);
void rms_norm_row(const float* x, const float* weight, float eps, float* y, std::int64_t n);
void gelu_tanh_row(float* x, std::int64_t n);  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
void silu_product_row(float* x, const float* y, std::int64_t n);  // x = silu(x) * y

}  // namespace greenroom::nn
