#include "nn/weight_block.h"

#include <torch/torch.h>

#include <utility>

#include "base/error.h"
#include "checkpoint/transfer.h"
#include "nn/cuda_memory.h"
#include "nn/workspace_measurement.h"

namespace greenroom::nn {

using checkpoint::DType;

torch::Device to_torch(base::DeviceId device) {
  if (device.kind == base::DeviceKind::kCpu) return torch::Device(torch::kCPU);
  return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(device.index));
}

base::DeviceId to_device_id(torch::Device device) {
  if (device.is_cpu()) return {};
  return {base::DeviceKind::kCuda, device.index()};
}

torch::ScalarType to_torch(checkpoint::DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return torch::kFloat64;
    case DType::kFloat32:
      return torch::kFloat32;
    case DType::kFloat16:
      return torch::kFloat16;
    case DType::kBFloat16:
      return torch::kBFloat16;
    case DType::kInt64:
      return torch::kInt64;
    case DType::kInt32:
      return torch::kInt32;
    case DType::kInt16:
      return torch::kInt16;
    case DType::kInt8:
      return torch::kInt8;
    case DType::kUInt8:
      return torch::kUInt8;
    case DType::kBool:
      return torch::kBool;
    case DType::kComplex64:
      return torch::kComplexFloat;
    case DType::kComplex128:
      return torch::kComplexDouble;
    default:
      throw base::Error(base::ErrorCode::kUnimplemented,
                        "a tensor's dtype is one that cannot be computed with");
  }
}

std::shared_ptr<WeightBlock> WeightBlock::read(const checkpoint::Checkpoint& file, base::DeviceId device,
                                               const BlockOptions& options) {
  const bool on_cpu = device.kind == base::DeviceKind::kCpu;
  checkpoint::ReadPlan plan(
      file, [&](std::string_view name, const checkpoint::TensorView& view) -> std::optional<DType> {
        const bool usable_as_it_lies = on_cpu && view.dtype == options.dtype;
        if (usable_as_it_lies || !options.wanted(name, view)) return std::nullopt;
        return options.dtype;
      });
  if (plan.bytes() == 0) return nullptr;
  std::shared_ptr<WeightBlock> block(new WeightBlock(std::move(plan), device));
  block->fill(options);
  return block;
}

WeightBlock::WeightBlock(checkpoint::ReadPlan plan, base::DeviceId device)
    : tensors_(plan.tensors()),
      device_(to_torch(device)),
      plan_(std::make_unique<checkpoint::ReadPlan>(std::move(plan))) {
  if (device_.is_cpu()) {
    host_memory_ = checkpoint::allocate_host_memory(plan_->bytes());
    data_ = host_memory_->bytes().data();
    return;
  }
  WorkspaceMeasurement::disturb(device);
  device_memory_ = torch::empty({static_cast<std::int64_t>(plan_->bytes())},
                                torch::TensorOptions().dtype(torch::kUInt8).device(device_));
  data_ = static_cast<std::byte*>(device_memory_.data_ptr());
}

void WeightBlock::fill(const BlockOptions& options) {
  checkpoint::TransferOptions transfer;
  transfer.cancelled = options.cancelled.get();
  transfer.progress = options.progress;
  if (device_.is_cpu()) {
    checkpoint::HostTarget target(host_memory_->bytes());
    checkpoint::transfer(*plan_, target, transfer);
    plan_.reset();
    return;
  }
  const auto target = make_cuda_target(data_, device_.index());
  const auto size = static_cast<std::size_t>(plan_->bytes());
  if (options.image && options.image->bytes().size() == size) {
    checkpoint::transfer_image(options.image->bytes(), *target, transfer);
  } else {
    transfer.chunk_bytes = 8u << 20;  // what a copy engine needs to be busy
    if (options.admit_image && options.admit_image(size)) {
      image_ = allocate_pinned_memory(size);
      transfer.image = image_->bytes();
    }
    checkpoint::transfer(*plan_, *target, transfer);
  }
  plan_.reset();
}

torch::Tensor WeightBlock::find(std::string_view name) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return {};
  const auto& placed = found->second;
  const auto options = torch::TensorOptions().dtype(to_torch(placed.dtype)).device(device_);
  return torch::from_blob(
      data_ + placed.offset, placed.shape, placed.strides, [kept = shared_from_this()](void*) {}, options);
}

}  // namespace greenroom::nn
