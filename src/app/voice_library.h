// Reference voices: recordings to speak in, kept under names in a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audio/buffer.h"
#include "audio/file.h"
#include "base/mutex.h"

namespace greenroom::app {

struct Voice {
  std::string id;    // of its content: "v3f2a..."; fit for a URL and a file name
  std::string name;  // as the user calls it; any text of one line
  double seconds = 0;
  int sample_rate = 0;
  std::uint64_t bytes = 0;  // of the file that is kept
  std::int64_t created_ms = 0;
};

struct VoiceLimits {
  double shortest_seconds = 0.1;
  double longest_seconds = 600;
  std::size_t most_voices = 1000;
  std::size_t longest_name = 100;  // bytes
};

// A recording is kept as 16-bit mono WAV, ID.wav, beside ID.json; what was uploaded is not. Names are never
// part of a path. Several processes may use one folder; each sees the others' changes at its next start.
// Thread-safe: no lock is held while files are read or written.
class VoiceLibrary {
 public:
  // Reads what is there; files that are no voices are passed over. An empty `folder` keeps nothing, add()
  // fails.
  explicit VoiceLibrary(std::filesystem::path folder, const VoiceLimits& limits = {});

  // Takes the recording in `file` (any format libsndfile reads). The same recording again is the same voice,
  // under its new name if one is given; without one it is called "voice" and a number. Errors call the file
  // `called`, as audio::read_file does. Throws base::Error:
  // kInvalidArgument (no audio, too short or long, a name that is too long or holds control characters),
  // kDataLoss (damaged), kResourceExhausted (too many voices), kFailedPrecondition (the name is another
  // voice's; nothing is kept), kUnavailable (the disk).
  Voice add(const std::filesystem::path& file, const std::string& name, audio::ReadOptions reading = {})
      EXCLUDES_LOCK(mutex_);

  std::vector<Voice> list() const EXCLUDES_LOCK(mutex_);  // the newest first
  // By id, else by name.
  std::optional<Voice> find(const std::string& id_or_name) const EXCLUDES_LOCK(mutex_);
  // Throws base::Error: kNotFound, listing the names there are.
  Voice get(const std::string& id_or_name) const EXCLUDES_LOCK(mutex_);
  std::filesystem::path audio_file(const Voice& voice) const;
  audio::Buffer audio(const Voice& voice) const;  // throws as audio::read_file

  Voice rename(const std::string& id, const std::string& name)
      EXCLUDES_LOCK(mutex_);                                 // throws as add; kNotFound
  void remove(const std::string& id) EXCLUDES_LOCK(mutex_);  // throws kNotFound

 private:
  std::string checked_name(const std::string& name, const std::string& id) REQUIRES_LOCK(mutex_);
  void write_entry(const Voice& voice) const;

  const std::filesystem::path folder_;
  const VoiceLimits limits_;
  mutable base::Mutex mutex_;
  std::map<std::string, Voice> voices_ GUARDED_BY(mutex_);  // by id
};

}  // namespace greenroom::app
