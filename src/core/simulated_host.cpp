#include "core/simulated_host.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::core {
namespace {

using base::MutexLock;

class SimulatedImage final : public HostImage {
 public:
  explicit SimulatedImage(std::uint64_t bytes) : bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }

 private:
  std::uint64_t bytes_;
};

std::chrono::nanoseconds time_for(std::uint64_t bytes, double bytes_per_second) {
  const std::chrono::duration<double> seconds(static_cast<double>(bytes) / bytes_per_second);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(seconds);
}

}  // namespace

// Holds its bytes of the host until it is destroyed.
class SimulatedWeights final : public LoadedComponent {
 public:
  SimulatedWeights(std::shared_ptr<SimulatedHost> host, std::uint64_t bytes, bool with_image)
      : host_(std::move(host)), bytes_(bytes) {
    if (with_image) image_ = std::make_shared<SimulatedImage>(bytes);
  }
  ~SimulatedWeights() override { host_->give_back(bytes_); }
  std::uint64_t bytes() const override { return bytes_; }
  std::shared_ptr<HostImage> take_image() override { return std::exchange(image_, nullptr); }

 private:
  std::shared_ptr<SimulatedHost> host_;
  std::uint64_t bytes_;
  std::shared_ptr<HostImage> image_;
};

std::shared_ptr<LoadedComponent> SimulatedHost::load(const Model& model, std::size_t index,
                                                     base::DeviceId device, const LoadControl& control) {
  const ComponentSpec& spec = model.components().at(index);
  std::function<void(const ComponentSpec&)> before_load;
  {
    MutexLock lock(mutex_);
    before_load = before_load_;
  }
  if (before_load) before_load(spec);
  {
    MutexLock lock(mutex_);
    if (spec.bytes > available()) {
      throw base::Error(
          base::ErrorCode::kResourceExhausted,
          fmt::format("{}: out of memory: {} asked for, at most {} in one piece", base::to_string(device),
                      base::format_bytes(spec.bytes), base::format_bytes(available())));
    }
    live_ += spec.bytes;
    peak_ = std::max(peak_, live_);
    (control.image ? promoted_ : loaded_) += spec.bytes;
  }
  const bool with_image = !control.image && control.admit_image && control.admit_image(spec.bytes);
  auto weights = std::make_shared<SimulatedWeights>(shared_from_this(), spec.bytes, with_image);
  clock_.sleep_for(options_.seek + time_for(spec.bytes, control.image ? options_.host_bytes_per_second
                                                                      : options_.disk_bytes_per_second));
  if (control.progress) control.progress(spec.bytes, spec.bytes);
  if (control.cancelled && *control.cancelled) {
    throw base::Error(base::ErrorCode::kCancelled, "the simulated load was cancelled");
  }
  return weights;
}

void SimulatedHost::free(std::shared_ptr<LoadedComponent> weights) noexcept {
  weights.reset();
}

void SimulatedHost::give_back(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  live_ -= bytes;
  if (leaks_to_come_ > 0) {
    --leaks_to_come_;
    leaked_ += bytes;
  } else if (options_.lag > std::chrono::nanoseconds(0)) {
    lagging_.emplace_back(clock_.now() + options_.lag, bytes);
  }
}

std::uint64_t SimulatedHost::lagging() {
  while (!lagging_.empty() && lagging_.front().first <= clock_.now()) lagging_.pop_front();
  std::uint64_t bytes = 0;
  for (const auto& [when, part] : lagging_) bytes += part;
  return bytes;
}

std::uint64_t SimulatedHost::available() {
  const std::uint64_t taken = options_.context_bytes + foreign_ + live_ + leaked_ + lagging() + fragmented_;
  return options_.total_bytes - std::min(options_.total_bytes, taken);
}

std::optional<DeviceReading> SimulatedHost::read() noexcept {
  MutexLock lock(mutex_);
  // A driver counts scattered bytes as free.
  const std::uint64_t taken = options_.context_bytes + foreign_ + live_ + leaked_ + lagging();
  return DeviceReading{options_.total_bytes, options_.total_bytes - std::min(options_.total_bytes, taken),
                       live_, true};
}

void SimulatedHost::set_foreign(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  foreign_ = bytes;
}

void SimulatedHost::set_fragmented(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  fragmented_ = bytes;
}

void SimulatedHost::leak_next(int frees) {
  MutexLock lock(mutex_);
  leaks_to_come_ = frees;
}

void SimulatedHost::set_before_load(std::function<void(const ComponentSpec&)> before_load) {
  MutexLock lock(mutex_);
  before_load_ = std::move(before_load);
}

std::uint64_t SimulatedHost::live_bytes() const {
  MutexLock lock(mutex_);
  return live_;
}

std::uint64_t SimulatedHost::peak_bytes() const {
  MutexLock lock(mutex_);
  return peak_;
}

std::uint64_t SimulatedHost::loaded_bytes() const {
  MutexLock lock(mutex_);
  return loaded_;
}

std::uint64_t SimulatedHost::promoted_bytes() const {
  MutexLock lock(mutex_);
  return promoted_;
}

}  // namespace greenroom::core
