#include "checkpoint/summary.h"

namespace greenroom::checkpoint {

std::uint64_t Summary::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [dtype, bytes] : bytes_by_dtype) sum += bytes;
  return sum;
}

std::uint64_t Summary::bytes_as(DType dtype) const {
  std::uint64_t sum = floating_parameters * dtype_size(dtype);
  for (const auto& [stored, bytes] : bytes_by_dtype) {
    if (!is_floating(stored)) sum += bytes;
  }
  return sum;
}

Summary summarize(const Checkpoint& checkpoint, const Selection& selection) {
  Summary summary;
  for (const auto& [name, view] : checkpoint.tensors()) {
    if (selection && !selection(name, view)) continue;
    const auto elements = static_cast<std::uint64_t>(view.numel());
    ++summary.tensors;
    summary.parameters += elements;
    summary.bytes_by_dtype[view.dtype] += view.nbytes();
    if (is_floating(view.dtype)) summary.floating_parameters += elements;
  }
  return summary;
}

}  // namespace greenroom::checkpoint
