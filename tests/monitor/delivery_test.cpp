#include "monitor/delivery.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

namespace greenroom::monitor {
namespace {

TEST(Delivery, RunsJobsInOrder) {
  std::vector<int> done;
  Delivery delivery("toy");
  for (int i = 0; i < 100; ++i) delivery.post([&done, i] { done.push_back(i); });
  delivery.drain();
  ASSERT_EQ(done.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
}

TEST(Delivery, AJobThatThrowsIsCountedAndTheNextRuns) {
  bool ran = false;
  Delivery delivery("toy");
  delivery.post([] { throw std::runtime_error("no"); });
  delivery.post([] { throw 1; });
  delivery.post([&] { ran = true; });
  delivery.drain();
  EXPECT_TRUE(ran);
  EXPECT_EQ(delivery.failed(), 2u);
}

TEST(Delivery, BehindASlowJobTheOldestAreDropped) {
  std::promise<void> begun, go;
  std::vector<int> done;
  Delivery delivery("toy", 3);
  delivery.post([&] {
    begun.set_value();
    go.get_future().wait();
  });
  begun.get_future().wait();
  for (int i = 0; i < 5; ++i) delivery.post([&done, i] { done.push_back(i); });
  go.set_value();
  delivery.drain();
  EXPECT_EQ(done, (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(delivery.dropped(), 2u);
}

TEST(Delivery, EndsWithTheJobUnderWay) {
  std::promise<void> begun, go;
  bool finished = false;
  int later = 0;
  auto delivery = std::make_unique<Delivery>("toy");
  delivery->post([&] {
    begun.set_value();
    go.get_future().wait();
    finished = true;
  });
  begun.get_future().wait();
  delivery->post([&] { ++later; });
  go.set_value();
  delivery->end();
  delivery->post([&] { ++later; });
  delivery->drain();
  EXPECT_TRUE(finished);
  EXPECT_LE(later, 1);
}

}  // namespace
}  // namespace greenroom::monitor
