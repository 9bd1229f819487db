#include "devices/visible_gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenroom::devices {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<Nvml::Gpu> kGpus = {{"GPU-aaaa-1", "Toy"}, {"GPU-bbbb-2", "Toy"}, {"GPU-bbcc-3", "Toy"}};

std::vector<VisibleGpu> visible(const std::string& variable) {
  return visible_gpus(kGpus, {variable, "PCI_BUS_ID"});
}

VisibleGpu gpu(std::size_t index) {
  return {index, std::nullopt};
}

TEST(VisibleGpus, AreAllWithoutTheVariable) {
  EXPECT_THAT(visible_gpus(kGpus, {}), ElementsAre(gpu(0), gpu(1), gpu(2)));
}

TEST(VisibleGpus, FollowTheOrderOfTheVariable) {
  EXPECT_THAT(visible("2,0"), ElementsAre(gpu(2), gpu(0)));
  EXPECT_THAT(visible(" 1 , 2 "), ElementsAre(gpu(1), gpu(2)));
  EXPECT_THAT(visible("GPU-bbc,GPU-aaaa-1"), ElementsAre(gpu(2), gpu(0)));
  EXPECT_THAT(visible("1x,0y"), ElementsAre(gpu(1), gpu(0))) << "as strtoul reads them";
}

TEST(VisibleGpus, EndAtTheFirstEntryThatNamesNothing) {
  EXPECT_THAT(visible("0,-1,1"), ElementsAre(gpu(0)));
  EXPECT_THAT(visible("0,9,1"), ElementsAre(gpu(0)));
  EXPECT_THAT(visible("0,99999999999999999999,1"), ElementsAre(gpu(0)));
  EXPECT_THAT(visible("0,,1"), ElementsAre(gpu(0)));
  EXPECT_THAT(visible("GPU-aaaa,2"), ElementsAre(gpu(0))) << "one kind in one list";
  EXPECT_THAT(visible("2,GPU-aaaa"), ElementsAre(gpu(2)));
  EXPECT_THAT(visible("GPU-bb"), IsEmpty()) << "two fit";
  EXPECT_THAT(visible(""), IsEmpty());
  EXPECT_THAT(visible("NoDevFiles"), IsEmpty());
}

TEST(VisibleGpus, ADeviceNamedTwiceHidesAll) {
  EXPECT_THAT(visible("1,0,1"), IsEmpty());
  EXPECT_THAT(visible("GPU-aaaa,GPU-aaaa-1"), IsEmpty());
}

class VisibleMig : public ::testing::Test {
 protected:
  VisibleMig() {
    gpus_[1].is_mig = true;
    gpus_[1].instances = {{"MIG-11", "1g"}, {"MIG-12", "2g"}};
    gpus_[2].is_mig = true;
  }

  std::vector<VisibleGpu> visible(const std::string& variable) const {
    return visible_gpus(gpus_, {variable, std::nullopt});
  }

  std::vector<Nvml::Gpu> gpus_ = kGpus;
};

TEST_F(VisibleMig, AGpuInMigModeIsItsFirstInstance) {
  EXPECT_THAT(visible_gpus(gpus_, {}), ElementsAre(gpu(0), VisibleGpu{1, 0}));
  EXPECT_THAT(visible("1"), ElementsAre(VisibleGpu{1, 0}));
  EXPECT_THAT(visible("GPU-bbbb"), ElementsAre(VisibleGpu{1, 0}));
}

TEST_F(VisibleMig, AnInstanceIsNamedByItsUuid) {
  EXPECT_THAT(visible("MIG-12"), ElementsAre(VisibleGpu{1, 1}));
  EXPECT_THAT(visible("MIG-1"), IsEmpty()) << "two fit";
  EXPECT_THAT(visible("MIG-12,MIG-11"), ElementsAre(VisibleGpu{1, 1})) << "CUDA uses one per process";
}

TEST_F(VisibleMig, AGpuWithoutInstancesIsNothing) {
  EXPECT_THAT(visible("2"), IsEmpty());
  EXPECT_THAT(visible("GPU-bbcc"), IsEmpty());
}

TEST(VisibleGpus, NumbersCountTheFastestFirstWhenCudaIsToldSo) {
  auto gpus = kGpus;
  gpus[0].speed = 1;
  gpus[1].speed = 3;
  gpus[2].speed = 2;
  EXPECT_THAT(visible_gpus(gpus, {std::nullopt, "FASTEST_FIRST"}), ElementsAre(gpu(1), gpu(2), gpu(0)));
  EXPECT_THAT(visible_gpus(gpus, {"0", "FASTEST_FIRST"}), ElementsAre(gpu(1)));
  EXPECT_THAT(visible_gpus(gpus, {"GPU-aaaa", "FASTEST_FIRST"}), ElementsAre(gpu(0)));
}

TEST(VisibleGpus, TheOrderIsUncertainOnlyAmongUnlikeGpusCountedBySpeed) {
  auto gpus = kGpus;
  EXPECT_FALSE(is_order_uncertain(gpus, {std::nullopt, "FASTEST_FIRST"}));
  gpus[1].name = "Other toy";
  EXPECT_TRUE(is_order_uncertain(gpus, {std::nullopt, "FASTEST_FIRST"}));
  EXPECT_FALSE(is_order_uncertain(gpus, {std::nullopt, "PCI_BUS_ID"}));
  EXPECT_FALSE(is_order_uncertain(gpus, {"GPU-aaaa", "FASTEST_FIRST"}));
}

}  // namespace
}  // namespace greenroom::devices
