// How much workspace a run will need, learnt from what earlier runs needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/device_id.h"
#include "base/mutex.h"
#include "core/model.h"

namespace greenroom::core {

// One measured run.
struct WorkspaceSample {
  RunFeatures features;
  std::uint64_t peak_bytes = 0;

  bool operator==(const WorkspaceSample&) const = default;
};

// The measured runs of one kind, as plain values that can be kept across restarts.
struct LearntWorkspace {
  std::string kind;
  std::vector<WorkspaceSample> samples;

  bool operator==(const LearntWorkspace&) const = default;
};

struct WorkspaceEstimate {
  std::uint64_t bytes = 0;        // to reserve
  std::uint64_t error_bytes = 0;  // of that, the margin that past errors ask for
  std::size_t samples = 0;        // that it rests on; 0: it is the caller's figure
};

// Peaks by kind of run ("ddsp_svc/convert on cuda:0"), each fitted by non-negative coefficients of its
// features and, for attention, the squares of the lengths, so that the estimate never falls as a run grows.
// Thread-safe.
class WorkspaceProfile {
 public:
  // `computed_bytes`: what the model says from its architecture. It is the answer until there are kFewest
  // measurements, and the upper bound on how far the learnt figure is trusted beyond what was ever measured:
  // for a run larger than any before, the larger of the two is reserved.
  WorkspaceEstimate estimate(const std::string& kind, const RunFeatures& features,
                             std::uint64_t computed_bytes) const EXCLUDES_LOCK(mutex_);

  void measured(const std::string& kind, const RunFeatures& features, std::uint64_t peak_bytes)
      EXCLUDES_LOCK(mutex_);

  std::vector<LearntWorkspace> learnt() const EXCLUDES_LOCK(mutex_);
  // From a file: what is not sound is left out.
  void learn(const std::vector<LearntWorkspace>& learnt) EXCLUDES_LOCK(mutex_);

  static constexpr std::size_t kFewest = 4;
  static constexpr std::size_t kMostSamples = 64;  // of a kind; new ones take the place of the most alike
  static constexpr std::size_t kMostKinds = 256;

 private:
  static constexpr std::size_t kTerms = 9;
  using Terms = std::array<double, kTerms>;
  struct Fit {
    std::vector<WorkspaceSample> samples;
    Terms coefficients{};
    double worst_shortfall = 0;  // of the fit, as a share of the peak
  };
  static Terms terms_of(const RunFeatures& features);
  static void refit(Fit& fit);
  static void add(Fit& fit, const WorkspaceSample& sample);
  Fit* fit_of(const std::string& kind) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, Fit> fits_ GUARDED_BY(mutex_);
};

// The workspace of one run of one stage: how much to reserve, and where to tell what it came to. Borrows the
// profile.
class StageWorkspace {
 public:
  StageWorkspace(WorkspaceProfile& profile, const Model& model, std::size_t stage, base::DeviceId device,
                 const WorkspaceNeed& need);

  std::uint64_t bytes() const { return bytes_; }
  void measured(std::uint64_t peak_bytes) const;

 private:
  WorkspaceProfile& profile_;
  std::string kind_;  // empty: nothing is learnt
  RunFeatures features_;
  std::uint64_t bytes_;
};

// The most that one of the stages, which run one after the other, would reserve now.
std::uint64_t expected_workspace(WorkspaceProfile& profile, const Model& model, base::DeviceId device,
                                 const std::vector<StageNeed>& needs);

}  // namespace greenroom::core
