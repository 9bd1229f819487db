// Demo voices on disk, and workers with fake models for them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/clock.h"
#include "models/ddsp_svc/demo.h"
#include "models/index_tts/demo.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "worker/remote_library.h"
#include "worker/workers.h"

namespace greenroom::worker {

inline constexpr const char* kWorkerProgram = GREENROOM_BINARY_DIR "/bin/greenroom_test_worker";
inline const base::DeviceId kCpu;
inline const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

// Written once per process.
inline const std::filesystem::path& demo_folder() {
  static const test::TempDir folder;
  static const bool written = [] {
    models::ddsp_svc::write_demo_models(folder.path(), {});
    models::index_tts::write_demo_model(folder.path() / "index_tts", {});
    return true;
  }();
  EXPECT_TRUE(written);
  return folder.path();
}

inline WorkersOptions test_options() {
  WorkersOptions options;
  options.launch = {kWorkerProgram, {"worker"}, GREENROOM_VERSION};
  return options;
}

// Pins nothing but hands out what was loaded; counts.
class LoadedAccess final : public core::StageAccess {
 public:
  explicit LoadedAccess(std::vector<std::shared_ptr<core::LoadedComponent>> components)
      : components_(std::move(components)) {}

  std::unique_ptr<core::PinnedStage> pin(std::size_t stage, const core::WorkspaceNeed& need) override {
    if (refuse_stage == stage)
      throw base::Error(base::ErrorCode::kResourceExhausted, "no room for the stage");
    stages.push_back(stage);
    needs.push_back(need.bytes);
    return std::make_unique<Pinned>(*this);
  }

  std::vector<std::size_t> stages;
  std::vector<std::uint64_t> needs;
  std::vector<std::uint64_t> measured;
  int pinned = 0;
  std::optional<std::size_t> refuse_stage;

 private:
  class Pinned final : public core::PinnedStage {
   public:
    explicit Pinned(LoadedAccess& access) : access_(access) { ++access_.pinned; }
    ~Pinned() override { --access_.pinned; }
    core::LoadedComponent& component(std::size_t index) override { return *access_.components_.at(index); }
    void measured(std::uint64_t bytes) override { access_.measured.push_back(bytes); }

   private:
    LoadedAccess& access_;
  };
  std::vector<std::shared_ptr<core::LoadedComponent>> components_;
};

}  // namespace greenroom::worker
