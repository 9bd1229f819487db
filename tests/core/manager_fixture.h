// A manager with one device of 1000 bytes, a clock that stands still, and models that only count.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "core/manager.h"
#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/temp_dir.h"

namespace greenroom::core {

inline const base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
inline const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

// Keeps every event, and proves that publishing holds no lock by asking the manager back.
class RecordingSink final : public EventSink {
 public:
  void publish(const Event& event) override {
    if (manager != nullptr) manager->memory();
    base::MutexLock lock(mutex_);
    events_.push_back(event);
  }
  std::vector<Event> events() const {
    base::MutexLock lock(mutex_);
    return events_;
  }
  std::vector<EventType> types() const {
    std::vector<EventType> result;
    for (const Event& event : events()) result.push_back(event.type);
    return result;
  }

  const Manager* manager = nullptr;

 private:
  mutable base::Mutex mutex_;
  std::vector<Event> events_ GUARDED_BY(mutex_);
};

class ManagerFixture : public ::testing::Test {
 protected:
  ManagerFixture() { sink_.manager = &manager_; }

  // A part whose file is named after it: the same name, the same file.
  test::FakePart part(const std::string& name, std::uint64_t bytes) const {
    const auto file = files_ / (name + ".pt");
    if (!std::filesystem::exists(file)) files_.write(name + ".pt", "weights");
    return {.kind = name, .file = file, .bytes = bytes};
  }
  std::shared_ptr<test::FakeModel> model(std::vector<test::FakePart> parts, std::string type = "fake") const {
    return std::make_shared<test::FakeModel>(heap_, std::move(parts), std::move(type));
  }

  LedgerTotals totals() const { return manager_.memory().at(0).totals; }
  std::vector<ComponentInfo> components() const { return manager_.memory().at(0).components; }
  std::vector<std::string> kinds() const {
    std::vector<std::string> result;
    for (const ComponentInfo& component : components()) result.push_back(component.kind);
    return result;
  }
  void expect_nothing_left() const {
    EXPECT_EQ(totals().used(), 0u);
    EXPECT_EQ(heap_->live(), 0u);
    EXPECT_TRUE(components().empty());
  }

  // Waits, busily, for what another thread is about to do. Gives up after a time no working test needs.
  static void await(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error("it did not happen in 30 seconds");
      std::this_thread::yield();
    }
  }
  void await_waiting(const std::string& id, int count) const {
    await([&] {
      const auto info = manager_.model_info(id);
      return info && info->waiting == count;
    });
  }

  struct Caught {
    base::ErrorCode code = base::ErrorCode::kInternal;
    std::string message = "nothing was thrown";
  };
  static Caught caught(const std::function<void()>& action) {
    try {
      action();
    } catch (const base::Error& error) {
      return {error.code(), error.what()};
    }
    return {};
  }

  test::TempDir files_;
  std::shared_ptr<test::FakeHeap> heap_ = std::make_shared<test::FakeHeap>();
  test::FakeClock clock_;
  RecordingSink sink_;
  // By age alone, so that a test says who goes by saying who is older.
  Manager manager_{{{kCpu, 1000}}, clock_, &sink_, {.policy = EvictionPolicy::kLru, .min_residence = {}}};
};

}  // namespace greenroom::core
