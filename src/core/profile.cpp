#include "core/profile.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace greenroom::core {
namespace {

// On top of the worst error so far.
constexpr double kMargin = 0.05;
constexpr int kSweeps = 200;

std::array<double, 5> lengths(const RunFeatures& features) {
  return {features.audio_seconds, features.reference_seconds, features.text_tokens, features.steps,
          features.beams};
}

bool is_sound(const WorkspaceSample& sample) {
  constexpr double kMost = 1e9;
  const auto values = lengths(sample.features);
  return std::all_of(values.begin(), values.end(),
                     [](double value) { return std::isfinite(value) && value >= 0 && value <= kMost; }) &&
         sample.peak_bytes < (1ull << 50);
}

double distance(const RunFeatures& a, const RunFeatures& b) {
  const auto left = lengths(a);
  const auto right = lengths(b);
  double sum = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double scale = std::max({left[i], right[i], 1e-9});
    sum += std::pow((left[i] - right[i]) / scale, 2);
  }
  return sum;
}

}  // namespace

WorkspaceProfile::Terms WorkspaceProfile::terms_of(const RunFeatures& features) {
  const auto [audio, reference, tokens, steps, beams] = lengths(features);
  return {
      1,     audio, audio * audio, reference, reference * reference, tokens, tokens * std::max(beams, 1.0),
      steps, beams};
}

// Non-negative least squares of relative errors, by coordinate descent: few terms, few samples.
void WorkspaceProfile::refit(Fit& fit) {
  std::vector<Terms> rows;
  for (const WorkspaceSample& sample : fit.samples) {
    Terms row = terms_of(sample.features);
    for (double& term : row) term /= std::max<double>(1, static_cast<double>(sample.peak_bytes));
    rows.push_back(row);
  }
  std::vector<double> residuals(rows.size(), 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t t = 0; t < kTerms; ++t) residuals[i] -= rows[i][t] * fit.coefficients[t];
  }
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (std::size_t t = 0; t < kTerms; ++t) {
      double along = 0;
      double length = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        along += rows[i][t] * residuals[i];
        length += rows[i][t] * rows[i][t];
      }
      if (length == 0) continue;
      const double old = fit.coefficients[t];
      fit.coefficients[t] = std::max(0.0, old + along / length);
      for (std::size_t i = 0; i < rows.size(); ++i) residuals[i] -= rows[i][t] * (fit.coefficients[t] - old);
    }
  }
  fit.worst_shortfall = 0;
  for (const double residual : residuals) fit.worst_shortfall = std::max(fit.worst_shortfall, residual);
}

WorkspaceEstimate WorkspaceProfile::estimate(const std::string& kind, const RunFeatures& features,
                                             std::uint64_t computed_bytes) const {
  base::MutexLock lock(mutex_);
  const auto found = fits_.find(kind);
  if (found == fits_.end() || found->second.samples.size() < kFewest) return {computed_bytes, 0, 0};
  const Fit& fit = found->second;
  const Terms terms = terms_of(features);
  double expected = 0;
  for (std::size_t t = 0; t < kTerms; ++t) expected += fit.coefficients[t] * terms[t];
  // A shortfall of s of the peak: the peak is the fit / (1 - s).
  const double shortfall = std::min(fit.worst_shortfall, 0.9);
  const double needed = expected / (1 - shortfall) * (1 + kMargin);
  constexpr double kMost = 1e18;
  WorkspaceEstimate result;
  result.samples = fit.samples.size();
  result.bytes = static_cast<std::uint64_t>(std::min(needed, kMost));
  result.error_bytes = static_cast<std::uint64_t>(std::min(needed - expected, kMost));
  const auto asked = lengths(features);
  auto most = lengths({});
  for (const WorkspaceSample& sample : fit.samples) {
    const auto seen = lengths(sample.features);
    for (std::size_t i = 0; i < seen.size(); ++i) most[i] = std::max(most[i], seen[i]);
  }
  const bool is_beyond = !std::equal(asked.begin(), asked.end(), most.begin(), std::less_equal<>());
  if (is_beyond) result.bytes = std::max(result.bytes, computed_bytes);
  return result;
}

WorkspaceProfile::Fit* WorkspaceProfile::fit_of(const std::string& kind) {
  const auto found = fits_.find(kind);
  if (found != fits_.end()) return &found->second;
  return fits_.size() < kMostKinds ? &fits_[kind] : nullptr;
}

void WorkspaceProfile::add(Fit& fit, const WorkspaceSample& sample) {
  if (fit.samples.size() < kMostSamples) {
    fit.samples.push_back(sample);
    return;
  }
  const auto alike =
      std::min_element(fit.samples.begin(), fit.samples.end(), [&](const auto& a, const auto& b) {
        return distance(a.features, sample.features) < distance(b.features, sample.features);
      });
  *alike = sample;
}

void WorkspaceProfile::measured(const std::string& kind, const RunFeatures& features,
                                std::uint64_t peak_bytes) {
  const WorkspaceSample sample{features, peak_bytes};
  if (!is_sound(sample)) return;
  base::MutexLock lock(mutex_);
  Fit* fit = fit_of(kind);
  if (fit == nullptr) return;
  add(*fit, sample);
  refit(*fit);
}

std::vector<LearntWorkspace> WorkspaceProfile::learnt() const {
  base::MutexLock lock(mutex_);
  std::vector<LearntWorkspace> result;
  for (const auto& [kind, fit] : fits_) result.push_back({kind, fit.samples});
  return result;
}

void WorkspaceProfile::learn(const std::vector<LearntWorkspace>& learnt) {
  base::MutexLock lock(mutex_);
  for (const LearntWorkspace& kind : learnt) {
    Fit* fit = fit_of(kind.kind);
    if (fit == nullptr) continue;
    for (const WorkspaceSample& sample : kind.samples) {
      if (is_sound(sample)) add(*fit, sample);
    }
    refit(*fit);
  }
}

namespace {

// "ddsp_svc/convert, 1015234560 bytes of weights, on cuda:0": the size of the weights tells architectures
// apart.
std::string kind_of(const Model& model, const Stage& stage, base::DeviceId device) {
  std::uint64_t weights = 0;
  for (const std::size_t index : stage.components) weights += model.components().at(index).bytes;
  return fmt::format("{}/{}, {} bytes of weights, on {}", model.type(), stage.name, weights,
                     base::to_string(device));
}

}  // namespace

StageWorkspace::StageWorkspace(WorkspaceProfile& profile, const Model& model, std::size_t stage,
                               base::DeviceId device, const WorkspaceNeed& need)
    : profile_(profile), features_(need.features), bytes_(need.bytes) {
  if (features_ == RunFeatures{} || stage >= model.stages().size()) return;
  kind_ = kind_of(model, model.stages()[stage], device);
  bytes_ = profile_.estimate(kind_, features_, need.bytes).bytes;
}

std::uint64_t expected_workspace(WorkspaceProfile& profile, const Model& model, base::DeviceId device,
                                 const std::vector<StageNeed>& needs) {
  std::uint64_t most = 0;
  for (const StageNeed& each : needs) {
    most = std::max(most, StageWorkspace(profile, model, each.stage, device, each.need).bytes());
  }
  return most;
}

void StageWorkspace::measured(std::uint64_t peak_bytes) const {
  if (!kind_.empty()) profile_.measured(kind_, features_, peak_bytes);
}

}  // namespace greenroom::core
