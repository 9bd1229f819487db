#include "devices/discover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::devices {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kUuids = {"GPU-aaaa-1", "GPU-bbbb-2", "GPU-bbcc-3"};

TEST(VisibleGpus, AreAllWithoutTheVariable) {
  EXPECT_THAT(visible_gpus(kUuids, std::nullopt), ElementsAre(0, 1, 2));
}

TEST(VisibleGpus, FollowTheOrderOfTheVariable) {
  EXPECT_THAT(visible_gpus(kUuids, "2,0"), ElementsAre(2, 0));
  EXPECT_THAT(visible_gpus(kUuids, " 1 , 2 "), ElementsAre(1, 2));
  EXPECT_THAT(visible_gpus(kUuids, "GPU-bbc,GPU-aaaa-1"), ElementsAre(2, 0));
}

TEST(VisibleGpus, EndAtTheFirstEntryThatNamesNothing) {
  EXPECT_THAT(visible_gpus(kUuids, "0,-1,1"), ElementsAre(0));
  EXPECT_THAT(visible_gpus(kUuids, "0,9,1"), ElementsAre(0));
  EXPECT_THAT(visible_gpus(kUuids, "1,1"), ElementsAre(1));
  EXPECT_THAT(visible_gpus(kUuids, "GPU-bb"), IsEmpty()) << "two fit";
  EXPECT_THAT(visible_gpus(kUuids, ""), IsEmpty());
}

TEST(Nvml, AbsenceIsANormalAnswer) {
  std::string reason;
  EXPECT_EQ(Nvml::open("libgreenroom-no-such-library.so.1", &reason), nullptr);
  EXPECT_EQ(reason, "libgreenroom-no-such-library.so.1 is not installed");
}

TEST(Nvml, RefusesALibraryThatIsAnother) {
  std::string reason;
  EXPECT_EQ(Nvml::open("libm.so.6", &reason), nullptr);
  EXPECT_THAT(reason, ::testing::HasSubstr("lacks a function"));
}

TEST(Discover, FindsTheCpuFirstAndSaysWhyThereIsNoGpu) {
  const Discovery found = discover();
  ASSERT_FALSE(found.devices.empty());
  EXPECT_EQ(found.devices[0]->id(), (base::DeviceId{base::DeviceKind::kCpu, 0}));
  EXPECT_EQ(found.devices.size() > 1, found.no_gpu_reason.empty()) << found.no_gpu_reason;
  for (const auto& device : found.devices) {
    EXPECT_FALSE(device->name().empty());
    EXPECT_GT(device->memory().total, 0u);
    EXPECT_LE(device->memory().free, device->memory().total);
  }
}

}  // namespace
}  // namespace greenroom::devices
