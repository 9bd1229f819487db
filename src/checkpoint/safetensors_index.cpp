// A model in several safetensors files: "model.safetensors.index.json" says which tensor is in which.
#include <spdlog/fmt/fmt.h>

#include <set>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/contents.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxIndex = 100'000'000;
constexpr std::size_t kMaxShards = 1000;

Error bad(const Checkpoint::Contents& contents, const std::string& problem) {
  return Error(ErrorCode::kDataLoss, fmt::format("{}: {}", contents.path.string(), problem));
}

// Shards lie beside the index; a name that leads anywhere else is no shard's.
void check_shard_name(const Checkpoint::Contents& contents, const std::string& name) {
  const bool is_bare = !name.empty() && name != "." && name != ".." && is_plain_utf8(name) &&
                       name.find('/') == std::string::npos && name.find('\\') == std::string::npos;
  if (!is_bare)
    throw bad(contents,
              fmt::format("names the shard {}, which is not the name of a file beside it", printable(name)));
}

}  // namespace

void FormatReaders::read_safetensors_index(Checkpoint::Contents& contents) {
  const auto bytes = contents.files.front()->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto index = base::parse_json(text, contents.path.string(), {kMaxIndex, 8});
  if (!index.is_object() || !index.contains("weight_map") || !index.at("weight_map").is_object()) {
    throw bad(contents,
              "JSON text without a \"weight_map\", not a model; perhaps an error message saved in its place");
  }
  std::map<std::string, std::set<std::string>> wanted;  // tensors by shard
  for (const auto& [tensor, shard] : index.at("weight_map").items()) {
    if (!shard.is_string()) throw bad(contents, fmt::format("the shard of {} is no text", printable(tensor)));
    const auto name = shard.get<std::string>();
    check_shard_name(contents, name);
    wanted[name].insert(tensor);
    if (wanted.size() > kMaxShards) throw bad(contents, fmt::format("more than {} shards", kMaxShards));
  }
  if (wanted.empty()) throw bad(contents, "names no tensor");
  for (const auto& [name, tensors] : wanted) {
    Checkpoint::Contents shard;
    shard.path = contents.path.parent_path() / name;
    shard.mode = contents.mode;
    if (std::error_code ignored; !std::filesystem::exists(shard.path, ignored)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("{}: the shard {} that it names is not beside it: no such file",
                              contents.path.string(), printable(name)));
    }
    shard.files.push_back(std::make_shared<const MappedFile>(shard.path));
    if (contents.mode == OpenMode::kHeaders) shard.files.front()->expect_headers();
    read_safetensors(shard);
    for (const auto& tensor : tensors) {
      const auto found = shard.tensors.find(tensor);
      if (found == shard.tensors.end()) {
        throw bad(contents,
                  fmt::format("the tensor {} is not in {}, where it should be", printable(tensor), name));
      }
      found->second.storage += (std::uint64_t{contents.files.size()} << 48);  // apart from other shards'
      contents.tensors.insert(std::move(*found));
    }
    for (auto& scalar : shard.scalars) contents.scalars.insert(std::move(scalar));
    contents.files.push_back(std::move(shard.files.front()));
  }
  contents.format = "safetensors in shards";
}

}  // namespace greenroom::checkpoint
