// Every file that hostile/make_files.py writes is refused with a message that says why, or read to the bit.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "support/temp_dir.h"

namespace greenroom::checkpoint {
namespace {

// Of the elements in row-major order.
std::uint32_t checksum(const TensorView& view) {
  uLong crc = 0;
  const std::size_t element = dtype_size(view.dtype);
  std::vector<std::int64_t> index(view.shape.size(), 0);
  for (std::int64_t left = view.numel(); left > 0; --left) {
    std::int64_t at = 0;
    for (std::size_t i = 0; i < index.size(); ++i) at += index[i] * view.strides[i];
    const auto bytes = view.bytes.subspan(static_cast<std::size_t>(at) * element, element);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(element));
    for (std::size_t i = index.size(); i-- > 0;) {
      if (++index[i] < view.shape[i]) break;
      index[i] = 0;
    }
  }
  return static_cast<std::uint32_t>(crc);
}

base::Json make_files(const std::filesystem::path& folder, const std::string& script) {
  const std::string command =
      "cd " + folder.string() + " && PYTHONDONTWRITEBYTECODE=1 " GREENROOM_PYTHON " " + script + " .";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(folder / "manifest.json");
  return base::parse_json(std::string(std::istreambuf_iterator<char>(file), {}), "manifest.json");
}

void expect_refused(const std::filesystem::path& path, const std::string& error, OpenMode mode) {
  try {
    Checkpoint::open(path, mode);
    ADD_FAILURE() << path.filename() << " was read";
  } catch (const base::Error& refusal) {
    const std::string message = refusal.what();
    EXPECT_NE(refusal.code(), base::ErrorCode::kInternal) << message;
    EXPECT_NE(message.find(path.filename().string()), std::string::npos) << message;
    EXPECT_NE(message.find(error), std::string::npos) << path.filename() << ": " << message;
    EXPECT_LT(message.size(), 1000U) << path.filename();
  }
}

void expect_read(const std::filesystem::path& path, const base::Json& tensors) {
  const auto file = Checkpoint::open(path);
  EXPECT_EQ(file.tensors().size(), tensors.size()) << path.filename();
  const auto headers = Checkpoint::open(path, OpenMode::kHeaders);
  for (const auto& [name, wanted] : tensors.items()) {
    const auto* view = file.find(name);
    ASSERT_NE(view, nullptr) << path.filename() << ": " << name;
    EXPECT_EQ(dtype_name(view->dtype), wanted["dtype"]) << path.filename() << ": " << name;
    EXPECT_EQ(view->shape, wanted["shape"].get<std::vector<std::int64_t>>())
        << path.filename() << ": " << name;
    EXPECT_EQ(checksum(*view), wanted["crc32"].get<std::uint32_t>()) << path.filename() << ": " << name;
    ASSERT_NE(headers.find(name), nullptr) << path.filename();
    EXPECT_EQ(headers.find(name)->nbytes(), view->nbytes()) << path.filename();
    EXPECT_TRUE(headers.find(name)->bytes.empty()) << path.filename();
  }
}

long peak_kilobytes() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(HostileFiles, AreRefusedWithAReasonAndAwkwardOnesAreRead) {
  const test::TempDir folder;
  const auto manifest = make_files(folder.path(), GREENROOM_TEST_DATA "/checkpoint/hostile/make_files.py");
  const long before = peak_kilobytes();
  std::size_t refused = 0;
  for (const auto& entry : manifest) {
    const auto path = folder.path() / entry["file"].get<std::string>();
    if (entry["expect"] == "load") {
      expect_read(path, entry["tensors"]);
      continue;
    }
    const auto index = path / "model.safetensors.index.json";
    expect_refused(std::filesystem::exists(index) ? index : path, entry["error"], OpenMode::kTensors);
    ++refused;
  }
  EXPECT_GE(refused, 180U);
  EXPECT_FALSE(std::filesystem::exists("SENTINEL"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "SENTINEL"));
  constexpr long kMostKilobytes = 1200 << 10;  // sanitizers take several times what the reader takes
  EXPECT_LT(peak_kilobytes() - before, kMostKilobytes);
}

// What PyTorch itself writes: needs its Python package, which a plain build does not.
TEST(TorchFiles, AreReadToTheBit) {
  if (std::system(GREENROOM_PYTHON " -c 'import torch' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3-torch is not installed";
  }
  const test::TempDir folder;
  const auto manifest = make_files(folder.path(), GREENROOM_TEST_DATA "/checkpoint/torch_files.py");
  EXPECT_GE(manifest.size(), 10U);
  for (const auto& entry : manifest)
    expect_read(folder.path() / entry["file"].get<std::string>(), entry["tensors"]);
}

}  // namespace
}  // namespace greenroom::checkpoint
