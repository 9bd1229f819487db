#include "app/gpu_reading.h"

#include <gtest/gtest.h>

#include "core/capacity.h"
#include "support/fake_clock.h"
#include "worker/fake_models.h"

namespace greenroom::app {
namespace {

constexpr std::uint64_t kMiB = 1ull << 20;

class FakeGpu final : public devices::Device {
 public:
  base::DeviceId id() const override { return {base::DeviceKind::kCuda, 0}; }
  std::string name() const override { return "fake"; }
  devices::DeviceMemory memory() const override { return now; }
  std::vector<devices::ProcessUse> processes() const override { return programs; }

  devices::DeviceMemory now{8000 * kMiB, 8000 * kMiB};
  std::vector<devices::ProcessUse> programs;
};

// 1000 MiB of weights, or nothing.
class Library final : public test::FakeLibrary {
 public:
  models::DeviceHeap device_heap(int) const override {
    return is_loaded ? models::DeviceHeap{900 * kMiB, 1000 * kMiB, 30 * kMiB} : models::DeviceHeap();
  }
  bool is_loaded = true;
};

class GpuReadingTest : public ::testing::Test {
 protected:
  core::DeviceReading read(const models::Library* with) { return read_gpu(gpu, with, context); }
  std::uint64_t room(const core::DeviceReading& reading) {
    return core::capacity_of({reading.total, 1}, reading, {0, 900 * kMiB}).bytes;
  }

  test::FakeClock clock;
  FakeGpu gpu;
  Library library;
  ContextCost context{clock};
};

TEST_F(GpuReadingTest, BeforeAModelIsLoadedNothingIsOursAndTheContextIsStillToCome) {
  const auto reading = read(nullptr);
  EXPECT_EQ(reading.free, 8000 * kMiB);
  EXPECT_EQ(reading.ours, 0U);
  EXPECT_FALSE(reading.is_exact);
  EXPECT_EQ(room(reading), 8000 * kMiB - ContextCost::kAssumed);
}

TEST_F(GpuReadingTest, TheThreeAccountsAreReconciled) {
  gpu.now.free = 5600 * kMiB;
  gpu.programs = {{.pid = 1, .bytes = 1400 * kMiB, .ours = true}, {.pid = 2, .bytes = 1000 * kMiB}};
  const auto reading = read(&library);
  EXPECT_EQ(reading.ours, 1000 * kMiB);
  EXPECT_TRUE(reading.is_exact);
  EXPECT_EQ(reading.overhead, 400 * kMiB);
  EXPECT_EQ(reading.overhead_to_come, 0U);
  EXPECT_EQ(reading.total - reading.free - *reading.ours - reading.overhead, 1000 * kMiB) << "the other's";
  EXPECT_EQ(room(reading), (5600 + 1000 - 30) * kMiB) << "but for what is stuck between tensors";
}

TEST_F(GpuReadingTest, WhatAnotherProgramTakesIsMissingAtTheNextLook) {
  gpu.now.free = 6600 * kMiB;
  const auto before = room(read(&library));
  gpu.now.free -= 3000 * kMiB;
  EXPECT_EQ(room(read(&library)), before - 3000 * kMiB);
}

TEST_F(GpuReadingTest, AfterTheWorkersEndItsContextIsExpectedAgain) {
  gpu.now.free = 6600 * kMiB;
  gpu.programs = {{.pid = 1, .bytes = 1400 * kMiB, .ours = true}};
  read(&library);
  library.is_loaded = false;
  gpu.now.free = 8000 * kMiB;
  gpu.programs.clear();
  read(&library);
  const auto reading = read(&library);
  EXPECT_EQ(reading.overhead, 0U);
  EXPECT_EQ(reading.overhead_to_come, 400 * kMiB);
}

TEST_F(GpuReadingTest, AGpuWithoutMemoryOfItsOwnHasNoSuchAccount) {
  gpu.now.shared_with_host = true;
  const auto reading = read(&library);
  EXPECT_FALSE(reading.is_exact);
  EXPECT_EQ(reading.overhead + reading.overhead_to_come, 0U);
}

}  // namespace
}  // namespace greenroom::app
