#include "nn/weights.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <torch/torch.h>

#include "base/error.h"

namespace greenroom::nn {

using base::Error;
using base::ErrorCode;

Weights::Weights(checkpoint::Checkpoint file, base::DeviceId device, std::shared_ptr<WeightBlock> block,
                 checkpoint::DType dtype)
    : file_(std::move(file)),
      device_(device),
      dtype_(nn::to_torch(dtype)),
      block_(std::move(block)),
      bytes_(std::make_shared<std::uint64_t>(0)) {}

std::string Weights::full_name(std::string_view name) const {
  if (scope_.empty()) return std::string(name);
  return fmt::format("{}.{}", scope_, name);
}

Weights Weights::sub(std::string_view name) const {
  Weights scoped = *this;
  scoped.scope_ = full_name(name);
  return scoped;
}

bool Weights::has(std::string_view name) const {
  return file_.find(full_name(name)) != nullptr;
}

int Weights::count(std::string_view name) const {
  const auto& tensors = file_.tensors();
  for (int n = 0;; ++n) {
    const std::string prefix = fmt::format("{}.{}.", full_name(name), n);
    const auto first = tensors.lower_bound(prefix);
    if (first == tensors.end() || !first->first.starts_with(prefix)) return n;
  }
}

const checkpoint::TensorView& Weights::view(std::string_view name) const {
  const std::string full = full_name(name);
  const auto* found = file_.find(full);
  if (found == nullptr) {
    if (const auto skipped = file_.skipped().find(full); skipped != file_.skipped().end()) {
      throw Error(
          ErrorCode::kUnimplemented,
          fmt::format("{}: the tensor \"{}\" is of a kind that cannot be read ({}); save it as a plain "
                      "floating-point tensor",
                      file_.path().string(), full, skipped->second));
    }
    throw Error(
        ErrorCode::kDataLoss,
        fmt::format("{}: the tensor \"{}\" is missing; the file belongs to another kind or version of model",
                    file_.path().string(), full));
  }
  return *found;
}

torch::Tensor Weights::read(const checkpoint::TensorView& view, const std::string& name) const {
  if (block_) {
    if (auto placed = block_->find(name); placed.defined()) return placed.contiguous();
  }
  if (!checkpoint::is_floating(view.dtype)) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the tensor \"{}\" holds {}, floating point was expected",
                            file_.path().string(), name, dtype_name(view.dtype)));
  }
  const auto options = torch::TensorOptions().dtype(nn::to_torch(view.dtype));
  if (view.numel() == 0) return torch::empty(view.shape, options).to(dtype_);
  auto* data =
      const_cast<std::byte*>(view.bytes.data());  // torch has no read-only tensor; nothing writes to weights
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % checkpoint::dtype_size(view.dtype) == 0;
  torch::Tensor tensor;
  if (aligned) {
    tensor = torch::from_blob(
        data, view.shape, view.strides, [kept = file_.keep_alive()](void*) {}, options);
  } else {
    auto bytes = torch::empty({static_cast<std::int64_t>(view.bytes.size())}, torch::kUInt8);
    std::memcpy(bytes.data_ptr(), data, view.bytes.size());
    tensor = torch::from_blob(
        bytes.data_ptr(), view.shape, view.strides, [bytes](void*) {}, options);
  }
  return tensor.to(nn::to_torch(device_), dtype_).contiguous();
}

torch::Tensor Weights::peek(std::string_view name) const {
  return read(view(name), full_name(name));
}

torch::Tensor Weights::keep(torch::Tensor tensor, std::string_view name) const {
  if (!block_) return count(std::move(tensor));
  auto placed = block_->find(full_name(name));
  if (!placed.defined() || !placed.is_contiguous() || placed.numel() != tensor.numel())
    return count(std::move(tensor));
  placed = placed.view(tensor.sizes());
  placed.copy_(tensor);
  return count(std::move(placed));
}

torch::Tensor Weights::count(torch::Tensor tensor) const {
  *bytes_ += static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
  return tensor;
}

torch::Tensor Weights::tensor(std::string_view name, std::initializer_list<std::int64_t> shape) const {
  const auto& found = view(name);
  bool matches = shape.size() == 0 || shape.size() == found.shape.size();
  for (std::size_t i = 0; matches && i < shape.size(); ++i) {
    const auto wanted = *(shape.begin() + static_cast<std::ptrdiff_t>(i));
    matches = wanted == -1 || wanted == found.shape[i];
  }
  if (!matches) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the tensor \"{}\" has the shape [{}], expected [{}]", file_.path().string(),
                            full_name(name), fmt::join(found.shape, ", "), fmt::join(shape, ", ")));
  }
  return count(read(found, full_name(name)));
}

torch::Tensor Weights::tensor_or_none(std::string_view name) const {
  return has(name) ? tensor(name) : torch::Tensor();
}

torch::Tensor Weights::folded_weight_norm(std::string_view name, int dim) const {
  const std::string g_name = fmt::format("{}_g", name);
  const std::string original = fmt::format("parametrizations.{}.original", name);
  torch::Tensor g;
  std::string v_name;
  if (has(g_name)) {
    g = peek(g_name);
    v_name = fmt::format("{}_v", name);
  } else if (has(original + "0")) {
    g = peek(original + "0");
    v_name = original + "1";
  } else {
    return tensor(name);
  }
  const torch::Tensor v = peek(v_name);
  std::vector<std::int64_t> others;
  for (int d = 0; d < v.dim(); ++d) {
    if (d != dim) others.push_back(d);
  }
  return keep((v * (g / v.norm(2, others, /*keepdim=*/true))).contiguous(), v_name);
}

std::uint64_t Weights::bytes() const {
  return *bytes_;
}

}  // namespace greenroom::nn
