#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/error.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/torch_writer.h"
#include "support/temp_dir.h"

namespace greenroom::checkpoint {
namespace {

using base::ErrorCode;

const std::vector<float> kValues = {1, 2, 3, 4, 5, 6};

TensorToWrite floats(std::vector<std::int64_t> shape) {
  return {DType::kFloat32, std::move(shape), std::as_bytes(std::span(kValues))};
}

std::filesystem::path write_example(const test::TempDir& folder) {
  const auto inner = std::make_shared<DictToWrite>();
  inner->items = {{"layer.weight", floats({2, 3})}, {"layer.bias", floats({6})}};
  DictToWrite root;
  root.items = {
      {"global_step", std::int64_t{1234}}, {"rate", 0.5}, {"name", std::string("alto")}, {"model", inner}};
  auto path = folder.path() / "model_1.pt";
  write_torch_archive(path, root);
  return path;
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// What opening `bytes` is refused with; fails the test when it is not.
base::Error refusal(const test::TempDir& folder, const std::string& bytes) {
  const auto path = folder.path() / "refused.pt";
  write_all(path, bytes);
  try {
    Checkpoint::open(path);
  } catch (const base::Error& error) {
    EXPECT_NE(std::string(error.what()).find("refused.pt"), std::string::npos) << error.what();
    return error;
  }
  ADD_FAILURE() << "was opened";
  return {ErrorCode::kInternal, ""};
}

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((header.size() >> (8 * i)) & 0xFF));
  return bytes + header + std::string(data_bytes, '\1');
}

TEST(Checkpoint, ReadsBackWhatWasWritten) {
  const test::TempDir folder;
  const auto file = Checkpoint::open(write_example(folder));
  EXPECT_EQ(file.format(), "torch.save archive");
  EXPECT_EQ(file.tensors().size(), 2U);
  const auto* weight = file.find("model.layer.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(weight->is_contiguous());
  EXPECT_EQ(std::memcmp(weight->bytes.data(), kValues.data(), weight->bytes.size()), 0);
  EXPECT_EQ(std::get<std::int64_t>(file.scalars().at("global_step")), 1234);
  EXPECT_EQ(std::get<double>(file.scalars().at("rate")), 0.5);
  EXPECT_EQ(std::get<std::string>(file.scalars().at("name")), "alto");
}

// Drops a file's pages from the page cache; false where the file system keeps them.
bool drop_from_page_cache(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  ::fsync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
  const MappedFile mapped(path);
  unsigned char first = 0;
  return ::mincore(const_cast<std::byte*>(mapped.bytes().data()), 1, &first) == 0 && (first & 1U) == 0;
}

std::size_t bytes_in_page_cache(const std::filesystem::path& path) {
  constexpr std::size_t kPage = 4096;
  const MappedFile mapped(path);
  std::vector<unsigned char> pages((mapped.bytes().size() + kPage - 1) / kPage);
  ::mincore(const_cast<std::byte*>(mapped.bytes().data()), mapped.bytes().size(), pages.data());
  const auto here =
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1U) != 0; });
  return static_cast<std::size_t>(here) * kPage;
}

TEST(Checkpoint, HeadersOfALargeFileTouchLessThanAHundredthOfIt) {
  const test::TempDir folder;
  const std::vector<float> values(4u << 20, 1);
  DictToWrite root;
  for (const char* name : {"a", "b", "c", "d"})
    root.items.emplace_back(name,
                            TensorToWrite{DType::kFloat32, {4 << 20}, std::as_bytes(std::span(values))});
  const auto path = folder / "large.pt";
  write_torch_archive(path, root);
  if (!drop_from_page_cache(path)) GTEST_SKIP() << "this file system keeps its pages in memory";
  const auto file = Checkpoint::open(path, OpenMode::kHeaders);
  EXPECT_EQ(file.tensors().size(), 4U);
  EXPECT_LT(bytes_in_page_cache(path), std::filesystem::file_size(path) / 100);
}

TEST(Checkpoint, PayloadsAreAlignedTo64Bytes) {
  const test::TempDir folder;
  const auto file = Checkpoint::open(write_example(folder));
  const auto* begin = file.files().front()->bytes().data();
  for (const auto& [name, view] : file.tensors()) EXPECT_EQ((view.bytes.data() - begin) % 64, 0) << name;
}

TEST(Checkpoint, EqualInputGivesEqualFiles) {
  const test::TempDir a;
  const test::TempDir b;
  EXPECT_EQ(read_all(write_example(a)), read_all(write_example(b)));
}

TEST(Checkpoint, ViewsOutliveTheCheckpointWhileTheMappingIsHeld) {
  const test::TempDir folder;
  std::shared_ptr<const void> mapping;
  std::span<const std::byte> bytes;
  {
    const auto file = Checkpoint::open(write_example(folder));
    mapping = file.keep_alive();
    bytes = file.find("model.layer.bias")->bytes;
  }
  EXPECT_EQ(std::memcmp(bytes.data(), kValues.data(), bytes.size()), 0);
}

TEST(Checkpoint, IsRefusedWhereverItIsCutOff) {
  const test::TempDir folder;
  const std::string whole = read_all(write_example(folder));
  for (std::size_t size = 1; size < whole.size(); size += 7) refusal(folder, whole.substr(0, size));
}

TEST(Checkpoint, OneFlippedByteGivesAnErrorOrSaneTensors) {
  const test::TempDir folder;
  const std::string whole = read_all(write_example(folder));
  const auto path = folder.path() / "flipped.pt";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(~flipped[i]);
    write_all(path, flipped);
    try {
      const auto file = Checkpoint::open(path);
      for (const auto& [name, view] : file.tensors()) {
        EXPECT_LE(view.nbytes(), view.bytes.size()) << "byte " << i << ", " << name;
      }
    } catch (const base::Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
    }
  }
}

TEST(Checkpoint, SaysWhatAFileLooksLikeInstead) {
  const test::TempDir folder;
  const auto message = [&](const std::string& bytes) { return std::string(refusal(folder, bytes).what()); };
  EXPECT_NE(message("version https://git-lfs.github.com/spec/v1\n").find("git lfs pull"), std::string::npos);
  EXPECT_NE(message("<!DOCTYPE html><html>").find("web page"), std::string::npos);
  EXPECT_NE(message("{\"error\": \"not found\"}").find("JSON"), std::string::npos);
  EXPECT_NE(message("\x80\x02}q.").find("bare Python pickle"), std::string::npos);
  EXPECT_NE(message("hello").find("not a checkpoint"), std::string::npos);
}

TEST(Checkpoint, NamesWhatIsNoFile) {
  const test::TempDir folder;
  const auto code_of = [](const std::filesystem::path& path) {
    try {
      Checkpoint::open(path);
    } catch (const base::Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code_of(folder.path() / "absent"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(folder.path()), ErrorCode::kNotFound);
  write_all(folder.path() / "empty", "");
  EXPECT_EQ(code_of(folder.path() / "empty"), ErrorCode::kDataLoss);
}

TEST(Checkpoint, JunkBehindTheEndIsRefused) {
  const test::TempDir folder;
  EXPECT_EQ(refusal(folder, read_all(write_example(folder)) + "junk").code(), ErrorCode::kDataLoss);
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const test::TempDir folder;
  const auto path = folder.path() / "a.safetensors";
  write_all(path,
            safetensors(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                        R"("s":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
                        R"("e":{"dtype":"F16","shape":[0,3],"data_offsets":[16,16]}})",
                        16));
  const auto file = Checkpoint::open(path);
  EXPECT_EQ(file.format(), "safetensors");
  EXPECT_EQ(file.find("a")->nbytes(), 8U);
  EXPECT_EQ(file.find("s")->numel(), 1);
  EXPECT_EQ(file.find("e")->numel(), 0);
  EXPECT_EQ(std::get<std::string>(file.scalars().at("__metadata__.k")), "v");
}

TEST(Safetensors, RefusesWhatTheReferenceReaderRefuses) {
  const test::TempDir folder;
  const auto refused = [&](const char* header, std::size_t bytes) {
    return refusal(folder, safetensors(header, bytes));
  };
  refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4);  // size
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8);  // bytes left over
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8);  // hole
  refused(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
      4);
  refused(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      8);
  refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}})", 4);
  refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4);
  refused(R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", 4);
  refused(R"({"__metadata__":{"k":1}})", 0);
  refused(R"({"a":)", 0);
}

TEST(TorchWriter, AFailureLeavesNoFile) {
  EXPECT_THROW(write_torch_archive("/proc/nowhere/model.pt", {}), base::Error);
}

}  // namespace
}  // namespace greenroom::checkpoint
