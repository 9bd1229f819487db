#include "app/failing_files.h"

#include <stdexcept>
#include <utility>

namespace greenroom::test {
namespace {

int countdown = 0;
bool all_after = false;
bool failed = false;

bool fails_now() {
  if (countdown == 0 || --countdown > 0) return false;
  if (all_after) countdown = 1;
  failed = true;
  return true;
}

// The real file follows it in memory.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real();
}

int close(sqlite3_file* file) {
  return real(file)->pMethods->xClose(real(file));
}
int read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  return fails_now() ? SQLITE_IOERR_READ : real(file)->pMethods->xRead(real(file), to, size, at);
}
int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  return fails_now() ? SQLITE_FULL : real(file)->pMethods->xWrite(real(file), from, size, at);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return fails_now() ? SQLITE_IOERR_TRUNCATE : real(file)->pMethods->xTruncate(real(file), size);
}
int sync(sqlite3_file* file, int flags) {
  return fails_now() ? SQLITE_IOERR_FSYNC : real(file)->pMethods->xSync(real(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return fails_now() ? SQLITE_IOERR_FSTAT : real(file)->pMethods->xFileSize(real(file), size);
}
int lock(sqlite3_file* file, int level) {
  return fails_now() ? SQLITE_IOERR_LOCK : real(file)->pMethods->xLock(real(file), level);
}
int unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_reserved_lock(sqlite3_file* file, int* is_reserved) {
  return real(file)->pMethods->xCheckReservedLock(real(file), is_reserved);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) {
  return real(file)->pMethods->xSectorSize(real(file));
}
int device_characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return fails_now() ? SQLITE_IOERR_SHMMAP
                     : real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) {
  real(file)->pMethods->xShmBarrier(real(file));
}
int shm_unmap(sqlite3_file* file, int remove) {
  return real(file)->pMethods->xShmUnmap(real(file), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         close,
                                         read,
                                         write,
                                         truncate,
                                         sync,
                                         file_size,
                                         lock,
                                         unlock,
                                         check_reserved_lock,
                                         file_control,
                                         sector_size,
                                         device_characteristics,
                                         shm_map,
                                         shm_lock,
                                         shm_barrier,
                                         shm_unmap,
                                         nullptr,
                                         nullptr};

sqlite3_vfs* usual(sqlite3_vfs* own) {
  return static_cast<sqlite3_vfs*>(own->pAppData);
}

int open(sqlite3_vfs* own, const char* name, sqlite3_file* file, int flags, int* given) {
  file->pMethods = nullptr;
  if (fails_now()) return SQLITE_CANTOPEN;
  const int code = usual(own)->xOpen(usual(own), name, real(file), flags, given);
  // One that could not be opened may have to be closed all the same.
  if (real(file)->pMethods != nullptr) file->pMethods = &kMethods;
  return code;
}
int remove(sqlite3_vfs* own, const char* name, int sync_folder) {
  return fails_now() ? SQLITE_IOERR_DELETE : usual(own)->xDelete(usual(own), name, sync_folder);
}
int access(sqlite3_vfs* own, const char* name, int flags, int* answer) {
  return fails_now() ? SQLITE_IOERR_ACCESS : usual(own)->xAccess(usual(own), name, flags, answer);
}

}  // namespace

FailingFiles::FailingFiles()
    : usual_(::sqlite3_vfs_find(nullptr)), own_(std::make_unique<sqlite3_vfs>(*usual_)) {
  own_->zName = "failing";
  own_->pNext = nullptr;
  own_->szOsFile = static_cast<int>(sizeof(File)) + usual_->szOsFile;
  own_->pAppData = usual_;
  own_->xOpen = open;
  own_->xDelete = remove;
  own_->xAccess = access;
  fail_at(0, false);
  if (::sqlite3_vfs_register(own_.get(), 1) != SQLITE_OK) throw std::runtime_error("SQLite takes no VFS");
}

FailingFiles::~FailingFiles() {
  fail_at(0, false);
  ::sqlite3_vfs_register(usual_, 1);
  ::sqlite3_vfs_unregister(own_.get());
}

void FailingFiles::fail_at(int call, bool and_all_after) {
  countdown = call;
  all_after = and_all_after;
  failed = false;
}

void FailingFiles::pause(const std::function<void()>& act) {
  const int left = std::exchange(countdown, 0);
  act();
  countdown = left;
}

bool FailingFiles::has_failed() const {
  return failed;
}

}  // namespace greenroom::test
