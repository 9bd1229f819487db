// Models without weights: components that only count bytes, and loads that do what a test tells them.
#pragma once

#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "core/model.h"

namespace greenroom::test {

// Holds threads back until a test lets them go. Thread-safe.
class Gate {
 public:
  void pass() {
    base::MutexLock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    while (!open_) changed_.wait(mutex_);
  }
  void open() {
    base::MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Returns once `count` threads have come to the gate.
  void await(int count) {
    base::MutexLock lock(mutex_);
    while (arrived_ < count) changed_.wait(mutex_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  int arrived_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
};

// Bytes that fake components occupy: what a real device's allocator would say. Thread-safe.
class FakeHeap {
 public:
  void take(std::uint64_t bytes) {
    const std::uint64_t now = live_ += bytes;
    for (std::uint64_t peak = peak_; now > peak && !peak_.compare_exchange_weak(peak, now);) {
    }
  }
  void give_back(std::uint64_t bytes) { live_ -= bytes; }
  std::uint64_t live() const { return live_; }
  std::uint64_t peak() const { return peak_; }

 private:
  std::atomic<std::uint64_t> live_{0};
  std::atomic<std::uint64_t> peak_{0};
};

// Bytes in host memory. Thread-safe.
class FakeImage final : public core::HostImage {
 public:
  FakeImage(std::shared_ptr<FakeHeap> heap, std::uint64_t bytes) : heap_(std::move(heap)), bytes_(bytes) {
    heap_->take(bytes_);
  }
  ~FakeImage() override { heap_->give_back(bytes_); }
  std::uint64_t bytes() const override { return bytes_; }

 private:
  std::shared_ptr<FakeHeap> heap_;
  std::uint64_t bytes_;
};

class FakeComponent final : public core::LoadedComponent {
 public:
  FakeComponent(std::shared_ptr<FakeHeap> heap, std::uint64_t bytes, std::function<void()> on_free,
                std::shared_ptr<const std::atomic<bool>> lost = nullptr)
      : heap_(std::move(heap)), bytes_(bytes), on_free_(std::move(on_free)), lost_(std::move(lost)) {
    heap_->take(bytes_);
  }
  ~FakeComponent() override {
    if (on_free_) on_free_();
    heap_->give_back(bytes_);
  }
  std::uint64_t bytes() const override { return bytes_; }
  bool is_lost() const override { return lost_ && *lost_; }
  std::shared_ptr<core::HostImage> take_image() override { return std::exchange(image_, nullptr); }
  void keep(std::shared_ptr<core::HostImage> image) { image_ = std::move(image); }

 private:
  std::shared_ptr<FakeHeap> heap_;
  std::uint64_t bytes_;
  std::function<void()> on_free_;
  std::shared_ptr<core::HostImage> image_;
  std::shared_ptr<const std::atomic<bool>> lost_;
};

// How one component of a FakeModel behaves.
struct FakePart {
  std::string kind;
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  std::function<void(const core::LoadControl&)> on_load;  // runs inside the load; may block or throw
  std::function<void()> on_free;                          // runs inside the component's destructor
  std::uint64_t actual_bytes = 0;                         // once loaded; 0: as announced
  std::string variant;
  // The process that the next load goes to; null: this one, which is never lost.
  std::shared_ptr<std::atomic<bool>>* process = nullptr;
  std::shared_ptr<FakeHeap> host;  // where images of it are; null: it makes none
};

// One stage per component, in order, and a last one that needs the first two. Thread-safe.
class FakeModel final : public core::Model {
 public:
  FakeModel(std::shared_ptr<FakeHeap> heap, std::vector<FakePart> parts, std::string type = "fake")
      : heap_(std::move(heap)), parts_(std::move(parts)), type_(std::move(type)), loads_(parts_.size()) {
    for (const FakePart& part : parts_) {
      stages_.push_back({part.kind, {stages_.size()}});
      specs_.push_back({part.kind, part.file, part.variant, part.bytes});
    }
    if (parts_.size() >= 2) stages_.push_back({"both", {1, 0}});
  }

  std::string type() const override { return type_; }
  const std::vector<core::ComponentSpec>& components() const override { return specs_; }
  const std::vector<core::Stage>& stages() const override { return stages_; }

  std::shared_ptr<core::LoadedComponent> load_component(std::size_t index, base::DeviceId,
                                                        const core::LoadControl& control) const override {
    const FakePart& part = parts_.at(index);
    ++loads_[index];
    if (part.on_load) part.on_load(control);
    auto loaded =
        std::make_shared<FakeComponent>(heap_, part.actual_bytes > 0 ? part.actual_bytes : part.bytes,
                                        part.on_free, part.process != nullptr ? *part.process : nullptr);
    if (part.host && !control.image && control.admit_image && control.admit_image(part.bytes))
      loaded->keep(std::make_shared<FakeImage>(part.host, part.bytes));
    return loaded;
  }

  int loads(std::size_t index) const { return loads_[index]; }

 private:
  std::shared_ptr<FakeHeap> heap_;
  std::vector<FakePart> parts_;
  std::string type_;
  std::vector<core::ComponentSpec> specs_;
  std::vector<core::Stage> stages_;
  mutable std::deque<std::atomic<int>> loads_;
};

}  // namespace greenroom::test
