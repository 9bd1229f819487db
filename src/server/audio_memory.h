// How much memory the recordings that clients sent may take, decoded: a small file can hold hours of silence.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "audio/file.h"
#include "base/mutex.h"

namespace greenroom::server {

// Thread-safe. Outlives its claims.
class AudioMemory {
 public:
  explicit AudioMemory(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  AudioMemory(const AudioMemory&) = delete;
  AudioMemory& operator=(const AudioMemory&) = delete;

  // What one request has claimed; given back when it ends. Used by one thread at a time.
  class Claim {
   public:
    // `cancelled`: wait for room until it is set; null: do not wait.
    Claim(AudioMemory& memory, std::shared_ptr<const std::atomic<bool>> cancelled)
        : memory_(memory), cancelled_(std::move(cancelled)) {}
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    // For audio::read_file: claims a recording before its samples take any memory. `name` is what errors call
    // it. Several recordings add up. Borrows the claim. The reading throws HttpError(413) for one that is
    // more than the limit by itself; base::Error: kUnavailable with a time to come back while others have the
    // room, kCancelled.
    audio::ReadOptions reading(const std::string& name);

   private:
    friend class AudioMemory;
    AudioMemory& memory_;
    std::shared_ptr<const std::atomic<bool>> cancelled_;
    std::uint64_t bytes_ = 0;
  };

  std::uint64_t claimed_bytes() const EXCLUDES_LOCK(mutex_);

 private:
  void grow(Claim& claim, std::uint64_t bytes, const std::string& name) EXCLUDES_LOCK(mutex_);
  void give_back(std::uint64_t bytes) EXCLUDES_LOCK(mutex_);

  const std::uint64_t limit_bytes_;
  mutable base::Mutex mutex_;
  base::CondVar freed_;
  std::uint64_t claimed_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace greenroom::server
