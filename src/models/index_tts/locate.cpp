// Where the files of an IndexTTS-2 model are: its own beside config.yaml, those of other projects in every
// layout in which the official program and its forerunners leave them.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>

#include "models/index_tts/description.h"

namespace greenroom::models::index_tts {
namespace {

namespace fs = std::filesystem;

// A file of another project.
struct Borrowed {
  const char* what;
  std::vector<const char*> plain;  // below a search folder
  const char* repository;          // "owner/name" on the Hugging Face hub
  const char* inside;              // the file's path in that repository
};

// "owner/name" as the hub's cache names its folder.
std::string cache_name(std::string_view repository) {
  std::string name = "models--";
  for (const char c : repository) name += c == '/' ? std::string("--") : std::string(1, c);
  return name;
}

// The snapshots of a repository in a hub cache, newest first.
std::vector<fs::path> snapshots(const fs::path& cache, std::string_view repository) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator it(cache / cache_name(repository) / "snapshots", error), end;
       !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) found.emplace_back(fs::last_write_time(it->path(), ignored), it->path());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> folders;
  folders.reserve(found.size());
  for (auto& [time, path] : found) folders.push_back(std::move(path));
  return folders;
}

void add_new(std::vector<fs::path>& paths, const fs::path& path) {
  if (!path.empty() && std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
}

// The user's own hub cache comes last.
std::vector<fs::path> search_folders(const fs::path& folder, const std::vector<fs::path>& configured) {
  std::vector<fs::path> folders;
  add_new(folders, folder / "hf_cache");
  add_new(folders, folder);
  for (const auto& path : configured) {
    add_new(folders, path / "hf_cache");
    add_new(folders, path);
  }
  const auto from = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != 0 ? fs::path(value) : fs::path();
  };
  add_new(folders, from("HF_HUB_CACHE"));
  if (const fs::path home = from("HF_HOME"); !home.empty()) add_new(folders, home / "hub");
  if (const fs::path home = from("HOME"); !home.empty())
    add_new(folders, home / ".cache" / "huggingface" / "hub");
  return folders;
}

ModelFile locate(const Borrowed& wanted, const std::vector<fs::path>& folders) {
  ModelFile file;
  file.what = wanted.what;
  file.where_to_get = fmt::format("https://huggingface.co/{} ({})", wanted.repository, wanted.inside);
  for (const auto& folder : folders) {
    std::vector<fs::path> candidates;
    for (const char* plain : wanted.plain) candidates.push_back(folder / plain);
    for (const auto& snapshot : snapshots(folder, wanted.repository))
      candidates.push_back(snapshot / wanted.inside);
    for (const auto& candidate : candidates) {
      std::error_code ignored;
      if (fs::is_regular_file(candidate, ignored)) {
        file.found = candidate;
        return file;
      }
    }
    file.tried.push_back(folder / wanted.plain.front());
    file.tried.push_back(folder / cache_name(wanted.repository) / "snapshots" / "*" / wanted.inside);
  }
  return file;
}

ModelFile own_file(const fs::path& folder, const std::string& name, const char* what, bool optional = false) {
  ModelFile file{
      what, {}, {}, fmt::format("https://huggingface.co/IndexTeam/IndexTTS-2 ({})", name), optional};
  const fs::path path = folder / name;
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    file.found = path;
  } else {
    file.tried.push_back(path);
  }
  return file;
}

// The weights in the folder `name`: one file, or the index of several.
std::string weights_in(const fs::path& folder, const std::string& name) {
  const fs::path single = fs::path(name) / "model.safetensors";
  const fs::path index = fs::path(name) / "model.safetensors.index.json";
  std::error_code ignored;
  const bool sharded = !fs::exists(folder / single, ignored) && fs::exists(folder / index, ignored);
  return (sharded ? index : single).string();
}

fs::path folder_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return path;
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

std::vector<ModelFile> locate_files(const fs::path& path, const DescribeOptions& options) {
  const fs::path folder = folder_of(path);
  const Config config = read_config(folder / "config.yaml");
  const auto folders = search_folders(folder, options.search);
  const std::string vocoder_name = fs::path(config.vocoder_name).filename().string();
  const std::string vocoder_plain = vocoder_name + "/bigvgan_generator.pt";
  const std::string llm = weights_in(folder, config.qwen_emo_path);
  // In the order of FileIndex.
  return {
      own_file(folder, config.gpt_checkpoint, "the language model"),
      own_file(folder, config.s2mel_checkpoint, "the acoustic model"),
      own_file(folder, config.bpe_model, "the text tokenizer"),
      own_file(folder, config.w2v_stat, "the statistics of the speech features"),
      own_file(folder, config.spk_matrix, "the speaker matrix"),
      own_file(folder, config.emo_matrix, "the emotion matrix"),
      locate({"the speech encoder w2v-bert-2.0",
              {"w2v-bert-2.0/model.safetensors", "facebook/w2v-bert-2.0/model.safetensors"},
              "facebook/w2v-bert-2.0",
              "model.safetensors"},
             folders),
      locate(
          {"the semantic codec of MaskGCT",
           {"semantic_codec_model.safetensors", "semantic_codec/model.safetensors",
            "MaskGCT/semantic_codec/model.safetensors", "amphion/MaskGCT/semantic_codec/model.safetensors"},
           "amphion/MaskGCT",
           "semantic_codec/model.safetensors"},
          folders),
      locate({"the speaker encoder CAMPPlus",
              {"campplus_cn_common.bin", "campplus/campplus_cn_common.bin",
               "funasr/campplus/campplus_cn_common.bin"},
              "funasr/campplus",
              "campplus_cn_common.bin"},
             folders),
      locate({"the vocoder BigVGAN",
              {"bigvgan/bigvgan_generator.pt", vocoder_plain.c_str()},
              config.vocoder_name.c_str(),
              "bigvgan_generator.pt"},
             folders),
      own_file(folder, llm, "the emotion model (only for an emotion given as text)", true),
  };
}

}  // namespace greenroom::models::index_tts
