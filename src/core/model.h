// The port between the manager and the models: what a model must offer to be managed.
//
// A model is a list of components (one set of weights each) and a list of stages, each of which needs some of
// the components. The manager knows identities and bytes; what the weights compute is none of its business.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/device_id.h"

namespace greenroom::core {

// One component as a model asks for it. Two models that ask for the same file, kind and variant share it.
struct ComponentSpec {
  std::string kind;            // "contentvec", "rmvpe", "nsf_hifigan", "ddsp_svc.voice"
  std::filesystem::path file;  // resolved by the manager into size + mtime + canonical path
  std::string variant;         // what else tells the loaded form apart: dtype, options read from a config
  std::uint64_t bytes = 0;     // exact size once loaded, computed from file headers alone
};

// A component's weights in host memory, ready to be copied to a device. The destructor frees them.
class HostImage {
 public:
  virtual ~HostImage() = default;
  virtual std::uint64_t bytes() const = 0;
  // Gone with the process that held it.
  virtual bool is_lost() const { return false; }
};

// The loaded weights of one component. The destructor frees them.
class LoadedComponent {
 public:
  virtual ~LoadedComponent() = default;
  // What it really occupies on its device.
  virtual std::uint64_t bytes() const = 0;
  // Gone with the process that held them: nothing can be computed with them any more. Once true it stays so.
  // Thread-safe, and quick: asked under the manager's lock.
  virtual bool is_lost() const { return false; }
  // The image that the load left in host memory (LoadControl::admit_image said it may); given away once.
  virtual std::shared_ptr<HostImage> take_image() { return nullptr; }
};

// How a load tells about itself and learns that it is no longer wanted. Thread-safe.
struct LoadControl {
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // may be empty
  std::shared_ptr<const std::atomic<bool>> cancelled;                     // may be null
  // From an earlier load of the same component: copy from it instead of reading the file. Null: read.
  std::shared_ptr<HostImage> image;
  // May an image of that size be left in host memory for the way back? Asked at most once. Empty: no.
  std::function<bool(std::uint64_t bytes)> admit_image;
};

struct Stage {
  std::string name;                     // "units", "pitch", "voice", "vocoder"
  std::vector<std::size_t> components;  // indexes into Model::components()
};

// What about a run decides how much workspace it needs. Zero where it does not apply.
struct RunFeatures {
  double audio_seconds = 0;      // of what goes in or comes out at once
  double reference_seconds = 0;  // of a voice to clone, or of what is only looked at piece by piece
  double text_tokens = 0;        // of the longest sequence
  double steps = 0;              // of a flow or diffusion
  double beams = 0;              // sequences side by side

  bool operator==(const RunFeatures&) const = default;
};

// What a stage needs on the device beside its weights, for activations.
struct WorkspaceNeed {
  // Implicit, for a need about which nothing can be learnt.
  WorkspaceNeed(std::uint64_t upper_bound = 0, const RunFeatures& what_decides_it = {})
      : bytes(upper_bound), features(what_decides_it) {}

  std::uint64_t bytes;   // an upper bound, computed from the architecture
  RunFeatures features;  // all zero: nothing is learnt
};

// What one stage of a run will ask for.
struct StageNeed {
  std::size_t stage = 0;
  WorkspaceNeed need;
};

// The components of one stage, pinned for as long as the object lives.
class PinnedStage {
 public:
  virtual ~PinnedStage() = default;
  // REQUIRES: the stage names component `index` (an index into Model::components()).
  virtual LoadedComponent& component(std::size_t index) = 0;
  // The most bytes its activations came to: what the next run of this kind will reserve.
  virtual void measured([[maybe_unused]] std::uint64_t peak_bytes) {}
};

// How a running inference gets at its components: stage by stage, so that what a stage does not need need not
// be resident. Implemented over the manager's leases; a model never sees the manager. Not thread-safe; one
// per run.
class StageAccess {
 public:
  virtual ~StageAccess() = default;
  // Pins stage `index` and reserves workspace beside it until the result is destroyed: what runs of this kind
  // were measured to need, or `need.bytes` as long as too few were. Throws base::Error(kResourceExhausted)
  // when it does not fit.
  virtual std::unique_ptr<PinnedStage> pin(std::size_t stage, const WorkspaceNeed& need) = 0;
};

// Immutable after construction. Thread-safe.
class Model {
 public:
  virtual ~Model() = default;

  virtual std::string type() const = 0;  // "ddsp_svc"
  virtual const std::vector<ComponentSpec>& components() const = 0;
  virtual const std::vector<Stage>& stages() const = 0;

  // Brings component `index` to `device`, from its file or `control.image`. Called without any lock held,
  // from any thread, for several components at once. Throws base::Error; must leave nothing behind when it
  // does.
  virtual std::shared_ptr<LoadedComponent> load_component(std::size_t index, base::DeviceId device,
                                                          const LoadControl& control) const = 0;
};

}  // namespace greenroom::core
