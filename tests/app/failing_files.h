// A file system for SQLite whose calls can be made to fail, one by one.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <memory>

namespace greenroom::test {

// While it lives, databases that are opened use it; they have to be closed before it goes. Not thread-safe.
class FailingFiles {
 public:
  FailingFiles();
  ~FailingFiles();
  FailingFiles(const FailingFiles&) = delete;
  FailingFiles& operator=(const FailingFiles&) = delete;

  // From now on the `call`-th open, read, write, sync, truncation, ... fails (0: none does), and with
  // `and_all_after` every one that follows: a disk that is full, or gone.
  void fail_at(int call, bool and_all_after);
  // Has one failed since?
  bool has_failed() const;
  // Does something whose calls neither fail nor count.
  void pause(const std::function<void()>& act);

 private:
  sqlite3_vfs* usual_;
  std::unique_ptr<sqlite3_vfs> own_;
};

}  // namespace greenroom::test
