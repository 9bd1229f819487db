#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>

#include "app/default_tasks.h"
#include "base/error.h"
#include "support/environment.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::DeviceId;
using base::DeviceKind;
using testing::AllOf;
using testing::HasSubstr;

// No variable of the machine the tests run on gets in.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    for (const char* name : {"GREENROOM_CONFIG", "GREENROOM_DEVICE", "GREENROOM_DEBUG",
                             "CREATYOURVOICE_CONFIG", "CREATYOURVOICE_DEVICE", "CREATYOURVOICE_DEBUG",
                             "GREENROOM_API_KEY", "CREATYOURVOICE_API_KEY", "XDG_CACHE_HOME"}) {
      clean_.emplace_back(name, nullptr);
    }
  }

  Config read(std::string_view yaml) { return load_config(dir_.write("config.yaml", yaml)); }

  std::string error_of(std::string_view yaml) {
    try {
      read(yaml);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      return error.what();
    }
    ADD_FAILURE() << "no error for " << yaml;
    return "";
  }

  test::TempDir dir_;

 private:
  std::deque<test::ScopedVariable> clean_;
};

TEST_F(ConfigTest, ReadsHowItIsServed) {
  const auto config = read(
      "ui: {api_key: secret, allowed_hosts: [studio.example], max_upload_mb: 3, max_audio_mb: 5, "
      "max_connections: 9}\n"
      "system: {model_roots: [voices, /srv/voices]}\n");
  EXPECT_EQ(config.api_key, "secret");
  EXPECT_EQ(config.allowed_hosts, std::vector<std::string>{"studio.example"});
  EXPECT_EQ(config.max_upload_bytes, 3U << 20);
  EXPECT_EQ(config.max_audio_bytes, 5U << 20);
  EXPECT_EQ(config.max_connections, 9);
  ASSERT_EQ(config.model_roots.size(), 2U);
  EXPECT_EQ(config.model_roots[0], dir_ / "voices");
  EXPECT_EQ(config.model_roots[1], "/srv/voices");
  EXPECT_FALSE(config.no_auth);
  const test::ScopedVariable key("GREENROOM_API_KEY", "another");
  EXPECT_EQ(read("ui: {api_key: secret}").api_key, "another");
  EXPECT_THAT(error_of("ui: {allowed_hosts: studio}"), HasSubstr("a list of host names"));
  EXPECT_THAT(error_of("ui: {max_connections: 0}"), HasSubstr("from 1 to 10000"));
  EXPECT_THAT(error_of("system: {model_roots: [[]]}"), HasSubstr("a list of folders"));
}

TEST_F(ConfigTest, HasDefaultsWithoutAFile) {
  const Config config = load_config(std::nullopt);
  EXPECT_EQ(config.device, "auto");
  EXPECT_EQ(config.host, "127.0.0.1");
  EXPECT_EQ(config.port, 7860);
  EXPECT_EQ(config.log_level, "WARNING");
  EXPECT_TRUE(config.memory_budgets.empty());
}

TEST_F(ConfigTest, ReadsHowTheDevicesAreWatched) {
  const auto config = read(R"(
gpu:
  memory_monitoring_enabled: false
  memory_monitoring_interval: 0.5
  alert_warning_percent: 60
  alert_webhook_url: http://localhost:9/hook
)");
  EXPECT_FALSE(config.monitoring.enabled);
  EXPECT_EQ(config.monitoring.interval_seconds, 0.5);
  EXPECT_EQ(config.monitoring.warning_percent, 60);
  EXPECT_EQ(config.monitoring.critical_percent, 90);
  EXPECT_EQ(config.monitoring.webhook_url, "http://localhost:9/hook");
  EXPECT_TRUE(config.notices.empty());
  EXPECT_THAT(error_of("gpu: {memory_monitoring_interval: 0}"), HasSubstr("from 0.1 to 3600"));
  EXPECT_THAT(error_of("gpu: {memory_monitoring_interval: .nan}"), HasSubstr("from 0.1 to 3600"));
  EXPECT_THAT(error_of("gpu: {alert_webhook_url: gopher}"), HasSubstr("http://"));
  EXPECT_THAT(error_of("gpu: {memory_history_kept: 7}"), HasSubstr("true or false"));
  EXPECT_THAT(error_of("gpu: {alert_warning_percent: 95}"), HasSubstr("above gpu.alert_critical_percent 90"));
}

TEST_F(ConfigTest, ReadsEverySetting) {
  const Config config = read(R"(
gpu: {memory_budgets: {cpu: 2GiB, "cuda:1": 512 MiB}, auto_cleanup_enabled: false, cleanup_threshold_percent: 70.5,
      idle_timeout_minutes: 5, max_memory_usage_percent: 75, eviction_policy: lru, min_residence_seconds: 4}
system: {device: "cuda:1", log_level: info, threads: 3, share_equal_files: false, cache_dir: /var/cache/greenroom,
         restore: held, max_events: 7}
ui: {host: 0.0.0.0, port: 8000}
ddsp_svc: {pretrain_dir: /srv/pretrain}
)");
  const DeviceId second_gpu{DeviceKind::kCuda, 1};
  EXPECT_EQ(config.memory_budgets.at(DeviceId{}), 2ULL << 30);
  EXPECT_EQ(config.memory_budgets.at(second_gpu), 512ULL << 20);
  EXPECT_EQ(config.device, "cuda:1");
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.threads, 3);
  EXPECT_FALSE(config.share_equal_files);
  EXPECT_EQ(config.cache_dir, "/var/cache/greenroom");
  EXPECT_EQ(config.restore, Restore::kHeld);
  EXPECT_EQ(config.max_events, 7U);
  EXPECT_EQ(config.gpu, (GpuSettings{false, 70.5, 5}));
  EXPECT_EQ(config.max_memory_usage_percent, 75);
  EXPECT_EQ(config.eviction_policy, core::EvictionPolicy::kLru);
  EXPECT_EQ(config.min_residence_seconds, 4);
  EXPECT_EQ(config.host, "0.0.0.0");
  EXPECT_EQ(config.port, 8000);
  EXPECT_EQ(config.pretrain_dir, "/srv/pretrain");
  EXPECT_TRUE(config.notices.empty());
}

TEST_F(ConfigTest, FoldersAreRelativeToTheFile) {
  EXPECT_EQ(read("ddsp_svc: {pretrain_dir: pretrain}").pretrain_dir, dir_ / "pretrain");
}

TEST_F(ConfigTest, StateIsKeptWhereTheSystemKeepsSuchThings) {
  const test::ScopedVariable home("HOME", "/home/alice");
  EXPECT_EQ(load_config(std::nullopt).cache_dir, "/home/alice/.cache/greenroom");
  const test::ScopedVariable relative("XDG_CACHE_HOME", "cache");
  EXPECT_EQ(load_config(std::nullopt).cache_dir, "/home/alice/.cache/greenroom");
  const test::ScopedVariable cache("XDG_CACHE_HOME", "/scratch/alice");
  EXPECT_EQ(load_config(std::nullopt).cache_dir, "/scratch/alice/greenroom");
  EXPECT_EQ(read("system: {cache_dir: state}").cache_dir, dir_ / "state");
}

TEST_F(ConfigTest, AnEmptyFileEmptySectionsAndEmptySettingsChangeNothing) {
  EXPECT_EQ(read("").port, 7860);
  EXPECT_EQ(read("ui:\n").port, 7860);
  EXPECT_EQ(read("ui:\n  port:\n").port, 7860);
}

TEST_F(ConfigTest, SettingsNotUsedYetAreToldQuietly) {
  const Config config = read("index_tts: {use_cuda_kernel: x}\naudio: {sample_rate: 48000}");
  ASSERT_EQ(config.notices.size(), 2U);
  EXPECT_EQ(config.notices[0].level, base::LogLevel::kInfo);
  EXPECT_THAT(config.notices[0].message, HasSubstr("index_tts.use_cuda_kernel"));
  EXPECT_EQ(config.notices[1].level, base::LogLevel::kInfo);
}

TEST_F(ConfigTest, MisspeltBudgetsAndSectionsAreWarnings) {
  const Config config = read("gpu: {memory_budget: {cpu: 1GiB}}\ngpus: {}");
  ASSERT_EQ(config.notices.size(), 2U);
  EXPECT_EQ(config.notices[0].level, base::LogLevel::kWarning);
  EXPECT_THAT(config.notices[0].message, HasSubstr("gpu.memory_budget"));
  EXPECT_EQ(config.notices[1].level, base::LogLevel::kWarning);
  EXPECT_THAT(config.notices[1].message, HasSubstr("\"gpus\""));
}

TEST_F(ConfigTest, WrongTypesNameFileKeyAndValue) {
  EXPECT_THAT(error_of("ui: {port: many}"),
              AllOf(HasSubstr("config.yaml"), HasSubstr("ui.port"), HasSubstr("many")));
  EXPECT_THAT(error_of("ui: {port: 65536}"), AllOf(HasSubstr("ui.port"), HasSubstr("65535")));
  EXPECT_THAT(error_of("system: {threads: 1.5}"), HasSubstr("system.threads"));
  EXPECT_THAT(error_of("system: {share_equal_files: 7}"), HasSubstr("true or false"));
  EXPECT_THAT(error_of("system: {device: [cpu]}"), HasSubstr("system.device"));
  EXPECT_THAT(error_of("system: {log_level: loud}"),
              AllOf(HasSubstr("system.log_level"), HasSubstr("DEBUG")));
  EXPECT_THAT(error_of("system: {restore: all}"), AllOf(HasSubstr("system.restore"), HasSubstr("held")));
  EXPECT_THAT(error_of("gpu: {cleanup_threshold_percent: 101}"),
              AllOf(HasSubstr("gpu.cleanup_threshold_percent"), HasSubstr("101"), HasSubstr("100")));
  EXPECT_THAT(error_of("gpu: {idle_timeout_minutes: nan}"), HasSubstr("gpu.idle_timeout_minutes"));
  EXPECT_THAT(error_of("gpu: {auto_cleanup_enabled: perhaps}"), HasSubstr("true or false"));
  EXPECT_THAT(error_of("ddsp_svc: 3"), HasSubstr("ddsp_svc"));
  EXPECT_THAT(error_of("gpu: {memory_budgets: 2GiB}"), HasSubstr("gpu.memory_budgets"));
  EXPECT_THAT(error_of("gpu: {memory_budgets: {cpu: lots}}"),
              AllOf(HasSubstr("gpu.memory_budgets.cpu"), HasSubstr("lots")));
  EXPECT_THAT(error_of("gpu: {memory_budgets: {tpu: 1GiB}}"), HasSubstr("gpu.memory_budgets.tpu"));
  EXPECT_THAT(error_of("- a\n- b"), HasSubstr("not a map"));
  EXPECT_THAT(error_of("a: [b"), HasSubstr("not valid YAML"));
}

TEST_F(ConfigTest, AFileThatIsNotThereIsNamed) {
  for (const auto& path : {dir_ / "none.yaml", dir_.path()}) {
    try {
      load_config(path);
      FAIL() << path;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kNotFound);
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
    }
  }
}

TEST_F(ConfigTest, VariablesOutweighTheFileAndOurNamesTheOldOnes) {
  const auto file = dir_.write("named.yaml", "system: {device: cpu}\nui: {port: 1234}");
  const test::ScopedVariable config("CREATYOURVOICE_CONFIG", file.c_str());
  const test::ScopedVariable old_device("CREATYOURVOICE_DEVICE", "cuda:0");
  EXPECT_EQ(load_config(std::nullopt).port, 1234);
  EXPECT_EQ(load_config(std::nullopt).device, "cuda:0");
  const test::ScopedVariable device("GREENROOM_DEVICE", "cuda:1");
  EXPECT_EQ(load_config(std::nullopt).device, "cuda:1");
}

TEST_F(ConfigTest, DebugVariableRaisesTheLogLevelUnlessItSaysNo) {
  const test::ScopedVariable off("CREATYOURVOICE_DEBUG", "0");
  EXPECT_EQ(load_config(std::nullopt).log_level, "WARNING");
  const test::ScopedVariable on("CREATYOURVOICE_DEBUG", "1");
  EXPECT_EQ(load_config(std::nullopt).log_level, "DEBUG");
}

TEST(MemoryBudget, ReadsDeviceAndSize) {
  Config config;
  set_memory_budget(config, "cpu=2GiB");
  set_memory_budget(config, "cuda:0=1.5GB");
  set_memory_budget(config, "cpu=3GiB");  // the last one counts
  const DeviceId gpu{DeviceKind::kCuda, 0};
  EXPECT_EQ(config.memory_budgets.at(DeviceId{}), 3ULL << 30);
  EXPECT_EQ(config.memory_budgets.at(gpu), 1'500'000'000ULL);
}

TEST(MemoryBudget, RefusesWhatIsNone) {
  for (const char* text : {"", "cpu", "cpu=", "=2GiB", "cpu=0", "cpu=-1", "cpu=two", "auto=1GiB"}) {
    Config config;
    EXPECT_THROW(set_memory_budget(config, text), base::Error) << text;
  }
}

TEST_F(ConfigTest, ReadsTheRequestQueues) {
  const Config config = read(R"(
gpu: {max_waiting_requests: 9, concurrent_requests: 2, group_wait_seconds: 3, longest_wait_seconds: 40}
)");
  EXPECT_EQ(config.queue.capacity, 9U);
  EXPECT_EQ(config.queue.concurrency, 2);
  EXPECT_EQ(config.queue.schedule.group_wait, std::chrono::seconds(3));
  EXPECT_EQ(config.queue.schedule.longest_wait, std::chrono::seconds(40));
  EXPECT_THAT(error_of("gpu: {concurrent_requests: 0}"), HasSubstr("from 1 to"));
}

TEST_F(ConfigTest, ReadsTasks) {
  const Config config = read(R"(
ddsp_svc: {model_path: exp/house}
tasks:
  show:
    required: [exp/alto, {path: exp/tenor, type: ddsp_svc, device: cpu}]
    optional: [{path: exp/bass, priority: 3}]
    memory_limit_mb: 500
    auto_cleanup: false
)");
  ASSERT_EQ(config.tasks.size(), 1U);
  const auto& task = config.tasks[0];
  EXPECT_EQ(task.task_name, "show");
  ASSERT_EQ(task.required_models.size(), 2U);
  EXPECT_EQ(task.required_models[0].model_path, dir_.path() / "exp/alto");
  EXPECT_EQ(task.required_models[0].device, "auto");
  EXPECT_EQ(task.required_models[1].model_type, "ddsp_svc");
  EXPECT_EQ(task.required_models[1].device, "cpu");
  EXPECT_EQ(task.optional_models.at(0).priority, 3);
  EXPECT_EQ(task.memory_limit_mb, 500U);
  EXPECT_FALSE(task.auto_cleanup);

  const auto tasks = default_tasks(config);
  ASSERT_EQ(tasks.size(), 4U);
  EXPECT_EQ(tasks[1].task_name, "voice_conversion");
  EXPECT_EQ(tasks[1].required_models.at(0).model_path, dir_.path() / "exp/house");
  EXPECT_TRUE(tasks[0].required_models.empty());
}

TEST_F(ConfigTest, SaysWhatIsWrongWithATask) {
  EXPECT_THAT(error_of("tasks: [a]"), HasSubstr("a map from names to tasks"));
  EXPECT_THAT(error_of("tasks: {a: {require: []}}"),
              AllOf(HasSubstr("tasks.a.require"), HasSubstr("required")));
  EXPECT_THAT(error_of("tasks: {a: {required: x}}"), HasSubstr("must be a list"));
  EXPECT_THAT(error_of("tasks: {a: {required: [{type: ddsp_svc}]}}"), HasSubstr("the path is missing"));
  EXPECT_THAT(error_of("tasks: {a: {memory_limit_mb: -1}}"), HasSubstr("negative"));
  EXPECT_THAT(error_of("tasks: {a: {memory_limit_mb: lots}}"), HasSubstr("whole number"));
}

TEST_F(ConfigTest, ATaskOfTheFileReplacesTheDefaultOfItsName) {
  const auto tasks = default_tasks(read("tasks: {voice_conversion: {required: [exp/alto]}}"));
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_EQ(tasks[1].required_models.size(), 1U);
}

}  // namespace
}  // namespace greenroom::app
