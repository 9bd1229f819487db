#include "base/device_id.h"

#include <gtest/gtest.h>

namespace greenroom::base {
namespace {

TEST(DeviceId, IsReadAsItIsWritten) {
  for (const char* text : {"cpu", "cuda:0", "cuda:7"}) {
    const auto device = parse_device_id(text);
    ASSERT_TRUE(device) << text;
    EXPECT_EQ(to_string(*device), text);
  }
}

TEST(DeviceId, BareCudaIsTheFirstGpu) {
  EXPECT_EQ(parse_device_id("cuda"), (DeviceId{DeviceKind::kCuda, 0}));
}

TEST(DeviceId, RefusesEverythingElse) {
  for (const char* text :
       {"", "auto", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:1x", "cuda:256", "cuda: 1", "gpu"}) {
    EXPECT_EQ(parse_device_id(text), std::nullopt) << text;
  }
}

TEST(DeviceId, OrdersTheCpuBeforeTheGpus) {
  EXPECT_LT((DeviceId{DeviceKind::kCpu, 0}), (DeviceId{DeviceKind::kCuda, 0}));
  EXPECT_LT((DeviceId{DeviceKind::kCuda, 0}), (DeviceId{DeviceKind::kCuda, 1}));
}

}  // namespace
}  // namespace greenroom::base
