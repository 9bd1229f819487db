#include "app/config.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <functional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;

std::optional<std::string> variable(const char* name) {
  for (const char* prefix : {"GREENROOM_", "CREATYOURVOICE_"}) {
    const char* value = std::getenv((std::string(prefix) + name).c_str());
    if (value != nullptr && *value != 0) return value;
  }
  return std::nullopt;
}

template <typename T>
T as(const YAML::Node& node, const std::string& key) {
  try {
    return node.as<T>();
  } catch (const YAML::Exception&) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}, which is not of the right type", key,
                            node.IsScalar() ? fmt::format("\"{}\"", node.Scalar()) : "a list or a map"));
  }
}

using Reader = std::function<void(Config&, const YAML::Node&, const std::string& key)>;

const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> table = {
      {"gpu.memory_budgets",
       [](Config& config, const YAML::Node& node, const std::string& key) {
         if (!node.IsMap())
           throw Error(ErrorCode::kInvalidArgument, key + " is not a map such as {cpu: 2GiB}");
         for (const auto& entry : node) {
           set_memory_budget(config,
                             entry.first.as<std::string>() + "=" + as<std::string>(entry.second, key));
         }
       }},
      {"system.device", [](Config& config, const YAML::Node& node,
                           const std::string& key) { config.device = as<std::string>(node, key); }},
      {"system.cache_dir", [](Config& config, const YAML::Node& node,
                              const std::string& key) { config.cache_dir = as<std::string>(node, key); }},
      {"system.log_level", [](Config& config, const YAML::Node& node,
                              const std::string& key) { config.log_level = as<std::string>(node, key); }},
      {"system.threads", [](Config& config, const YAML::Node& node,
                            const std::string& key) { config.threads = as<int>(node, key); }},
      {"ui.host", [](Config& config, const YAML::Node& node,
                     const std::string& key) { config.host = as<std::string>(node, key); }},
      {"ui.port", [](Config& config, const YAML::Node& node,
                     const std::string& key) { config.port = as<int>(node, key); }},
      {"ddsp_svc.pretrain_dir",
       [](Config& config, const YAML::Node& node, const std::string& key) {
         config.pretrain_dir = as<std::string>(node, key);
       }},
  };
  return table;
}

void read_file(Config& config, const std::filesystem::path& file) {
  YAML::Node root;
  try {
    root = YAML::LoadFile(file.string());
  } catch (const YAML::BadFile&) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: the configuration file cannot be read", file.string()));
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: not valid YAML: {}", file.string(), error.what()));
  }
  if (root.IsNull()) return;
  if (!root.IsMap())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: not a map of settings", file.string()));
  for (const auto& section : root) {
    if (!section.second.IsMap()) continue;
    for (const auto& entry : section.second) {
      const std::string key = section.first.as<std::string>() + "." + entry.first.as<std::string>();
      const auto reader = readers().find(key);
      if (reader == readers().end()) {
        base::log(base::LogLevel::kInfo, "app",
                  fmt::format("{}: the setting {} is not used yet", file.string(), key));
        continue;
      }
      reader->second(config, entry.second, fmt::format("{}: {}", file.string(), key));
    }
  }
}

}  // namespace

void set_memory_budget(Config& config, std::string_view text) {
  const auto equals = text.find('=');
  const auto device = base::parse_device_id(text.substr(0, equals));
  const auto bytes =
      equals == std::string_view::npos ? std::nullopt : base::parse_bytes(text.substr(equals + 1));
  if (!device || !bytes || *bytes == 0) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the memory budget \"{}\" is not of the form DEVICE=SIZE, for example cpu=2GiB", text));
  }
  config.memory_budgets[*device] = *bytes;
}

Config load_config(const std::optional<std::filesystem::path>& file) {
  Config config;
  if (file) {
    read_file(config, *file);
  } else if (const auto named = variable("CONFIG")) {
    read_file(config, *named);
  }
  if (const auto device = variable("DEVICE")) config.device = *device;
  if (const auto debug = variable("DEBUG"); debug && *debug != "0" && *debug != "false")
    config.log_level = "DEBUG";
  if (config.port < 0 || config.port > 65535) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("ui.port is {}; allowed are 0 to 65535", config.port));
  }
  return config;
}

}  // namespace greenroom::app
