// What the safetensors format calls each dtype. Private to this folder.
#pragma once

#include <optional>
#include <string_view>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

// "F32"; empty for a dtype the format does not know.
std::string_view safetensors_dtype_name(DType dtype);

// nullopt for a name that is unknown, or known but smaller than a byte.
std::optional<DType> safetensors_dtype(std::string_view name);

}  // namespace greenroom::checkpoint
