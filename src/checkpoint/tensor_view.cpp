#include "checkpoint/tensor_view.h"

#include <array>

namespace greenroom::checkpoint {
namespace {

struct Traits {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array kTraits = {
    Traits{DType::kFloat64, "float64", 8},
    Traits{DType::kFloat32, "float32", 4},
    Traits{DType::kFloat16, "float16", 2},
    Traits{DType::kBFloat16, "bfloat16", 2},
    Traits{DType::kInt64, "int64", 8},
    Traits{DType::kInt32, "int32", 4},
    Traits{DType::kInt16, "int16", 2},
    Traits{DType::kInt8, "int8", 1},
    Traits{DType::kUInt64, "uint64", 8},
    Traits{DType::kUInt32, "uint32", 4},
    Traits{DType::kUInt16, "uint16", 2},
    Traits{DType::kUInt8, "uint8", 1},
    Traits{DType::kBool, "bool", 1},
    Traits{DType::kComplex64, "complex64", 8},
    Traits{DType::kComplex128, "complex128", 16},
    Traits{DType::kFloat8E4M3, "float8_e4m3fn", 1},
    Traits{DType::kFloat8E5M2, "float8_e5m2", 1},
    Traits{DType::kFloat8E4M3Fnuz, "float8_e4m3fnuz", 1},
    Traits{DType::kFloat8E5M2Fnuz, "float8_e5m2fnuz", 1},
    Traits{DType::kFloat8E8M0, "float8_e8m0fnu", 1},
};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kTraits.size(); ++i) {
    if (kTraits[i].dtype != static_cast<DType>(i)) return false;
  }
  return true;
}
static_assert(is_in_order());

}  // namespace

std::size_t dtype_size(DType dtype) {
  return kTraits.at(static_cast<std::size_t>(dtype)).bytes;
}

std::string_view dtype_name(DType dtype) {
  return kTraits.at(static_cast<std::size_t>(dtype)).name;
}

bool is_floating(DType dtype) {
  return dtype == DType::kFloat64 || dtype == DType::kFloat32 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

std::optional<DType> parse_dtype(std::string_view name) {
  if (name == "fp32") return DType::kFloat32;
  if (name == "fp16" || name == "half") return DType::kFloat16;
  if (name == "bf16") return DType::kBFloat16;
  for (const Traits& traits : kTraits) {
    if (traits.name == name) return traits.dtype;
  }
  return std::nullopt;
}

std::int64_t TensorView::numel() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;  // checked when the view was made
  return count;
}

std::uint64_t TensorView::nbytes() const {
  return static_cast<std::uint64_t>(numel()) * dtype_size(dtype);
}

bool TensorView::is_contiguous() const {
  std::int64_t expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

}  // namespace greenroom::checkpoint
