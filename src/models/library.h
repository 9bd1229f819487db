// The door of libgreenroom_models: what the engine gets when it opens the shared library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/device_id.h"
#include "models/ddsp_svc/description.h"
#include "models/index_tts/description.h"
#include "models/voice.h"

namespace greenroom::models {

// What libtorch's allocator has of a CUDA device, in bytes: all 0 before its first use. Not the CUDA context,
// which the driver counts too.
struct DeviceHeap {
  std::uint64_t allocated = 0;  // by tensors
  std::uint64_t held = 0;       // taken from the driver: by tensors, and for later
  std::uint64_t stuck = 0;      // of that: unused, but between tensors, so that it cannot be given back

  bool operator==(const DeviceHeap&) const = default;
};

// Thread-safe.
class Library {
 public:
  virtual ~Library() = default;

  // "1.13.1"
  virtual std::string torch_version() const = 0;
  virtual int cuda_device_count() const = 0;

  // Threads one inference may use on the CPU. libtorch's own default is 1 on Debian.
  virtual void set_threads(int threads) const = 0;

  virtual DeviceHeap device_heap(int index) const = 0;
  // Gives back to the driver what no tensor uses, on all CUDA devices.
  virtual void release_device_memory() const = 0;
  // Did an error leave CUDA device `index` in a state in which this process cannot use it any more? Waits for
  // what runs on it.
  virtual bool is_device_broken(int index) const = 0;

  virtual std::shared_ptr<const ConversionModel> make_ddsp_svc(ddsp_svc::Description description) const = 0;

  // `cache`: folder for the features of known voices; empty keeps none.
  virtual std::shared_ptr<const SynthesisModel> make_index_tts(index_tts::Description description,
                                                               std::filesystem::path cache) const = 0;
};

}  // namespace greenroom::models

// The one symbol looked up by name. The pointer lives as long as the process.
extern "C" const greenroom::models::Library* greenroom_models_library();
