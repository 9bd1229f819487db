// A named array inside a mapped checkpoint file: what it is and where its bytes are. Nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenroom::checkpoint {

enum class DType {
  kFloat64,
  kFloat32,
  kFloat16,
  kBFloat16,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUInt64,
  kUInt32,
  kUInt16,
  kUInt8,
  kBool,
  kComplex64,
  kComplex128,
  kFloat8E4M3,
  kFloat8E5M2,
  kFloat8E4M3Fnuz,
  kFloat8E5M2Fnuz,
  kFloat8E8M0,
};

std::size_t dtype_size(DType dtype);       // bytes per element
std::string_view dtype_name(DType dtype);  // "float32", as PyTorch names it
bool is_floating(DType dtype);             // real floating-point types of 16 bits and more
// Of "float32", "fp16", "bf16" and the like; nullopt when it is none.
std::optional<DType> parse_dtype(std::string_view name);

// Immutable. Valid for as long as the Checkpoint (or a copy of its mapping()) lives.
struct TensorView {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;    // empty for a scalar
  std::vector<std::int64_t> strides;  // in elements; checked to stay inside `bytes`
  std::span<const std::byte> bytes;   // from the first element to the last one the strides reach; empty when
                                      // only headers were read
  std::uint64_t storage = 0;          // equal for views of one storage (tied weights)

  std::int64_t numel() const;    // product of the shape
  std::uint64_t nbytes() const;  // numel * element size
  bool is_contiguous() const;    // row-major, no gaps
};

}  // namespace greenroom::checkpoint
