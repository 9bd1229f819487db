// Full-size weights that no case could carry: made from a formula that the case names.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "case.h"

namespace greenroom::golden {

// weights_formula.json: value = float32(offset + amplitude * u), u from a hash of the element's and the
// tensor's index. The numbers are those of the case's table, or of the inputs in its meta.json.
torch::Tensor formula_tensor(std::int64_t index, torch::IntArrayRef shape, double offset, double amplitude);

// The case's table of tensors, written to a temporary file (which is gone once it is open) and opened. Only
// names that `wanted` takes, all when it is empty.
nn::Weights formula_weights(const Case& golden, const std::function<bool(std::string_view)>& wanted = {});

}  // namespace greenroom::golden
