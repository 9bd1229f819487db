#include "checkpoint/transfer.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "checkpoint/convert_dtype.h"
#include "checkpoint/mapped_file.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kBlock = 4096;  // what direct reads are aligned to
constexpr unsigned kMostThreads = 4;
constexpr unsigned kLanesPerThread = 2;
constexpr std::size_t kImageChunk = 16u << 20;

// A part of a piece, small enough for a chunk.
struct Part {
  std::span<const std::byte> source;
  DType from = DType::kFloat32;
  DType to = DType::kFloat32;
  std::uint64_t offset = 0;

  std::size_t target_bytes() const { return source.size() / dtype_size(from) * dtype_size(to); }
};

// Parts that lie close to each other in one file and are read at once.
struct Chunk {
  const MappedFile* file = nullptr;  // null: the parts are in memory
  std::vector<Part> parts;
  std::uint64_t begin = 0;  // in the file
  std::uint64_t end = 0;
};

const MappedFile* file_of(const Checkpoint& source, std::span<const std::byte> bytes) {
  for (const auto& file : source.files()) {
    const auto all = file->bytes();
    const std::less_equal<> before;
    if (before(all.data(), bytes.data()) && before(bytes.data() + bytes.size(), all.data() + all.size()))
      return file.get();
  }
  return nullptr;
}

std::vector<Chunk> make_chunks(const ReadPlan& plan, std::size_t chunk_bytes) {
  constexpr std::uint64_t kMostGap = 64u << 10;  // cheaper to read than to skip
  std::vector<Chunk> chunks;
  for (const Piece& piece : plan.pieces()) {
    const auto* file = file_of(plan.source(), piece.source);
    const std::size_t element = dtype_size(piece.from);
    const std::size_t most = std::max(chunk_bytes / element, std::size_t{1}) * element;
    for (std::size_t done = 0; done < piece.source.size(); done += most) {
      const auto source = piece.source.subspan(done, std::min(most, piece.source.size() - done));
      const Part part{source, piece.from, piece.to, piece.offset + done / element * dtype_size(piece.to)};
      const auto begin =
          file == nullptr ? 0 : static_cast<std::uint64_t>(source.data() - file->bytes().data());
      const std::uint64_t end = begin + source.size();
      const bool joins = file != nullptr && !chunks.empty() && chunks.back().file == file &&
                         begin >= chunks.back().end && begin - chunks.back().end <= kMostGap &&
                         end - chunks.back().begin <= chunk_bytes;
      if (!joins) chunks.push_back({file, {}, begin, end});
      chunks.back().parts.push_back(part);
      chunks.back().end = end;
    }
  }
  return chunks;
}

// How much of a file is in the page cache, from a sample of its pages.
double resident_share(const MappedFile& file) {
  constexpr std::size_t kSamples = 64;
  const auto bytes = file.bytes();
  const std::size_t pages = (bytes.size() + kBlock - 1) / kBlock;
  std::size_t resident = 0;
  for (std::size_t i = 0; i < kSamples; ++i) {
    unsigned char state = 0;
    auto* page = const_cast<std::byte*>(bytes.data()) + pages * i / kSamples * kBlock;
    if (::mincore(page, 1, &state) == 0 && (state & 1U) != 0) ++resident;
  }
  return static_cast<double>(resident) / kSamples;
}

bool is_worth_direct_io(const MappedFile& file) {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return false;
  const std::uint64_t room = (std::uint64_t{info.freeram} + info.bufferram) * info.mem_unit;
  return file.bytes().size() > room / 2 && resident_share(file) < 0.5;
}

class FileReader {
 public:
  FileReader(const MappedFile& file, DirectIo direct_io) : file_(file) {
    const bool wanted =
        direct_io == DirectIo::kAlways || (direct_io == DirectIo::kAuto && is_worth_direct_io(file));
    // By way of /proc, so that it is the same file even if another one has its name by now.
    if (wanted) {
      direct_ =
          ::open(fmt::format("/proc/self/fd/{}", file.descriptor()).c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    }
  }
  ~FileReader() {
    if (direct_ >= 0) ::close(direct_);
  }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  const MappedFile& file() const { return file_; }

  // Reads [begin, end) and returns where in `buffer` it lies. REQUIRES: buffer aligned to a block, with a
  // block to spare at each end.
  std::span<const std::byte> read(std::uint64_t begin, std::uint64_t end, std::span<std::byte> buffer) const {
    if (direct_ >= 0) {
      const std::uint64_t first = begin / kBlock * kBlock;
      const std::uint64_t last = (end + kBlock - 1) / kBlock * kBlock;
      if (try_read(direct_, first, end, buffer.first(static_cast<std::size_t>(last - first))))
        return buffer.subspan(static_cast<std::size_t>(begin - first), static_cast<std::size_t>(end - begin));
    }
    const auto into = buffer.first(static_cast<std::size_t>(end - begin));
    if (!try_read(file_.descriptor(), begin, end, into)) fail(begin);
    return into;
  }

  // Reads from `begin` on into the places, one after the other. REQUIRES: !is_direct(), none is empty.
  void read_into(std::uint64_t begin, std::span<iovec> places) const {
    while (!places.empty()) {
      errno = 0;
      const ssize_t count = ::preadv(file_.descriptor(), places.data(),
                                     static_cast<int>(std::min<std::size_t>(places.size(), IOV_MAX)),
                                     static_cast<off_t>(begin));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail(begin);
      begin += static_cast<std::uint64_t>(count);
      auto left = static_cast<std::size_t>(count);
      while (!places.empty() && left >= places.front().iov_len) {
        left -= places.front().iov_len;
        places = places.subspan(1);
      }
      if (left == 0) continue;
      places.front().iov_base = static_cast<std::byte*>(places.front().iov_base) + left;
      places.front().iov_len -= left;
    }
  }

  bool is_direct() const { return direct_ >= 0; }

 private:
  [[noreturn]] void fail(std::uint64_t at) const {
    const int error = errno;
    file_.check_unchanged();
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: cannot be read at byte {}: {}", file_.path().string(),
                                                  at, error == 0 ? "it ends there" : std::strerror(error)));
  }
  // False when less than what lies before `end` could be read.
  static bool try_read(int descriptor, std::uint64_t begin, std::uint64_t end, std::span<std::byte> into) {
    std::size_t done = 0;
    while (begin + done < end) {
      errno = 0;
      const ssize_t count =
          ::pread(descriptor, into.data() + done, into.size() - done, static_cast<off_t>(begin + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }

  const MappedFile& file_;
  int direct_ = -1;
};

void check_cancelled(const TransferOptions& options) {
  if (options.cancelled != nullptr && options.cancelled->load())
    throw Error(ErrorCode::kCancelled, "the load was cancelled");
}

// The work of one transfer, shared by its reader threads.
class Transfer {
 public:
  Transfer(const ReadPlan& plan, CopyTarget& target, const TransferOptions& options)
      : plan_(plan), target_(target), options_(options), chunks_(make_chunks(plan, options.chunk_bytes)) {
    for (const auto& file : plan.source().files())
      readers_.push_back(std::make_unique<FileReader>(*file, options.direct_io));
    for (const Chunk& chunk : chunks_) {
      for (const Part& part : chunk.parts) {
        converts_ = converts_ || part.from != part.to;
        largest_ = std::max(largest_, part.target_bytes());
      }
    }
  }

  void run() {
    unsigned threads = options_.threads != 0 ? options_.threads : std::thread::hardware_concurrency();
    threads = std::clamp(threads, 1U, options_.threads != 0 ? options_.threads : kMostThreads);
    threads = static_cast<unsigned>(std::clamp<std::size_t>(chunks_.size(), 1, threads));
    {
      std::vector<std::jthread> helpers;
      for (unsigned i = 1; i < threads; ++i) helpers.emplace_back([this, i] { work(i); });
      work(0);
    }
    const base::MutexLock lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // Memory for one chunk on its way: as read, then as converted.
  struct Slot {
    std::span<std::byte> raw;
    std::span<std::byte> converted;
  };

  void work(unsigned thread) {
    try {
      const std::size_t raw_bytes = (options_.chunk_bytes / kBlock + 3) * kBlock;
      const std::size_t converted_bytes = converts_ ? (largest_ / kBlock + 1) * kBlock : 0;
      const auto staging = target_.allocate_staging(kLanesPerThread * (raw_bytes + converted_bytes));
      try {
        fill(thread, staging->bytes(), raw_bytes, converted_bytes);
      } catch (...) {
        // No copy may be left that reads the staging memory.
        for (unsigned i = 0; i < kLanesPerThread; ++i) wait_quietly(thread * kLanesPerThread + i);
        throw;
      }
    } catch (...) {
      const base::MutexLock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stopped_.store(true);
    }
  }

  void fill(unsigned thread, std::span<std::byte> staging, std::size_t raw_bytes,
            std::size_t converted_bytes) {
    unsigned turn = 0;
    while (!stopped_.load()) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= chunks_.size()) break;
      check_cancelled(options_);
      const unsigned lane = thread * kLanesPerThread + turn;
      const auto memory = staging.subspan(turn * (raw_bytes + converted_bytes), raw_bytes + converted_bytes);
      target_.wait(lane);
      pass(chunks_[index], lane, {memory.first(raw_bytes), memory.subspan(raw_bytes)});
      turn = (turn + 1) % kLanesPerThread;
    }
    for (unsigned i = 0; i < kLanesPerThread; ++i) target_.wait(thread * kLanesPerThread + i);
  }

  void pass(const Chunk& chunk, unsigned lane, const Slot& slot) {
    if (pass_in_place(chunk, lane, slot.raw)) return;
    const std::span<const std::byte> raw = chunk.file == nullptr
                                               ? std::span<const std::byte>{}
                                               : reader(*chunk.file).read(chunk.begin, chunk.end, slot.raw);
    std::uint64_t bytes = 0;
    std::size_t used = 0;  // of slot.converted, by copies that may still run
    for (const Part& part : chunk.parts) {
      auto source = part.source;
      if (chunk.file != nullptr) {
        const auto at = static_cast<std::uint64_t>(source.data() - chunk.file->bytes().data()) - chunk.begin;
        source = raw.subspan(static_cast<std::size_t>(at), source.size());
      }
      if (part.from != part.to && used + part.target_bytes() > slot.converted.size()) {
        target_.wait(lane);
        used = 0;
      }
      target_.copy(lane, bring(part, source, slot.converted.subspan(used)), part.offset);
      if (part.from != part.to) used += part.target_bytes();
      bytes += source.size();
    }
    report(bytes);
  }

  // Where nothing is converted, the kernel may write to where the bytes are wanted: the image, or the block
  // itself. False when the chunk has to go by way of the staging memory. `spare` takes what lies between
  // parts.
  bool pass_in_place(const Chunk& chunk, unsigned lane, std::span<std::byte> spare) {
    const bool has_image = !options_.image.empty();
    const auto block = has_image ? options_.image : target_.memory();
    if (chunk.file == nullptr || block.empty() || reader(*chunk.file).is_direct()) return false;
    const auto is_converted = [](const Part& part) { return part.from != part.to; };
    if (std::any_of(chunk.parts.begin(), chunk.parts.end(), is_converted)) return false;
    std::vector<iovec> places;
    std::uint64_t at = chunk.begin;
    for (const Part& part : chunk.parts) {
      const auto begin = static_cast<std::uint64_t>(part.source.data() - chunk.file->bytes().data());
      if (begin > at) places.push_back({spare.data(), static_cast<std::size_t>(begin - at)});
      const auto place = block.subspan(static_cast<std::size_t>(part.offset), part.source.size());
      places.push_back({place.data(), place.size()});
      at = begin + part.source.size();
    }
    reader(*chunk.file).read_into(chunk.begin, places);
    std::uint64_t bytes = 0;
    for (const Part& part : chunk.parts) {
      bytes += part.source.size();
      if (has_image)
        target_.copy(lane, block.subspan(static_cast<std::size_t>(part.offset), part.source.size()),
                     part.offset);
    }
    report(bytes);
    return true;
  }

  // The part as the target wants it: in the image, converted, or just as it was read.
  std::span<const std::byte> bring(const Part& part, std::span<const std::byte> source,
                                   std::span<std::byte> converted) const {
    const std::size_t bytes = part.target_bytes();
    const bool has_image = !options_.image.empty();
    if (!has_image && part.from == part.to) return source;
    const auto into = has_image ? options_.image.subspan(static_cast<std::size_t>(part.offset), bytes)
                                : converted.first(bytes);
    convert_elements(source, part.from, into, part.to);
    return into;
  }

  void report(std::uint64_t bytes) {
    if (!options_.progress) return;
    const base::MutexLock lock(progress_mutex_);
    done_ += bytes;
    options_.progress(done_, plan_.source_bytes());
  }

  const FileReader& reader(const MappedFile& file) const {
    return **std::find_if(readers_.begin(), readers_.end(),
                          [&](const auto& reader) { return &reader->file() == &file; });
  }

  void wait_quietly(unsigned lane) {
    try {
      target_.wait(lane);
    } catch (...) {
      // The first failure is the one to report.
    }
  }

  const ReadPlan& plan_;
  CopyTarget& target_;
  const TransferOptions& options_;
  const std::vector<Chunk> chunks_;
  std::vector<std::unique_ptr<FileReader>> readers_;
  bool converts_ = false;
  std::size_t largest_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopped_{false};
  base::Mutex mutex_;
  std::exception_ptr failure_ GUARDED_BY(mutex_);
  base::Mutex progress_mutex_;  // held during the callback, so that it is called by one thread at a time
  std::uint64_t done_ GUARDED_BY(progress_mutex_) = 0;
};

}  // namespace

void transfer(const ReadPlan& plan, CopyTarget& target, const TransferOptions& options) {
  if (!options.image.empty() && options.image.size() < plan.bytes())
    throw Error(ErrorCode::kInternal, "the image of a load is smaller than what is loaded");
  check_cancelled(options);
  Transfer(plan, target, options).run();
  plan.source().check_unchanged();
}

void transfer_image(std::span<const std::byte> image, CopyTarget& target, const TransferOptions& options) {
  unsigned lane = 0;
  try {
    for (std::size_t done = 0; done < image.size(); done += kImageChunk) {
      check_cancelled(options);
      const std::size_t bytes = std::min(kImageChunk, image.size() - done);
      target.wait(lane);
      target.copy(lane, image.subspan(done, bytes), done);
      lane = (lane + 1) % kLanesPerThread;
      if (options.progress) options.progress(done + bytes, image.size());
    }
    for (unsigned i = 0; i < kLanesPerThread; ++i) target.wait(i);
  } catch (...) {
    for (unsigned i = 0; i < kLanesPerThread; ++i) {
      try {
        target.wait(i);
      } catch (...) {
        // The first failure is the one to report.
      }
    }
    throw;
  }
}

}  // namespace greenroom::checkpoint
