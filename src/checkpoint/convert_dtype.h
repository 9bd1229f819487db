// Floating-point elements from one type to another.
#pragma once

#include <cstddef>
#include <span>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

// Both are float64, float32, float16 or bfloat16.
bool can_convert(DType from, DType to);

// Converts every element of `in`, rounding to nearest even; what is too large becomes infinity, a NaN stays
// one. The same type is copied. REQUIRES: can_convert, in.size() a multiple of the element size, and `out` of
// as many elements; neither needs to be aligned. Thread-safe.
void convert_elements(std::span<const std::byte> in, DType from, std::span<std::byte> out, DType to);

}  // namespace greenroom::checkpoint
