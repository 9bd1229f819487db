#include "audio/mel_filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace greenroom::audio {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

TEST(MelFilters, SlaneyIsLinearBelowOneKilohertz) {
  // One filter from 0 to 1000 Hz peaks at 500 Hz, with unit area: height 2 / 1000. Bins are 500 Hz apart.
  const std::vector<float> filters = mel_filters(8000, 16, 1, 0, 1000, MelScale::kSlaney);
  EXPECT_THAT(filters, ElementsAre(0, FloatEq(0.002f), 0, 0, 0, 0, 0, 0, 0));
}

TEST(MelFilters, SlaneyIsLogarithmicAbove) {
  // Between 1000 and 6400 Hz the middle of the scale is the geometric mean, 2529.8 Hz. Bins are 10 Hz apart.
  const std::vector<float> filters = mel_filters(16000, 1600, 1, 1000, 6400, MelScale::kSlaney);
  EXPECT_EQ(std::max_element(filters.begin(), filters.end()) - filters.begin(), 253);
}

TEST(MelFilters, HtkPutsTheMiddleWhereTheFormulaSays) {
  // 700 * (sqrt(1 + 8000 / 700) - 1) = 1767.8 Hz; bins are 10 Hz apart.
  const std::vector<float> filters = mel_filters(16000, 1600, 1, 0, 8000, MelScale::kHtk);
  EXPECT_EQ(std::max_element(filters.begin(), filters.end()) - filters.begin(), 177);
}

TEST(MelFilters, EachHasUnitAreaInHertz) {
  constexpr int kFft = 16384;
  for (const MelScale scale : {MelScale::kSlaney, MelScale::kHtk}) {
    const std::vector<float> filters = mel_filters(16000, kFft, 20, 30, 8000, scale);
    ASSERT_EQ(filters.size(), 20u * (kFft / 2 + 1));
    for (auto row = filters.begin(); row != filters.end(); row += kFft / 2 + 1) {
      EXPECT_NEAR(std::accumulate(row, row + kFft / 2 + 1, 0.0) * 16000 / kFft, 1, 1e-3);
    }
  }
}

TEST(MelFilters, AreNeverNegative) {
  const std::vector<float> filters = mel_filters(44100, 2048, 128, 40, 16000, MelScale::kSlaney);
  EXPECT_GE(*std::min_element(filters.begin(), filters.end()), 0.0f);
}

}  // namespace
}  // namespace greenroom::audio
