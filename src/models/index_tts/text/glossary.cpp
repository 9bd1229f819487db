#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "models/index_tts/text/normalizer.h"

namespace greenroom::models::index_tts {

std::vector<GlossaryEntry> read_glossary(const std::filesystem::path& path) {
  try {
    const YAML::Node root = YAML::LoadFile(path.string());
    std::vector<GlossaryEntry> entries;
    if (root.IsNull()) return entries;
    for (const auto& item : root) {
      GlossaryEntry entry{item.first.as<std::string>(), "", ""};
      if (item.second.IsScalar()) {
        entry.chinese = entry.english = item.second.Scalar();
      } else {
        entry.chinese = item.second["zh"].as<std::string>("");
        entry.english = item.second["en"].as<std::string>("");
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  } catch (const YAML::Exception& error) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: not a glossary: {}", path.string(), error.what()));
  }
}

}  // namespace greenroom::models::index_tts
