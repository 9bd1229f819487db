// A safetensors file taken apart as large models are published.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/torch_writer.h"

namespace greenroom::test {

// Replaces `folder`/model.safetensors by two shards of it and their index, and returns the shards.
inline std::vector<std::filesystem::path> take_apart(const std::filesystem::path& folder) {
  const auto whole = folder / "model.safetensors";
  std::vector<checkpoint::DictToWrite> halves(2);
  base::Json shard_of = base::Json::object();
  const std::vector<std::filesystem::path> shards = {folder / "model-00001-of-00002.safetensors",
                                                     folder / "model-00002-of-00002.safetensors"};
  {
    const auto file = checkpoint::Checkpoint::open(whole);
    std::size_t i = 0;
    for (const auto& [name, tensor] : file.tensors()) {
      const std::size_t half = i++ % 2;
      shard_of[name] = shards[half].filename().string();
      halves[half].items.emplace_back(name,
                                      checkpoint::TensorToWrite{tensor.dtype, tensor.shape, tensor.bytes});
    }
    for (std::size_t half = 0; half < shards.size(); ++half) {
      const auto archive = folder / "half.pt";
      checkpoint::write_torch_archive(archive, halves[half]);
      checkpoint::write_safetensors(shards[half], checkpoint::Checkpoint::open(archive));
      std::filesystem::remove(archive);
    }
  }
  std::ofstream(folder / "model.safetensors.index.json") << base::Json{{"weight_map", shard_of}}.dump();
  std::filesystem::remove(whole);
  return shards;
}

}  // namespace greenroom::test
