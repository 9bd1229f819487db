#include "app/event_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <stdexcept>

#include "support/fake_model.h"

namespace greenroom::app {
namespace {

using core::Event;
using core::EventType;
using testing::ElementsAre;

Event event(EventType type, const std::string& model) {
  Event event;
  event.type = type;
  event.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1764081234567));
  event.model_id = model;
  event.model_type = "ddsp_svc";
  event.cause = "to make room";
  return event;
}

TEST(EventHub, GoesToEveryListenerAndToTheHistoryInOrder) {
  EventHistory history(":memory:");
  EventHub hub(&history);
  std::vector<std::string> one;
  std::vector<std::string> other;
  const auto first = hub.subscribe([&](const Event& event) { one.push_back(event.model_id); });
  const auto second = hub.subscribe([&](const Event& event) { other.push_back(event.model_id); });
  for (const char* model : {"a", "b", "c"}) hub.publish(event(EventType::kEvicted, model));
  first.drain();
  second.drain();
  EXPECT_THAT(one, ElementsAre("a", "b", "c"));
  EXPECT_THAT(other, ElementsAre("a", "b", "c"));
  const auto entries = history.query({});
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[2].model_id, "c");
  EXPECT_EQ(entries[2].type, "evicted");
  EXPECT_EQ(entries[2].time_ms, 1764081234567);
  EXPECT_EQ(entries[2].model_type, "ddsp_svc");
  EXPECT_EQ(entries[2].cause, "to make room");
}

TEST(EventHub, ProgressIsHeardAndNotKept) {
  EventHistory history(":memory:");
  EventHub hub(&history);
  int heard = 0;
  const auto listener = hub.subscribe([&](const Event&) { ++heard; });
  hub.publish(event(EventType::kLoadProgress, "a"));
  listener.drain();
  EXPECT_EQ(heard, 1);
  EXPECT_TRUE(history.query({}).empty());
}

TEST(EventHub, AStuckListenerHarmsNobodyElse) {
  EventHub hub(nullptr);
  test::Gate gate;
  constexpr std::size_t kQueue = 4;
  const auto stuck = hub.subscribe([&](const Event&) { gate.pass(); }, kQueue);
  int heard = 0;
  const auto quick = hub.subscribe([&](const Event&) { ++heard; });
  hub.publish(event(EventType::kEvicted, "a"));
  gate.await(1);
  for (int i = 0; i < 10; ++i) hub.publish(event(EventType::kEvicted, "a"));
  quick.drain();
  EXPECT_EQ(heard, 11);
  EXPECT_EQ(stuck.dropped(), 10U - kQueue);
  gate.open();
  stuck.drain();
}

TEST(EventHub, AThrowingListenerGoesOnBeingCalled) {
  EventHub hub(nullptr);
  int called = 0;
  const auto listener = hub.subscribe([&](const Event&) {
    if (++called == 1) throw std::runtime_error("deliberate");
  });
  hub.publish(event(EventType::kEvicted, "a"));
  hub.publish(event(EventType::kEvicted, "b"));
  listener.drain();
  EXPECT_EQ(called, 2);
}

TEST(EventHub, NothingIsHeardAfterTheSubscriptionEnded) {
  EventHub hub(nullptr);
  std::atomic<int> heard{0};
  {
    const auto listener = hub.subscribe([&](const Event&) { ++heard; });
    hub.publish(event(EventType::kEvicted, "a"));
    listener.drain();
  }
  hub.publish(event(EventType::kEvicted, "b"));
  EXPECT_EQ(heard, 1);
}

TEST(EventHub, AListenerMayEndItsOwnSubscription) {
  EventHub hub(nullptr);
  test::Gate ended;
  std::optional<Subscription> listener;
  ended.open();
  listener = hub.subscribe([&](const Event&) {
    listener.reset();
    ended.pass();
  });
  hub.publish(event(EventType::kEvicted, "a"));
  hub.publish(event(EventType::kEvicted, "b"));
  ended.await(1);
  EXPECT_FALSE(listener.has_value());
}

TEST(EventHub, ASubscriptionMayOutliveTheHub) {
  std::optional<EventHub> hub(std::in_place, nullptr);
  const auto listener = hub->subscribe([](const Event&) {});
  hub.reset();
  EXPECT_EQ(listener.dropped(), 0U);
}

}  // namespace
}  // namespace greenroom::app
