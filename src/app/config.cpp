#include "app/config.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "app/config_tasks.h"
#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr int kMaxPort = 65535;
constexpr int kMaxThreads = 1024;
constexpr int kMaxConnections = 10'000;
constexpr int kMaxMegabytes = 1 << 24;

// Sections of which some settings are read, or will be.
constexpr std::array<std::string_view, 6> kSections = {"gpu",    "ddsp_svc", "index_tts",
                                                       "system", "ui",       "audio"};
// All settings of `gpu` beside those of the monitor, so that a misspelt budget does not go unnoticed.
constexpr std::array<std::string_view, 10> kGpuSettings = {
    "memory_budgets",     "host_cache_mb",         "idle_timeout_minutes", "max_memory_usage_percent",
    "eviction_policy",    "min_residence_seconds", "max_waiting_requests", "concurrent_requests",
    "group_wait_seconds", "longest_wait_seconds",
};
constexpr int kMaxWaiting = 100'000;
constexpr int kMaxConcurrent = 64;
constexpr int kMaxWaitSeconds = 24 * 3600;
constexpr int kMaxEvents = 10'000'000;
constexpr int kMaxResidenceSeconds = 86'400;

bool is_precision(std::string_view name) {
  return name == "auto" || name == "float32" || name == "float16" || name == "bfloat16";
}

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::optional<std::string> variable(const char* name) {
  for (const char* prefix : {"GREENROOM_", "CREATYOURVOICE_"}) {
    const char* value = std::getenv((std::string(prefix) + name).c_str());
    if (value != nullptr && *value != 0) return value;
  }
  return std::nullopt;
}

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

std::optional<std::pair<base::DeviceId, std::uint64_t>> parse_budget(std::string_view device,
                                                                     std::string_view size) {
  const auto id = base::parse_device_id(device);
  const auto bytes = base::parse_bytes(size);
  if (!id || !bytes || *bytes == 0) return std::nullopt;
  return std::pair{*id, *bytes};
}

// One setting on its way from the file into a Config.
class Setting {
 public:
  Setting(const fs::path& file, std::string key, const YAML::Node& value)
      : folder_(file.parent_path()),
        label_(fmt::format("{}: {}", file.string(), key)),
        key_(std::move(key)),
        value_(value) {}

  // False when nothing reads it (yet).
  bool apply(Config& config) const {
    constexpr std::string_view kGpu = "gpu.";
    if (key_.starts_with(kGpu) && value_.IsScalar() &&
        set_gpu_setting(config.gpu, key_.substr(kGpu.size()), value_.Scalar(), label_)) {
      return true;
    }
    return apply_gpu(config) || apply_model(config) || apply_system(config) || apply_ui(config);
  }

 private:
  [[noreturn]] void wrong(const std::string& expected) const {
    const std::string is = value_.IsScalar() ? fmt::format("\"{}\"", value_.Scalar()) : "a list or a map";
    fail(fmt::format("{} is {}; {}", label_, is, expected));
  }

  std::string text() const {
    if (!value_.IsScalar() || value_.Scalar().empty()) wrong("it must be a text");
    return value_.Scalar();
  }

  int number(int low, int high) const {
    int result = 0;
    if (!value_.IsScalar() || !YAML::convert<int>::decode(value_, result) || result < low || result > high) {
      wrong(fmt::format("it must be a whole number from {} to {}", low, high));
    }
    return result;
  }

  bool yes_or_no() const {
    bool result = false;
    if (!value_.IsScalar() || !YAML::convert<bool>::decode(value_, result)) wrong("it must be true or false");
    return result;
  }

  bool apply_gpu(Config& config) const {
    if (key_ == "gpu.memory_budgets") {
      read_budgets(config);
    } else if (key_ == "gpu.host_cache_mb") {
      config.host_cache_bytes = static_cast<std::uint64_t>(number(0, kMaxMegabytes)) << 20;
    } else if (key_ == "gpu.max_memory_usage_percent") {
      config.max_memory_usage_percent = number(1, 100);
    } else if (key_ == "gpu.eviction_policy") {
      const auto policy = core::parse_eviction_policy(text());
      if (!policy) wrong("it must be cost or lru");
      config.eviction_policy = *policy;
    } else if (key_ == "gpu.min_residence_seconds") {
      config.min_residence_seconds = number(0, kMaxResidenceSeconds);
    } else if (key_ == "gpu.max_waiting_requests") {
      config.queue.capacity = static_cast<std::size_t>(number(0, kMaxWaiting));
    } else if (key_ == "gpu.concurrent_requests") {
      config.queue.concurrency = number(1, kMaxConcurrent);
    } else if (key_ == "gpu.group_wait_seconds") {
      config.queue.schedule.group_wait = std::chrono::seconds(number(0, kMaxWaitSeconds));
    } else if (key_ == "gpu.longest_wait_seconds") {
      config.queue.schedule.longest_wait = std::chrono::seconds(number(1, kMaxWaitSeconds));
    } else {
      return key_.starts_with("gpu.") && apply_monitoring(config.monitoring, key_.substr(4));
    }
    return true;
  }

  bool apply_model(Config& config) const {
    if (key_ == "ddsp_svc.model_path") {
      config.ddsp_svc_model = folder_ / text();
    } else if (key_ == "ddsp_svc.pretrain_dir") {
      config.pretrain_dir = folder_ / text();
    } else if (key_ == "index_tts.model_dir") {
      config.index_tts_model = folder_ / text();
      config.index_tts_search.push_back(config.index_tts_model);
    } else if (key_ == "index_tts.search_dirs") {
      read_folders(config.index_tts_search);
    } else if (key_ == "index_tts.precision") {
      config.index_tts_precision = text();
      if (!is_precision(config.index_tts_precision)) wrong("it must be auto, float32, float16 or bfloat16");
    } else {
      return false;
    }
    return true;
  }

  bool apply_system(Config& config) const {
    if (key_ == "system.device") {
      config.device = text();
    } else if (key_ == "system.cache_dir") {
      config.cache_dir = folder_ / text();
    } else if (key_ == "system.restore") {
      const auto restore = parse_restore(text());
      if (!restore) wrong("it must be kept, held or none");
      config.restore = *restore;
    } else if (key_ == "system.max_events") {
      config.max_events = static_cast<std::size_t>(number(1, kMaxEvents));
    } else if (key_ == "system.log_level") {
      config.log_level = text();
      if (!is_log_level(config.log_level)) wrong("it must be DEBUG, INFO, WARNING or ERROR");
    } else if (key_ == "system.threads") {
      config.threads = number(0, kMaxThreads);
    } else if (key_ == "system.worker_processes") {
      config.worker_processes = yes_or_no();
    } else if (key_ == "system.worker_idle_seconds") {
      config.worker_idle_seconds = number(0, kMaxResidenceSeconds);
    } else if (key_ == "system.share_equal_files") {
      config.share_equal_files = yes_or_no();
    } else if (key_ == "system.model_roots") {
      read_folders(config.model_roots);
    } else {
      return false;
    }
    return true;
  }

  bool apply_ui(Config& config) const {
    if (key_ == "ui.host") {
      config.host = text();
    } else if (key_ == "ui.port") {
      config.port = number(0, kMaxPort);
    } else if (key_ == "ui.api_key") {
      config.api_key = text();
    } else if (key_ == "ui.allowed_hosts") {
      read_texts(config.allowed_hosts, "a list of host names");
    } else if (key_ == "ui.max_upload_mb") {
      config.max_upload_bytes = static_cast<std::uint64_t>(number(1, kMaxMegabytes)) << 20;
    } else if (key_ == "ui.max_audio_mb") {
      config.max_audio_bytes = static_cast<std::uint64_t>(number(1, kMaxMegabytes)) << 20;
    } else if (key_ == "ui.max_connections") {
      config.max_connections = number(1, kMaxConnections);
    } else {
      return false;
    }
    return true;
  }

  double real(double low, double high) const {
    double result = 0;
    if (!value_.IsScalar() || !YAML::convert<double>::decode(value_, result) ||
        !(result >= low && result <= high)) {
      wrong(fmt::format("it must be a number from {} to {}", low, high));
    }
    return result;
  }

  bool apply_monitoring(MonitoringSettings& settings, const std::string& name) const {
    if (const auto* setting = find_monitoring_number(name)) {
      settings.*setting->field = real(setting->low, setting->high);
    } else if (const auto* toggle = find_monitoring_switch(name)) {
      settings.*toggle->field = yes_or_no();
    } else if (name == kWebhookKey) {
      settings.webhook_url = text();
      if (!settings.webhook_url.starts_with("http://") && !settings.webhook_url.starts_with("https://")) {
        wrong("it must begin with http:// or https://");
      }
    } else {
      return false;
    }
    return true;
  }

  void read_texts(std::vector<std::string>& texts, const char* what) const {
    if (!value_.IsSequence()) wrong(fmt::format("it must be {}", what));
    for (const auto& entry : value_) {
      if (!entry.IsScalar() || entry.Scalar().empty()) wrong(fmt::format("it must be {}", what));
      texts.push_back(entry.Scalar());
    }
  }

  void read_folders(std::vector<fs::path>& folders) const {
    std::vector<std::string> names;
    read_texts(names, "a list of folders");
    for (const auto& name : names) folders.push_back(folder_ / name);
  }

  void read_budgets(Config& config) const {
    if (!value_.IsMap()) wrong("it must be a map such as {cpu: 2GiB}");
    for (const auto& entry : value_) {
      const std::string device = entry.first.IsScalar() ? entry.first.Scalar() : "";
      const std::string size = entry.second.IsScalar() ? entry.second.Scalar() : "";
      const auto budget = parse_budget(device, size);
      if (!budget) {
        fail(fmt::format("{}.{} is \"{}\"; it must be a size, and its name a device, as in cpu: 2GiB", label_,
                         device, size));
      }
      config.memory_budgets[budget->first] = budget->second;
    }
  }

  fs::path folder_;
  std::string label_;
  std::string key_;
  YAML::Node value_;
};

YAML::Node parse_file(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    throw Error(ErrorCode::kNotFound, fmt::format("{}: there is no such configuration file", file.string()));
  }
  try {
    return YAML::LoadFile(file.string());
  } catch (const YAML::BadFile&) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{}: the configuration file cannot be read", file.string()));
  } catch (const YAML::Exception& error) {
    fail(fmt::format("{}: not valid YAML: {}", file.string(), error.what()));
  }
}

void read_section(Config& config, const fs::path& file, const std::string& section, const YAML::Node& node) {
  if (node.IsNull()) return;
  if (!node.IsMap()) fail(fmt::format("{}: {} must be a map of settings", file.string(), section));
  for (const auto& entry : node) {
    if (entry.second.IsNull()) continue;
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const std::string key = fmt::format("{}.{}", section, name);
    if (Setting(file, key, entry.second).apply(config)) continue;
    const bool misspelt = section == "gpu" && !contains(kGpuSettings, name) && !is_monitoring_setting(name);
    config.notices.push_back(
        misspelt ? ConfigNotice{base::LogLevel::kWarning,
                                fmt::format("{}: there is no setting {}", file.string(), key)}
                 : ConfigNotice{base::LogLevel::kInfo,
                                fmt::format("{}: the setting {} is not used yet", file.string(), key)});
  }
}

void read_file(Config& config, const fs::path& file) {
  const YAML::Node root = parse_file(file);
  if (root.IsNull()) return;
  if (!root.IsMap()) fail(fmt::format("{}: not a map of settings", file.string()));
  for (const auto& section : root) {
    const std::string name = section.first.IsScalar() ? section.first.Scalar() : "";
    if (name == "tasks") {
      if (!section.second.IsNull()) config.tasks = read_tasks(file, section.second);
    } else if (contains(kSections, name)) {
      read_section(config, file, name, section.second);
    } else {
      config.notices.push_back(
          {base::LogLevel::kWarning, fmt::format("{}: there is no section \"{}\"", file.string(), name)});
    }
  }
}

// The base directory specification ignores a variable that is no absolute path.
fs::path default_cache_dir() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && fs::path(cache).is_absolute()) return fs::path(cache) / "greenroom";
  const char* home = std::getenv("HOME");
  if (home != nullptr && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "greenroom";
  return {};
}

}  // namespace

std::optional<Restore> parse_restore(std::string_view text) {
  if (text == "kept") return Restore::kKept;
  if (text == "held") return Restore::kHeld;
  if (text == "none") return Restore::kNone;
  return std::nullopt;
}

bool is_log_level(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return contains(std::array{"DEBUG", "INFO", "WARNING", "WARN", "ERROR"}, upper);
}

void set_memory_budget(Config& config, std::string_view text) {
  const auto equals = text.find('=');
  const auto budget = equals == std::string_view::npos
                          ? std::nullopt
                          : parse_budget(text.substr(0, equals), text.substr(equals + 1));
  if (!budget) {
    fail(fmt::format("the memory budget \"{}\" is not of the form DEVICE=SIZE, for example cpu=2GiB", text));
  }
  config.memory_budgets[budget->first] = budget->second;
}

Config load_config(const std::optional<fs::path>& file) {
  Config config;
  if (file) {
    read_file(config, *file);
  } else if (const auto named = variable("CONFIG")) {
    read_file(config, *named);
  }
  if (config.cache_dir.empty()) config.cache_dir = default_cache_dir();
  if (const auto device = variable("DEVICE")) config.device = *device;
  if (const auto key = variable("API_KEY")) config.api_key = *key;
  if (const auto problem = find_contradiction(config.monitoring); !problem.empty()) fail(problem);
  if (const auto debug = variable("DEBUG"); debug && *debug != "0" && *debug != "false") {
    config.log_level = "DEBUG";
  }
  return config;
}

}  // namespace greenroom::app
