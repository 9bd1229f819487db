#include "worker/recipe.h"

#include <spdlog/fmt/fmt.h>

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "worker/wire.h"

namespace greenroom::worker {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;
using base::Json;

constexpr const char* kType = "type";
constexpr const char* kPath = "path";
constexpr const char* kPretrain = "pretrain_dir";
constexpr const char* kSearch = "search";
constexpr const char* kGptType = "gpt_dtype";
constexpr const char* kLlmType = "llm_dtype";
constexpr const char* kCache = "cache";
constexpr const char* kParts = "parts";
constexpr const char* kDdspSvc = "ddsp_svc";
constexpr const char* kIndexTts = "index_tts";

// The files may be other ones with the same bytes, and what is loaded from them is agreed on.
Json parts_of(const std::vector<core::ComponentSpec>& components) {
  Json parts = Json::array();
  for (const auto& spec : components) {
    parts.push_back({{"kind", spec.kind},
                     {"file", spec.file.string()},
                     {"variant", spec.variant},
                     {"bytes", spec.bytes}});
  }
  return parts;
}

void use_parts(std::vector<core::ComponentSpec>& components, const Json& recipe) {
  const auto parts = get<std::vector<Json>>(recipe, kParts);
  bool same = parts.size() == components.size();
  for (std::size_t i = 0; same && i < parts.size(); ++i) {
    auto& spec = components[i];
    same = get<std::string>(parts[i], "kind") == spec.kind &&
           get<std::string>(parts[i], "variant") == spec.variant &&
           get<std::uint64_t>(parts[i], "bytes") == spec.bytes;
    spec.file = get<std::string>(parts[i], "file");
  }
  if (same) return;
  throw Error(ErrorCode::kFailedPrecondition,
              fmt::format("{}: its files were changed since it was asked for: load it again",
                          get<std::string>(recipe, kPath)));
}

checkpoint::DType dtype_from(const Json& recipe, const char* name) {
  const auto text = get<std::string>(recipe, name);
  if (const auto dtype = checkpoint::parse_dtype(text)) return *dtype;
  throw Error(ErrorCode::kDataLoss, fmt::format("\"{}\" is no element type", text));
}

}  // namespace

Json recipe_of(const models::ddsp_svc::Description& description) {
  return {{kType, kDdspSvc},
          {kPath, description.model_file.string()},
          {kPretrain, description.pretrain_dir.string()},
          {kParts, parts_of(description.components)}};
}

Json recipe_of(const models::index_tts::Description& description, const fs::path& cache) {
  std::vector<std::string> search;
  for (const auto& folder : description.search) search.push_back(folder.string());
  return {{kType, kIndexTts},
          {kPath, description.folder.string()},
          {kSearch, search},
          {kGptType, std::string(checkpoint::dtype_name(description.precision.gpt))},
          {kLlmType, std::string(checkpoint::dtype_name(description.precision.emotion_llm))},
          {kCache, cache.string()},
          {kParts, parts_of(description.components)}};
}

const core::Model& MadeModel::model() const {
  if (conversion) return *conversion;
  return *synthesis;
}

MadeModel make(const Json& recipe, const models::Library& library) {
  const auto type = get<std::string>(recipe, kType);
  const fs::path path = get<std::string>(recipe, kPath);
  if (type == kDdspSvc) {
    auto description = models::ddsp_svc::describe(path, get<std::string>(recipe, kPretrain));
    use_parts(description.components, recipe);
    return {library.make_ddsp_svc(std::move(description)), nullptr};
  }
  if (type == kIndexTts) {
    models::index_tts::DescribeOptions options;
    for (auto& folder : get<std::vector<std::string>>(recipe, kSearch))
      options.search.emplace_back(std::move(folder));
    options.precision = {dtype_from(recipe, kGptType), dtype_from(recipe, kLlmType)};
    auto description = models::index_tts::describe(path, options);
    use_parts(description.components, recipe);
    return {nullptr, library.make_index_tts(std::move(description), get<std::string>(recipe, kCache))};
  }
  throw Error(ErrorCode::kDataLoss, fmt::format("\"{}\" is no type of models", type));
}

}  // namespace greenroom::worker
