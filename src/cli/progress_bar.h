// A progress bar on standard error, no wider than the terminal, and nothing when that is no terminal.
#pragma once

#include <string>

namespace greenroom::cli {

// Not thread-safe; used by one command only. Erases itself on destruction.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(double fraction);  // 0..1

 private:
  std::string label_;
  bool on_terminal_;
  int last_percent_ = -1;
};

}  // namespace greenroom::cli
