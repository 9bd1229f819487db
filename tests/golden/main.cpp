// Runs every reference case below the folder that GREENROOM_GOLDEN names and prints how far off each quantity
// is.
//
//   case, quantity, max relative error, limit
//
// GREENROOM_GOLDEN_DEVICE=cuda:0 runs the whole conversions and speech there, and nothing else.
//
// Exit status 1 when a quantity is beyond its limit, or when no case was found at all.
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "case.h"

namespace {

namespace fs = std::filesystem;
using greenroom::golden::Case;
using greenroom::golden::Row;

std::vector<fs::path> find_cases(const fs::path& root) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "meta.json") folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// False when nothing here knows the case's kind.
bool run(const fs::path& folder, std::vector<Row>& table) {
  try {
    Case golden(folder, table);
    const bool is_gpu = greenroom::golden::device().kind != greenroom::base::DeviceKind::kCpu;
    const bool is_whole = golden.name().starts_with("e2e_");
    if (is_gpu && !is_whole) return true;
    for (const auto run_kind :
         {greenroom::golden::run_ddsp_svc_case, greenroom::golden::run_index_tts_text_case,
          greenroom::golden::run_index_tts_gpt_case, greenroom::golden::run_index_tts_audio_case,
          greenroom::golden::run_index_tts_e2e_case}) {
      if (run_kind(golden)) return true;
    }
    return false;
  } catch (const std::exception& error) {
    const std::string first_line = std::string(error.what()).substr(0, std::string(error.what()).find('\n'));
    table.push_back(
        {folder.filename().string(), "failed: " + first_line, std::numeric_limits<double>::infinity(), 0.0});
    return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* named = std::getenv("GREENROOM_GOLDEN");
  const fs::path root = argc > 1                          ? argv[1]
                        : named != nullptr && *named != 0 ? named
                                                          : GREENROOM_GOLDEN_DEFAULT;
  if (!fs::is_directory(root)) {
    fmt::print(stderr, "{}: no such folder; GREENROOM_GOLDEN names the folder of the reference cases\n",
               root.string());
    return 1;
  }
  const c10::InferenceMode inference;
  at::globalContext().setAllowTF32CuDNN(false);
  at::set_num_threads(static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<Row> table;
  std::vector<std::string> unknown;
  for (const auto& folder : find_cases(root)) {
    if (!run(folder, table)) unknown.push_back(folder.filename().string());
  }
  fmt::print("{:<34} {:<44} {:>10} {:>8}\n", "case", "quantity", "error", "limit");
  std::size_t failed = 0;
  for (const auto& row : table) {
    if (!row.passed()) ++failed;
    fmt::print("{:<34} {:<44} {:>10.2e} {:>8.0e} {}\n", row.name, row.quantity, row.error, row.limit,
               row.passed() ? "ok" : "FAILED");
  }
  for (const auto& name : unknown) fmt::print("{:<34} not covered: no code runs this kind of case\n", name);
  fmt::print("\n{} quantities compared, {} beyond their limit, {} cases not covered\n", table.size(), failed,
             unknown.size());
  return failed > 0 || table.empty() ? 1 : 0;
}
