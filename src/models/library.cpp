#include "models/library.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>
#include <torch/version.h>

#include "models/ddsp_svc/model.h"
#include "models/index_tts/model.h"
#include "nn/cuda_memory.h"
#include "nn/guard.h"

namespace greenroom::models {
namespace {

class TorchLibrary final : public Library {
 public:
  TorchLibrary() { nn::WorkspaceMeter::install(); }

  std::string torch_version() const override { return TORCH_VERSION; }
  int cuda_device_count() const override {
    return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  }
  void set_threads(int threads) const override { at::set_num_threads(threads); }
  std::shared_ptr<const ConversionModel> make_ddsp_svc(ddsp_svc::Description description) const override {
    return ddsp_svc::make_model(std::move(description));
  }
  std::shared_ptr<const SynthesisModel> make_index_tts(index_tts::Description description,
                                                       std::filesystem::path cache) const override {
    return index_tts::make_model(std::move(description), std::move(cache));
  }
  DeviceHeap device_heap(int index) const override {
    const auto memory = nn::device_memory(index);
    return {memory.allocated, memory.held, memory.stuck};
  }
  bool is_device_broken(int index) const override { return nn::is_device_broken(index); }
  void release_device_memory() const override { nn::release_cached_device_memory(); }
};

}  // namespace
}  // namespace greenroom::models

const greenroom::models::Library* greenroom_models_library() {
  static const greenroom::models::TorchLibrary kLibrary;
  return &kLibrary;
}
