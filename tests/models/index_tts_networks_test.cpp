// Parts of IndexTTS-2's audio networks at lengths that reference cases do not have.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "models/index_tts/regulator.h"
#include "nn/filtered_snake.h"

namespace greenroom {
namespace {

double largest(const torch::Tensor& x) {
  return x.abs().max().item<double>();
}

// The fast way on the CPU works in blocks of 512; its edges and theirs must not show.
TEST(FilteredSnake, TheFastWayIsTheSlowOne) {
  torch::manual_seed(3);
  const nn::FilteredSnake snake(torch::exp(torch::randn({5})), torch::exp(torch::randn({5})));
  for (const std::int64_t length : {1, 2, 3, 4, 6, 7, 511, 512, 513, 514, 515, 518, 1024, 1027, 3000}) {
    const auto x = torch::randn({2, 5, length}) * 3;
    const auto expected = snake.reference(x);
    EXPECT_LT(largest(snake(x) - expected), 2e-6 * largest(expected)) << length;
  }
}

TEST(FilteredSnake, LargeArgumentsOfTheSineStayExact) {
  const nn::FilteredSnake snake(torch::full({1}, 300.0F), torch::full({1}, 1.0F));
  const auto x = torch::linspace(-40, 40, 4001).view({1, 1, -1});
  // In double as the truth; float32 cannot place the product better than a few 1e-4.
  const auto fast = snake(x);
  const auto slow = snake.reference(x);
  EXPECT_LT(largest(fast - slow), 5e-3);
}

TEST(FilteredSnake, TakesViewsThatAreNotContiguous) {
  const nn::FilteredSnake snake(torch::ones({4}), torch::ones({4}));
  const auto wide = torch::randn({1, 4, 100});
  const auto view = wide.slice(2, 10, 90);
  EXPECT_EQ(largest(snake(view) - snake(view.contiguous())), 0);
}

TEST(FilteredSnake, AConstantStaysWhatTheSnakeMakesOfIt) {
  const nn::FilteredSnake snake(torch::full({1}, 0.7F), torch::full({1}, 2.0F));
  const auto y = snake(torch::full({1, 1, 50}, 0.5F));
  const double expected = 0.5 + 2 * std::pow(std::sin(0.35), 2);
  EXPECT_NEAR(y.min().item<double>(), expected, 1e-5);
  EXPECT_NEAR(y.max().item<double>(), expected, 1e-5);
}

TEST(HalfBandFilter, SumsToOneAndIsSymmetric) {
  const auto filter = nn::half_band_filter();
  double sum = 0;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    sum += filter[i];
    EXPECT_EQ(filter[i], filter[filter.size() - 1 - i]);
  }
  EXPECT_NEAR(sum, 1, 1e-6);
}

TEST(TargetFrames, AreTruncatedInSinglePrecision) {
  EXPECT_EQ(models::index_tts::target_frames(1), 1);
  EXPECT_EQ(models::index_tts::target_frames(25), 43);
  EXPECT_EQ(models::index_tts::target_frames(1500), 2580);
}

}  // namespace
}  // namespace greenroom
