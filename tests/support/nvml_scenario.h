// A machine with NVIDIA GPUs that are not there: tests/fake_nvml with a scenario.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/environment.h"
#include "support/temp_dir.h"

namespace greenroom::test {

// From its construction to its end, this process's NVML is the stand-in with `text` as its scenario (see
// tests/fake_nvml/scenario.h). Not thread-safe.
class NvmlScenario {
 public:
  explicit NvmlScenario(std::string_view text, const std::string& era = "560")
      : file_(dir_.write("scenario", text)),
        library_(std::string(GREENROOM_BINARY_DIR) + "/fake_nvml/" + era + "/libnvidia-ml.so.1"),
        library_variable_("GREENROOM_NVML_LIBRARY", library_.c_str()),
        scenario_variable_("GREENROOM_NVML_SCENARIO", file_.c_str()) {}

  // For a scenario that says `live`: from now on.
  void change(std::string_view text) const {
    dir_.write("next", text);
    std::filesystem::rename(dir_ / "next", file_);
  }
  const std::string& library() const { return library_; }
  // The same for another program.
  std::vector<std::string> variables() const {
    return {"GREENROOM_NVML_LIBRARY=" + library_, "GREENROOM_NVML_SCENARIO=" + file_.string()};
  }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  std::filesystem::path file_;
  std::string library_;
  ScopedVariable library_variable_, scenario_variable_;
};

}  // namespace greenroom::test
