// The greenroom binary as a user runs it: a process with arguments, exit status and output.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace greenroom::test {

struct Outcome {
  int status = -1;  // exit status; -1 when a signal ended it
  int signal = 0;   // that signal; 0 when there was none
  std::string out;
  std::string err;
};

// The variables of the tests' own environment that mean something to greenroom are not passed on; `variables`
// ("NAME=value") are. Not thread-safe.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const std::vector<std::string>& variables = {});
  ~Program();  // kills it when it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void send(int signal) const;
  pid_t pid() const { return pid_; }
  // Waits until it has written `text` to either output; false when it ended before, or after 60 s.
  bool wait_for(const std::string& text) const;
  // What it has written to standard output so far.
  std::string out() const;
  // Waits for the end. REQUIRES: not called before.
  Outcome wait();

 private:
  TempDir dir_;
  pid_t pid_ = -1;  // -1 once it has ended
};

Outcome run_program(const std::vector<std::string>& arguments,
                    const std::vector<std::string>& variables = {});

// The demo models, written by the binary itself, once per process.
const std::filesystem::path& demo_models();

}  // namespace greenroom::test
