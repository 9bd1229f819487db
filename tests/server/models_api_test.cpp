// Models over HTTP, on a real server.
#include <gmock/gmock.h>

#include "server/api_fixture.h"

namespace greenroom::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

using ModelsApi = test::ApiTest;

std::string code(const test::JsonAnswer& answer) {
  return answer.body.value("code", "");
}

TEST_F(ModelsApi, RegistersShowsAndForgets) {
  EXPECT_TRUE(get("/api/v1/models").body["models"].empty());
  const auto added =
      post("/api/v1/models",
           {{"path", (test::demo_voices() / "alto").string()}, {"id", "stage/alto"}, {"device", "cpu"}});
  ASSERT_EQ(added.status, 201) << added.body;
  EXPECT_EQ(added.body["id"], "stage/alto");
  EXPECT_EQ(added.body["type"], "ddsp_svc");
  EXPECT_EQ(added.body["status"], "unloaded");
  EXPECT_EQ(added.body["device"], "cpu");
  EXPECT_TRUE(added.body["registered"]);
  EXPECT_GT(added.body["estimated_bytes"], 1'000'000);
  EXPECT_TRUE(added.body["keep_alive_seconds"].is_null());
  EXPECT_EQ(get("/api/v1/models/stage%2Falto").body["id"], "stage/alto");
  EXPECT_EQ(get("/api/v1/models").body["models"].size(), 1U);
  EXPECT_EQ(get("/api/v1/status").body["models"].size(), 1U);
  // Without an id it gets one that is fit for a path.
  const auto named = post("/api/v1/models", {{"path", (test::demo_voices() / "tenor").string()}});
  EXPECT_THAT(named.body["id"].get<std::string>(), HasSubstr("tenor-"));
  EXPECT_EQ(call("DELETE", "/api/v1/models/stage%2Falto").status, 204);
  EXPECT_EQ(get("/api/v1/models/stage%2Falto").status, 404);
  EXPECT_EQ(call("DELETE", "/api/v1/models/stage%2Falto").status, 404);
}

TEST_F(ModelsApi, TakesModelsFromItsRootsOnly) {
  const test::TempDir elsewhere;
  elsewhere.write("model_0.pt", "x");
  const auto outside = post("/api/v1/models", {{"path", (elsewhere / "model_0.pt").string()}});
  EXPECT_EQ(outside.status, 403);
  EXPECT_THAT(outside.body["detail"].get<std::string>(), HasSubstr("--model-root"));
  // Not by a way around, nor by a link.
  EXPECT_EQ(post("/api/v1/models", {{"path", test::demo_voices().string() + "/../../etc/passwd"}}).status,
            403);
  const test::TempDir root;
  std::filesystem::create_symlink(elsewhere.path(), root / "link");
  start({}, {.model_roots = {root.path()}});
  EXPECT_EQ(post("/api/v1/models", {{"path", (root / "link" / "model_0.pt").string()}}).status, 403);
  EXPECT_EQ(post("/api/v1/estimate", {{"path", (root / "link" / "model_0.pt").string()}}).status, 403);
  EXPECT_EQ(post("/api/v1/models", {{"path", (root / "nothing.pt").string()}}).status, 404);
  EXPECT_EQ(post("/api/v1/models", {{"path", "alto"}}).status, 400);
  const auto listed = get("/api/v1/models/browse?path=" + root.path().string());
  ASSERT_EQ(listed.body["entries"].size(), 1U);
  EXPECT_THAT(listed.body["entries"][0]["problem"].get<std::string>(), HasSubstr("leads out"));
  EXPECT_EQ(get("/api/v1/models/browse?path=/etc").status, 403);
}

TEST_F(ModelsApi, RefusesWhatIsWrongAndNamesIt) {
  add("alto", "alto");
  const std::pair<test::JsonAnswer, int> cases[] = {
      {post("/api/v1/models", base::Json::object()), 400},
      {post("/api/v1/models", {{"path", 3}}), 400},
      {post("/api/v1/models", {{"path", (test::demo_voices() / "alto").string()}, {"id", "a b"}}), 400},
      {post("/api/v1/models", {{"path", (test::demo_voices() / "alto").string()}, {"id", "browse"}}), 400},
      {post("/api/v1/models", {{"path", (test::demo_voices() / "tenor").string()}, {"id", "alto"}}), 409},
      {post("/api/v1/models", {{"path", (test::demo_voices() / "alto").string()}, {"colour", "red"}}), 400},
      {post("/api/v1/models", {{"path", test::demo_voices().string()}}), 404},
      {post("/api/v1/models/nobody/load"), 404},
      {post("/api/v1/models/nobody/unload"), 404},
      {post("/api/v1/models/nobody/cancel"), 404},
      {post("/api/v1/models/alto/unload"), 404},
      {post("/api/v1/models/alto/cancel"), 409},
      {post("/api/v1/models/alto/load", {{"device", "toaster"}}), 400},
      {post("/api/v1/models/alto/load", {{"wait", "no"}}), 400},
      {call("PATCH", "/api/v1/models/nobody", "{}"), 404},
      {call("PATCH", "/api/v1/models/alto", R"({"pinned": 1})"), 400},
      {call("PATCH", "/api/v1/models/alto", R"({"keep_alive_seconds": "long"})"), 400},
      {call("PUT", "/api/v1/models/alto", "{}"), 405},
      {call("POST", "/api/v1/models/alto/load", "{"), 400},
  };
  for (const auto& [answer, status] : cases) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.head, HasSubstr("application/problem+json"));
    EXPECT_FALSE(answer.body["detail"].get<std::string>().empty());
  }
  EXPECT_EQ(get("/api/v1/models/alto").body["device"], "cpu");
}

TEST_F(ModelsApi, KeepsWhatIsWantedOfAModel) {
  add("alto", "alto");
  auto answer = call("PATCH", "/api/v1/models/alto", R"({"pinned": true, "keep_alive_seconds": 30})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body["pinned"]);
  EXPECT_EQ(answer.body["keep_alive_seconds"], 30);
  answer = call("PATCH", "/api/v1/models/alto", R"({"baseline": true})");
  EXPECT_TRUE(answer.body["pinned"]);
  EXPECT_EQ(answer.body["keep_alive_seconds"], 30);
  answer = call("PATCH", "/api/v1/models/alto",
                R"({"pinned": false, "keep_alive_seconds": null, "device": "auto"})");
  EXPECT_FALSE(answer.body["pinned"]);
  EXPECT_TRUE(answer.body["keep_alive_seconds"].is_null());
  EXPECT_EQ(answer.body["device"], "auto");
  start({}, {});
  answer = get("/api/v1/models/alto");
  EXPECT_TRUE(answer.body["baseline"]);
}

TEST_F(ModelsApi, BrowsesItsRoots) {
  const auto roots = get("/api/v1/models/browse");
  EXPECT_EQ(roots.body["entries"][0]["path"], test::demo_voices().string());
  const auto folder = get("/api/v1/models/browse?path=" + (test::demo_voices() / "alto").string());
  EXPECT_EQ(folder.body["parent"], test::demo_voices().string());
  ASSERT_EQ(folder.body["entries"].size(), 1U) << folder.body;
  EXPECT_EQ(folder.body["entries"][0]["kind"], "model");
  EXPECT_EQ(folder.body["entries"][0]["type"], "ddsp_svc");
  EXPECT_GT(folder.body["entries"][0]["bytes"], 1'000'000);
  EXPECT_FALSE(folder.body["entries"][0].contains("registered_as"));
  const auto entry_of = [&](const char* name) {
    const auto above = get("/api/v1/models/browse?path=" + test::demo_voices().string());
    for (const auto& entry : above.body["entries"]) {
      if (entry["name"] == name) return entry;
    }
    return base::Json();
  };
  // A folder that holds a voice is one to open, and a model to take.
  EXPECT_EQ(entry_of("alto")["kind"], "folder");
  EXPECT_EQ(entry_of("alto")["type"], "ddsp_svc");
  EXPECT_EQ(entry_of("alto")["bytes"], folder.body["entries"][0]["bytes"]);
  EXPECT_FALSE(entry_of("pretrain").contains("type"));
  add("alto", "alto");
  EXPECT_EQ(get("/api/v1/models/browse?path=" + (test::demo_voices() / "alto").string())
                .body["entries"][0]["registered_as"],
            "alto");
  EXPECT_EQ(entry_of("alto")["registered_as"], "alto");
  EXPECT_FALSE(entry_of("tenor").contains("registered_as"));
}

TEST_F(ModelsApi, SaysWhatALoadWouldTake) {
  add("alto", "alto");
  add("tenor", "tenor");
  const auto estimate =
      post("/api/v1/estimate", {{"paths", {"alto", (test::demo_voices() / "tenor").string()}}});
  EXPECT_EQ(estimate.status, 200);
  EXPECT_LT(estimate.body["bytes"], estimate.body["bytes_without_sharing"]);
  EXPECT_EQ(post("/api/v1/estimate", {{"path", "alto"}, {"dtype", "int8"}}).status, 400);
  const auto plan = post("/api/v1/plan", {{"load", {"alto", "tenor"}}, {"convert_seconds", 5}});
  EXPECT_EQ(plan.status, 200);
  EXPECT_TRUE(plan.body["fits"]);
  EXPECT_EQ(plan.body["device"], "cpu");
  EXPECT_GE(plan.body["needed_bytes"], estimate.body["bytes"]);
  EXPECT_EQ(post("/api/v1/plan", base::Json::object()).status, 400);
  EXPECT_EQ(post("/api/v1/plan", {{"task", "nothing"}}).status, 404);
  app::Config small;
  small.memory_budgets[base::DeviceId{}] = 1U << 20;
  start(small, {});
  const auto no_room = post("/api/v1/plan", {{"load", {"alto"}}});
  EXPECT_EQ(no_room.status, 200);
  EXPECT_FALSE(no_room.body["fits"]);
  EXPECT_FALSE(no_room.body["problem"].get<std::string>().empty());
}

#if GREENROOM_HAVE_TORCH
TEST_F(ModelsApi, LoadsOnceHoweverOftenItIsAsked) {
  add("alto", "alto");
  std::vector<std::thread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([this] { EXPECT_EQ(post("/api/v1/models/alto/load").status, 200); });
  }
  for (auto& client : clients) client.join();
  auto entry = post("/api/v1/models/alto/load").body;
  EXPECT_EQ(entry["status"], "loaded");
  EXPECT_EQ(entry["holds"], 1);
  EXPECT_EQ(entry["placed"], "cpu");
  EXPECT_EQ(entry["bytes"], entry["estimated_bytes"]);
  EXPECT_EQ(entry["components"].size(), 4U);
  EXPECT_EQ(call("DELETE", "/api/v1/models/alto").status, 409);
  // A second voice shares what both need.
  add("tenor", "tenor");
  EXPECT_EQ(post("/api/v1/models/tenor/load").status, 200);
  entry = get("/api/v1/models/alto").body;
  int shared = 0;
  for (const auto& component : entry["components"])
    shared += component["shared_with"] == base::Json({"tenor"}) ? 1 : 0;
  EXPECT_EQ(shared, 3);
  EXPECT_EQ(post("/api/v1/models/alto/unload").body["status"], "unloaded");
  EXPECT_EQ(get("/api/v1/models/tenor").body["status"], "loaded");
  const auto all = post("/api/v1/models/unload");
  EXPECT_EQ(all.body["unloaded"], base::Json({"tenor"}));
  EXPECT_EQ(get("/api/v1/gpus").body["devices"][0]["ledger"]["resident"], 0);
}

TEST_F(ModelsApi, ALoadThatDoesNotFitSaysSo) {
  app::Config small;
  small.memory_budgets[base::DeviceId{}] = 1U << 20;
  start(small, {});
  add("alto", "alto");
  const auto answer = post("/api/v1/models/alto/load");
  EXPECT_EQ(answer.status, 507);
  EXPECT_EQ(code(answer), "resource_exhausted");
  const auto entry = get("/api/v1/models/alto").body;
  EXPECT_EQ(entry["status"], "error");
  EXPECT_FALSE(entry["error"].get<std::string>().empty());
  EXPECT_FALSE(entry["remedy"].get<std::string>().empty());
}

TEST_F(ModelsApi, IdleModelsGoWhenMemoryIsWanted) {
  add("alto", "alto");
  engine_->registry().preload("alto");
  EXPECT_EQ(get("/api/v1/models/alto").body["holds"], 0);
  EXPECT_GT(post("/api/v1/memory/optimize").body["freed_bytes"], 1'000'000);
  EXPECT_EQ(get("/api/v1/models/alto").body["status"], "unloaded");
  EXPECT_EQ(post("/api/v1/memory/optimize").body["freed_bytes"], 0);
}

TEST_F(ModelsApi, HoldsOfClientsKeepModels) {
  add("alto", "alto");
  const auto hold =
      post("/api/v1/holds", {{"owner", "singer-app"}, {"models", {"alto"}}, {"ttl_seconds", 100}});
  ASSERT_EQ(hold.status, 201) << hold.body;
  EXPECT_EQ(hold.body["models"], base::Json({"alto"}));
  EXPECT_GT(hold.body["remaining_seconds"], 90);
  const std::string path = "/api/v1/holds/" + std::to_string(hold.body["id"].get<int>());
  EXPECT_EQ(post("/api/v1/models/alto/unload").status, 409);
  EXPECT_EQ(post(path + "/heartbeat").status, 200);
  EXPECT_EQ(get("/api/v1/holds").body["holds"].size(), 1U);
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(call("DELETE", path).status, 404);
  EXPECT_EQ(post(path + "/heartbeat").status, 404);
  EXPECT_EQ(post("/api/v1/holds", {{"owner", ""}, {"models", {"alto"}}}).status, 400);
  EXPECT_EQ(post("/api/v1/holds", {{"owner", "x"}, {"models", {"nobody"}}}).status, 404);
  EXPECT_EQ(post("/api/v1/holds", {{"owner", "x"}, {"models", {"alto"}}, {"ttl_seconds", 0}}).status, 400);
  EXPECT_EQ(call("DELETE", "/api/v1/holds/many").status, 400);
}

TEST_F(ModelsApi, TasksLoadAndLetGoTogether) {
  const base::Json profile = {
      {"required_models", {{{"model_path", (test::demo_voices() / "alto").string()}, {"device", "cpu"}}}},
      {"optional_models", {{{"model_path", (test::demo_voices() / "tenor").string()}}}},
      {"auto_cleanup", false}};
  auto answer = call("PUT", "/api/v1/tasks/choir", profile.dump());
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(call("PUT", "/api/v1/tasks/choir", profile.dump()).status, 200);
  const auto preloaded = post("/api/v1/tasks/choir/preload");
  ASSERT_EQ(preloaded.status, 200) << preloaded.body;
  EXPECT_EQ(preloaded.body["required"].size(), 1U);
  EXPECT_EQ(preloaded.body["optional"].size(), 1U);
  EXPECT_GT(preloaded.body["bytes"], 1'000'000);
  EXPECT_EQ(get("/api/v1/tasks/choir").body["held"].size(), 2U);
  EXPECT_EQ(post("/api/v1/plan", {{"task", "choir"}}).body["needed_bytes"], 0);
  EXPECT_EQ(post("/api/v1/tasks/choir/cleanup").body["released"].size(), 2U);
  EXPECT_EQ(call("DELETE", "/api/v1/tasks/choir").status, 204);
  EXPECT_EQ(call("DELETE", "/api/v1/tasks/choir").status, 404);
}

TEST_F(ModelsApi, SpeaksTheRepositoryProtocol) {
  add("alto", "stage/alto");
  auto index = post("/v2/repository/index").body;
  ASSERT_EQ(index.size(), 1U);
  EXPECT_EQ(index[0]["name"], "stage/alto");
  EXPECT_EQ(index[0]["state"], "UNAVAILABLE");
  EXPECT_EQ(get("/v2/models/stage%2Falto/ready").status, 503);
  EXPECT_EQ(post("/v2/repository/models/stage%2Falto/load", {{"parameters", base::Json::object()}}).status,
            200);
  EXPECT_EQ(get("/v2/models/stage%2Falto/ready").status, 200);
  EXPECT_EQ(post("/v2/repository/index", {{"ready", true}}).body[0]["state"], "READY");
  EXPECT_EQ(get("/v2/models/stage%2Falto").body["platform"], "greenroom_ddsp_svc");
  EXPECT_EQ(post("/v2/repository/models/stage%2Falto/unload").status, 200);
  EXPECT_TRUE(post("/v2/repository/index", {{"ready", true}}).body.empty());
}
#endif

TEST_F(ModelsApi, TheRepositoryProtocolHasItsOwnErrors) {
  EXPECT_EQ(get("/v2").body["name"], "greenroom");
  EXPECT_EQ(get("/v2/health/live").status, 200);
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  for (const auto& answer :
       {get("/v2/models/nobody"), get("/v2/models/nobody/ready"), post("/v2/repository/models/nobody/load"),
        post("/v2/repository/models/nobody/unload"), get("/v2/elsewhere")}) {
    EXPECT_EQ(answer.status, 404);
    EXPECT_TRUE(answer.body["error"].is_string()) << answer.body;
  }
  server_->drain();
  EXPECT_EQ(get("/v2/health/ready").status, 503);
  EXPECT_EQ(get("/v2/health/live").status, 200);
}

TEST_F(ModelsApi, TasksAreChecked) {
  EXPECT_GE(get("/api/v1/tasks").body["tasks"].size(), 3U);  // the default ones
  EXPECT_EQ(post("/api/v1/tasks/nothing/preload").status, 404);
  EXPECT_EQ(post("/api/v1/tasks/voice_conversion/preload").status, 409);  // names no model
  EXPECT_EQ(get("/api/v1/tasks/nothing").status, 404);
  const auto bad = [&](const base::Json& profile) {
    return call("PUT", "/api/v1/tasks/choir", profile.dump());
  };
  EXPECT_EQ(bad({{"required_models", {{{"model_path", "/etc/passwd"}}}}}).status, 403);
  EXPECT_THAT(bad({{"required_models", {{{"path", "/x"}}}}}).body["detail"].get<std::string>(),
              HasSubstr("required_models[0].model_path"));
  EXPECT_EQ(bad({{"required_models", "alto"}}).status, 400);
  EXPECT_EQ(bad({{"memory_limit_mb", -1}}).status, 400);
  EXPECT_EQ(bad({{"task_name", "other"}}).status, 400);
}

TEST_F(ModelsApi, TellsTheWholeState) {
  const auto status = get("/api/v1/status").body;
  EXPECT_EQ(status["version"], "9.8.7");
  EXPECT_EQ(status["queue"][0]["device"], "cpu");
  EXPECT_EQ(status["queue"][0]["waiting"], 0);
  EXPECT_GT(status["queue"][0]["limit"], 0);
  EXPECT_GT(status["started_ms"], 1'700'000'000'000);
  EXPECT_TRUE(status["host_cache"]["images"].is_array());
  EXPECT_FALSE(status["monitoring"]["enabled"]);
}

}  // namespace
}  // namespace greenroom::server
