#include "app/config_tasks.h"

#include <spdlog/fmt/fmt.h>

#include <string>

#include "base/error.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;

// Where in the file we are, for messages.
struct Place {
  const fs::path& file;
  std::string key;

  Place at(const std::string& name) const { return {file, key + "." + name}; }
  [[noreturn]] void wrong(const std::string& expected) const {
    throw base::Error(base::ErrorCode::kInvalidArgument,
                      fmt::format("{}: {}: {}", file.string(), key, expected));
  }
};

std::string text(const Place& place, const YAML::Node& node) {
  if (!node.IsScalar() || node.Scalar().empty()) place.wrong("it must be a text");
  return node.Scalar();
}

template <typename Value>
Value value(const Place& place, const YAML::Node& node, const char* expected) {
  Value result{};
  if (!node.IsScalar() || !YAML::convert<Value>::decode(node, result)) place.wrong(expected);
  return result;
}

std::string name_of(const Place& place, const YAML::Node& node) {
  if (!node.IsScalar() || node.Scalar().empty()) place.wrong("a name is missing");
  return node.Scalar();
}

core::PreloadConfig read_model(const Place& place, const YAML::Node& node) {
  core::PreloadConfig model;
  if (node.IsScalar()) {
    model.model_path = place.file.parent_path() / text(place, node);
    return model;
  }
  if (!node.IsMap()) place.wrong("it must be a path, or a map with the key path");
  for (const auto& entry : node) {
    const std::string name = name_of(place, entry.first);
    const Place here = place.at(name);
    if (name == "path") {
      model.model_path = place.file.parent_path() / text(here, entry.second);
    } else if (name == "type") {
      model.model_type = text(here, entry.second);
    } else if (name == "device") {
      model.device = text(here, entry.second);
    } else if (name == "priority") {
      model.priority = value<int>(here, entry.second, "it must be a whole number");
    } else {
      here.wrong("there is no such setting; there are path, type, device and priority");
    }
  }
  if (model.model_path.empty()) place.wrong("the path is missing");
  return model;
}

std::vector<core::PreloadConfig> read_models(const Place& place, const YAML::Node& node) {
  if (!node.IsSequence()) place.wrong("it must be a list of models");
  std::vector<core::PreloadConfig> models;
  models.reserve(node.size());
  for (const auto& entry : node) models.push_back(read_model(place, entry));
  return models;
}

core::TaskProfile read_task(const Place& place, const std::string& task_name, const YAML::Node& node) {
  if (!node.IsMap()) place.wrong("it must be a map such as {required: [exp/alto]}");
  core::TaskProfile task;
  task.task_name = task_name;
  for (const auto& entry : node) {
    const std::string name = name_of(place, entry.first);
    const Place here = place.at(name);
    if (name == "required") {
      task.required_models = read_models(here, entry.second);
    } else if (name == "optional") {
      task.optional_models = read_models(here, entry.second);
    } else if (name == "memory_limit_mb") {
      if (entry.second.IsScalar() && entry.second.Scalar().starts_with('-'))
        here.wrong("it must not be negative");
      task.memory_limit_mb = value<std::uint64_t>(here, entry.second, "it must be a whole number of MiB");
    } else if (name == "auto_cleanup") {
      task.auto_cleanup = value<bool>(here, entry.second, "it must be true or false");
    } else {
      here.wrong("there is no such setting; there are required, optional, memory_limit_mb and auto_cleanup");
    }
  }
  return task;
}

}  // namespace

std::vector<core::TaskProfile> read_tasks(const fs::path& file, const YAML::Node& section) {
  const Place place{file, "tasks"};
  if (!section.IsMap()) place.wrong("it must be a map from names to tasks");
  std::vector<core::TaskProfile> tasks;
  for (const auto& entry : section) {
    const std::string name = name_of(place, entry.first);
    tasks.push_back(read_task(place.at(name), name, entry.second));
  }
  return tasks;
}

}  // namespace greenroom::app
