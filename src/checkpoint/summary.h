// How much a checkpoint, or a part of it, weighs: from its headers alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace greenroom::checkpoint {

// Which tensors count; an empty one: all.
using Selection = std::function<bool(std::string_view name, const TensorView& view)>;

struct Summary {
  std::uint64_t tensors = 0;
  std::uint64_t parameters = 0;                   // elements; tensors that share their bytes count each
  std::map<DType, std::uint64_t> bytes_by_dtype;  // as stored
  std::uint64_t floating_parameters = 0;          // those of them that a dtype can be chosen for

  std::uint64_t bytes() const;  // as stored
  // With floating-point tensors as `dtype` and the rest as stored.
  std::uint64_t bytes_as(DType dtype) const;
};

Summary summarize(const Checkpoint& checkpoint, const Selection& selection = {});

}  // namespace greenroom::checkpoint
