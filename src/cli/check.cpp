#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "app/catalog.h"
#include "app/engine.h"
#include "app/estimate.h"
#include "app/model_library.h"
#include "app/state_store.h"
#include "base/bytes.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/words.h"
#include "devices/discover.h"
#include "server/http_client.h"
#include "server/server.h"

namespace greenroom::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kGibibyte = 1u << 30;

// Prints one line for each thing, and remembers whether anything is missing.
class Report {
 public:
  explicit Report(Language language) : language_(language) {}

  void good(const std::string& what) { fmt::print("✓ {}\n", harmless(what)); }
  // Not there, and not needed.
  void note(const std::string& what) { fmt::print("- {}\n", harmless(what)); }
  void bad(const std::string& what, const std::string& remedy) {
    std::string line = what;
    std::replace(line.begin(), line.end(), '\n', ' ');
    fmt::print("✗ {}\n  → {}\n", harmless(line), harmless(remedy));
    ++missing_;
  }
  const char* say(const char* english, const char* chinese) const {
    return either(language_, english, chinese);
  }
  int missing() const { return missing_; }

 private:
  Language language_;
  int missing_ = 0;
};

bool wants_gpu(const app::Config& config) {
  return config.device.starts_with("cuda");
}

// True when there is a GPU that models could use.
bool check_driver(Report& report, const app::Config& config, const devices::Discovery& discovery) {
  const auto gpus = discovery.devices.size() - 1;
  if (!discovery.driver_version.empty()) {
    report.good(fmt::format("{} {}, CUDA {}", report.say("NVIDIA driver", "NVIDIA 驱动"),
                            discovery.driver_version,
                            discovery.cuda_version.empty() ? "?" : discovery.cuda_version));
  }
  for (std::size_t i = 1; i < discovery.devices.size(); ++i) {
    const auto& device = *discovery.devices[i];
    try {
      const auto memory = device.memory();
      report.good(fmt::format("{}: {}, {} {}", base::to_string(device.id()), device.name(),
                              base::format_bytes(memory.free), report.say("free", "空闲")));
    } catch (const base::Error& error) {
      report.bad(error.what(), report.say("restart the driver or the machine", "请重启驱动或机器"));
    }
  }
  if (gpus > 0) {
    if (!discovery.warning.empty()) report.note(discovery.warning);
    return true;
  }
  const std::string none =
      fmt::format("{}: {}", report.say("no GPU", "没有可用的 GPU"), discovery.no_gpu_reason);
  if (wants_gpu(config)) {
    report.bad(none, report.say("install the NVIDIA driver, or set system.device to auto or cpu",
                                "请安装 NVIDIA 驱动，或把 system.device 设为 auto 或 cpu"));
  } else {
    report.note(none + report.say("; models run on the CPU", "；模型在 CPU 上运行"));
  }
  return false;
}

void check_libtorch(Report& report, bool has_gpu) {
  try {
    const auto& library = app::model_library();
    const int gpus = library.cuda_device_count();
    report.good(fmt::format("libtorch {}", library.torch_version()));
    if (gpus > 0) {
      report.good(fmt::format(
          fmt::runtime(report.say("libtorch can use {} GPU(s)", "libtorch 可用 {} 个 GPU")), gpus));
    } else if (has_gpu) {
      report.bad(report.say("libtorch cannot use the GPU", "libtorch 不能使用 GPU"),
                 report.say("build with -DGREENROOM_TORCH=python and a PyTorch with CUDA",
                            "请用 -DGREENROOM_TORCH=python 和带 CUDA 的 PyTorch 重新构建"));
    } else {
      report.note(report.say("libtorch runs on the CPU", "libtorch 在 CPU 上运行"));
    }
  } catch (const base::Error& error) {
    report.bad(error.what(), report.say("see \"Building by hand\" in the README", "参见 README 的构建说明"));
  }
}

void check_memory(Report& report, const devices::Discovery& discovery) {
  const auto memory = discovery.devices.front()->memory();
  const std::string line =
      fmt::format(fmt::runtime(report.say("memory: {} free of {}", "内存: 空闲 {} / {}")),
                  base::format_bytes(memory.free), base::format_bytes(memory.total));
  if (memory.free >= kGibibyte) {
    report.good(line);
  } else {
    report.bad(line,
               report.say("close other programs, or raise the container's limit; a voice needs about 1 GiB",
                          "请关闭其他程序或提高容器的内存限制；一个声音约需 1 GiB"));
  }
}

// A folder that will be written to; the nearest one above counts where it is not there yet.
void check_folder(Report& report, const std::string& purpose, const fs::path& folder) {
  fs::path existing = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  if (::access(existing.c_str(), W_OK) != 0) {
    report.bad(
        fmt::format("{}: {} {}", purpose, existing.string(), report.say("cannot be written", "不可写")),
        report.say("give this user the right to write there, or choose another folder",
                   "请授予写权限，或选择其他目录"));
    return;
  }
  const auto space = fs::space(existing, error);
  const std::string line = fmt::format("{}: {} ({} {})", purpose, folder.string(),
                                       base::format_bytes(space.available), report.say("free", "可用"));
  if (!error && space.available >= kGibibyte) {
    report.good(line);
  } else {
    report.bad(line, report.say("make room on that disk", "请清理磁盘空间"));
  }
}

std::string join_paths(const std::vector<fs::path>& paths) {
  std::string text;
  for (const auto& path : paths) text += (text.empty() ? "" : ", ") + path.string();
  return text;
}

void check_model(Report& report, const std::string& path, const app::Config& config) {
  try {
    bool is_whole = true;
    for (const auto& file : app::locate_files(path, config.pretrain_dir, config.index_tts_search)) {
      if (!file.found.empty()) continue;
      const std::string line =
          fmt::format(fmt::runtime(report.say("model {}: {} is missing; looked for at {}",
                                              "模型 {}: 缺少 {}；已查找 {}")),
                      path, file.what, join_paths(file.tried));
      if (file.optional) {
        report.note(line);
        continue;
      }
      is_whole = false;
      report.bad(line,
                 fmt::format(fmt::runtime(report.say("get it from {}", "请从 {} 获取")), file.where_to_get));
    }
    if (!is_whole) return;
    const auto estimate = app::estimate(config, {path}, checkpoint::DType::kFloat32);
    report.good(fmt::format(fmt::runtime(report.say("model {}: {} components, {}", "模型 {}: {} 个组件，{}")),
                            path, estimate.lines.size(), base::format_bytes(estimate.bytes())));
  } catch (const base::Error& error) {
    report.bad(fmt::format("{} {}: {}", report.say("model", "模型"), path, error.what()),
               report.say("put the file where it was looked for, or set --pretrain-dir",
                          "请把文件放到上述位置，或设置 --pretrain-dir"));
  }
}

void check_models(Report& report, const CheckArguments& arguments, const app::Config& config) {
  if (!config.pretrain_dir.empty()) {
    std::error_code ignored;
    if (fs::is_directory(config.pretrain_dir, ignored)) {
      report.good(fmt::format("ddsp_svc.pretrain_dir: {}", config.pretrain_dir.string()));
    } else {
      report.bad(fmt::format("ddsp_svc.pretrain_dir: {} {}", config.pretrain_dir.string(),
                             report.say("is no folder", "不是目录")),
                 report.say("make it, or correct the setting", "请创建该目录或修改设置"));
    }
  }
  auto paths = arguments.models;
  for (const auto& model : {config.index_tts_model, config.ddsp_svc_model}) {
    if (!model.empty()) paths.push_back(model.string());
  }
  for (const auto& task : config.tasks) {
    for (const auto& models : {task.required_models, task.optional_models}) {
      for (const auto& model : models) paths.push_back(model.model_path.string());
    }
  }
  const fs::path state = config.cache_dir / "state.db";
  std::error_code ignored;
  if (!config.cache_dir.empty() && fs::exists(state, ignored)) {
    try {
      for (const auto& model : app::StateStore(state).models()) paths.push_back(model.path.string());
    } catch (const base::Error& error) {
      report.bad(error.what(), report.say("move the file away; greenroom begins a new one", "请移走该文件"));
    }
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  for (const auto& path : paths) check_model(report, path, config);
  if (paths.empty()) report.note(report.say("no model is registered", "没有已登记的模型"));
}

void check_port(Report& report, const app::Config& config) {
  const std::string address = fmt::format("{}:{}", config.host, config.port);
  if (server::http_get(config.host, config.port, "/healthz")) {
    report.good(
        fmt::format("{} {}", address, report.say("greenroom serves there already", "greenroom 已在运行")));
    return;
  }
  try {
    server::check_port(config.host, config.port);
    report.good(fmt::format("{} {}", address, report.say("is free to serve on", "端口可用")));
  } catch (const base::Error& error) {
    report.bad(error.what(), report.say("choose another with --port", "请用 --port 选择其他端口"));
  }
}

void check_nodes(Report& report) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/dev", ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("nvidia") || entry.is_directory(ignored)) continue;
    if (::access(entry.path().c_str(), R_OK | W_OK) == 0) continue;
    report.bad(fmt::format("{} {}", entry.path().string(), report.say("cannot be opened", "无法打开")),
               report.say("add this user to the group that owns it", "请把当前用户加入其所属用户组"));
  }
}

}  // namespace

int run_check(const app::Config& config, const CheckArguments& arguments) {
  Report report(pick_language(arguments.language));
  const auto discovery = devices::discover();
  const bool has_gpu = check_driver(report, config, discovery);
  check_nodes(report);
  check_libtorch(report, has_gpu);
  check_memory(report, discovery);
  if (!config.cache_dir.empty()) check_folder(report, report.say("cache", "缓存"), config.cache_dir);
  check_folder(report, report.say("outputs", "输出"), fs::current_path());
  check_models(report, arguments, config);
  check_port(report, config);
  if (report.missing() == 0) {
    fmt::print("{}\n", report.say("Everything is there.", "一切就绪。"));
    return 0;
  }
  fmt::print(fmt::runtime(report.say("{} missing.\n", "缺少 {} 项。\n")), report.missing());
  return 1;
}

}  // namespace greenroom::cli
