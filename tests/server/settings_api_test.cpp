// Settings over HTTP, on a real server.
#include <gmock/gmock.h>

#include "server/api_fixture.h"

namespace greenroom::server {
namespace {

using testing::HasSubstr;

class SettingsApi : public test::ApiTest {
 protected:
  base::Json setting(const std::string& name) const {
    const auto answer = get("/api/v1/settings");
    for (const auto& one : answer.body["settings"]) {
      if (one["name"] == name) return one;
    }
    return {};
  }
  test::JsonAnswer change(const base::Json& changes) const {
    return call("PATCH", "/api/v1/settings", changes.dump());
  }
};

TEST_F(SettingsApi, ChangesHoldAtOnceAndAreKept) {
  EXPECT_EQ(setting("gpu.idle_timeout_minutes")["value"], 30);
  EXPECT_FALSE(setting("gpu.idle_timeout_minutes")["kept"]);
  EXPECT_EQ(change({{"gpu.idle_timeout_minutes", 20},
                    {"gpu.auto_cleanup_enabled", false},
                    {"gpu.eviction_policy", "lru"}})
                .status,
            200);
  EXPECT_EQ(engine_->gpu_settings().idle_timeout_minutes, 20);
  EXPECT_FALSE(engine_->gpu_settings().auto_cleanup_enabled);
  start({}, {});
  const auto kept = setting("gpu.idle_timeout_minutes");
  EXPECT_EQ(kept["value"], 20);
  EXPECT_EQ(kept["default"], 30);
  EXPECT_TRUE(kept["kept"]);
  EXPECT_EQ(setting("gpu.eviction_policy")["value"], "lru");
  EXPECT_EQ(change({{"gpu.idle_timeout_minutes", nullptr}}).status, 200);
  EXPECT_EQ(engine_->gpu_settings().idle_timeout_minutes, 30);
  EXPECT_FALSE(setting("gpu.idle_timeout_minutes")["kept"]);
}

TEST_F(SettingsApi, WhatIsNotLiveHoldsFromTheNextStart) {
  EXPECT_FALSE(setting("gpu.max_waiting_requests")["live"]);
  change({{"gpu.max_waiting_requests", 3}});
  EXPECT_EQ(get("/api/v1/status").body["queue"][0]["limit"], 64);
  start({}, {});
  EXPECT_EQ(get("/api/v1/status").body["queue"][0]["limit"], 3);
}

TEST_F(SettingsApi, AllOrNone) {
  const auto answer = change({{"gpu.idle_timeout_minutes", 20}, {"gpu.cleanup_threshold_percent", 500}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body["detail"].get<std::string>(), HasSubstr("gpu.cleanup_threshold_percent is 500"));
  EXPECT_EQ(setting("gpu.idle_timeout_minutes")["value"], 30);
  for (const base::Json& wrong :
       {base::Json{{"gpu.colour", 1}}, base::Json{{"gpu.auto_cleanup_enabled", "yes"}},
        base::Json{{"gpu.eviction_policy", "random"}}, base::Json{{"gpu.concurrent_requests", 1.5}},
        base::Json{{"gpu.alert_warning_percent", 99}, {"gpu.alert_critical_percent", 50}}}) {
    EXPECT_EQ(change(wrong).status, 400) << wrong;
  }
}

TEST_F(SettingsApi, ThresholdsOfAlertsHoldAtOnce) {
  engine_->monitoring().monitor().sample();
  EXPECT_TRUE(get("/api/v1/alerts").body["firing"].empty());
  EXPECT_EQ(change({{"gpu.alert_host_warning_percent", 1}, {"gpu.alert_host_critical_percent", 100}}).status,
            200);
  engine_->monitoring().monitor().sample();
  const auto firing = get("/api/v1/alerts").body["firing"];
  ASSERT_EQ(firing.size(), 1U);
  EXPECT_EQ(firing[0]["level"], "warning");
}

TEST_F(SettingsApi, AConfigurationReadAgainChangesWhatWasNotChangedSince) {
  change({{"gpu.idle_timeout_minutes", 20}});
  app::Config fresh = engine_->config();
  fresh.gpu.idle_timeout_minutes = 5;
  fresh.gpu.cleanup_threshold_percent = 70;
  fresh.queue.capacity = 9;
  fresh.threads = 7;
  EXPECT_THAT(engine_->reload(fresh),
              testing::UnorderedElementsAre("gpu.max_waiting_requests", "system.threads"));
  EXPECT_EQ(engine_->gpu_settings().idle_timeout_minutes, 20);
  EXPECT_EQ(engine_->gpu_settings().cleanup_threshold_percent, 70);
  EXPECT_EQ(setting("gpu.idle_timeout_minutes")["default"], 5);
  change({{"gpu.idle_timeout_minutes", nullptr}});
  EXPECT_EQ(engine_->gpu_settings().idle_timeout_minutes, 5);
}

}  // namespace
}  // namespace greenroom::server
