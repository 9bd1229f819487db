#include "server/wire.h"

#include <gtest/gtest.h>

namespace greenroom::server {
namespace {

core::ComponentInfo component(const char* kind, std::uint64_t bytes, std::vector<std::string> holders) {
  core::ComponentInfo info;
  info.kind = kind;
  info.file = std::string("/voices/") + kind + ".pt";
  info.bytes = bytes;
  info.state = core::ComponentState::kResident;
  info.holders = std::move(holders);
  return info;
}

// Two voices of 10 bytes that share an encoder of 5.
app::Status two_voices() {
  app::DeviceStatus cpu;
  cpu.name = "a processor";
  cpu.memory = {1000, 900};
  cpu.ledger.capacity = 100;
  cpu.ledger.resident = 25;
  cpu.components = {component("content_encoder", 5, {"alto", "tenor"}), component("voice", 10, {"alto"}),
                    component("voice", 10, {"tenor"})};
  app::Status status;
  status.uptime_seconds = 1.5;
  status.devices.push_back(cpu);
  for (const char* id : {"alto", "tenor"}) {
    core::ModelInfo model;
    model.id = id;
    model.type = "ddsp_svc";
    model.status = core::ModelStatus::kLoaded;
    model.holds = 1;
    model.bytes = 15;
    status.models.push_back(model);
  }
  return status;
}

TEST(Wire, CountsASharedComponentOnce) {
  const auto json = to_json(two_voices(), "1.2.3");
  const auto& device = json["devices"][0];
  ASSERT_EQ(device["components"].size(), 3U);
  std::uint64_t sum = 0;
  for (const auto& entry : device["components"]) sum += entry["bytes"].get<std::uint64_t>();
  EXPECT_EQ(sum, device["ledger"]["resident"]);
  EXPECT_EQ(device["components"][0]["models"], base::Json({"alto", "tenor"}));
  EXPECT_EQ(json["models"][0]["bytes"], 15);
}

TEST(Wire, HasVersionUptimeAndMemory) {
  const auto json = to_json(two_voices(), "1.2.3");
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["uptime_seconds"], 1.5);
  EXPECT_EQ(json["devices"][0]["id"], "cpu");
  EXPECT_EQ(json["devices"][0]["memory"]["free"], 900);
  EXPECT_EQ(json["devices"][0]["ledger"]["free"], 75);
  EXPECT_EQ(json["models"][1]["status"], "loaded");
}

TEST(Wire, ErrorsAndProblemsAppearOnlyWhenThereAreSome) {
  auto status = two_voices();
  EXPECT_FALSE(to_json(status, "")["devices"][0].contains("problem"));
  EXPECT_FALSE(to_json(status, "")["models"][0].contains("error"));
  status.devices[0].problem = "lost";
  status.models[0].error = "damaged file";
  EXPECT_EQ(to_json(status, "")["devices"][0]["problem"], "lost");
  EXPECT_EQ(to_json(status, "")["models"][0]["error"], "damaged file");
}

}  // namespace
}  // namespace greenroom::server
