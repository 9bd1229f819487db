#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/summary.h"
#include "checkpoint/torch_writer.h"
#include "checkpoint/verify.h"
#include "support/temp_dir.h"

namespace greenroom::checkpoint {
namespace {

class SafetensorsWriter : public testing::Test {
 protected:
  SafetensorsWriter() {
    DictToWrite root;
    root.items = {{"step", std::int64_t{7}},
                  {"w", TensorToWrite{DType::kFloat32, {2, 3}, std::as_bytes(std::span(values_))}},
                  {"n", TensorToWrite{DType::kInt64, {2}, std::as_bytes(std::span(numbers_))}}};
    write_torch_archive(source(), root);
  }
  std::filesystem::path source() const { return folder_.path() / "source.pt"; }
  std::filesystem::path result() const { return folder_.path() / "result.safetensors"; }

  test::TempDir folder_;
  std::vector<float> values_ = {1, -2, 3.5, 0, 1e-3F, 1e4F};
  std::vector<std::int64_t> numbers_ = {-1, 1LL << 40};
};

TEST_F(SafetensorsWriter, SavesWhatIsReadBackEqual) {
  const auto report = write_safetensors(result(), Checkpoint::open(source()));
  EXPECT_EQ(report.tensors, 2U);
  EXPECT_EQ(report.bytes, std::filesystem::file_size(result()));
  const auto file = Checkpoint::open(result());
  EXPECT_EQ(file.format(), "safetensors");
  EXPECT_EQ(file.find("w")->shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(file.find("w")->bytes.data(), values_.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file.find("n")->bytes.data(), numbers_.data(), 16), 0);
  EXPECT_EQ(std::get<std::string>(file.scalars().at("__metadata__.step")), "7");
}

TEST_F(SafetensorsWriter, ConvertsFloatingPointOnly) {
  SafetensorsOptions options;
  options.dtype = DType::kFloat16;
  write_safetensors(result(), Checkpoint::open(source()), options);
  const auto file = Checkpoint::open(result());
  EXPECT_EQ(file.find("w")->dtype, DType::kFloat16);
  EXPECT_EQ(file.find("n")->dtype, DType::kInt64);
}

TEST_F(SafetensorsWriter, AFailureLeavesTheOldFile) {
  write_safetensors(result(), Checkpoint::open(source()));
  const auto size = std::filesystem::file_size(result());
  const auto opened = Checkpoint::open(source());
  std::filesystem::last_write_time(source(),
                                   std::filesystem::last_write_time(source()) + std::chrono::seconds(1));
  EXPECT_THROW(write_safetensors(result(), opened), base::Error);
  EXPECT_EQ(std::filesystem::file_size(result()), size);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 2);
}

TEST_F(SafetensorsWriter, NamesWhatTheFormatCannotHold) {
  DictToWrite root;
  const std::vector<double> pair = {1, 2};
  root.items = {{"c", TensorToWrite{DType::kComplex128, {1}, std::as_bytes(std::span(pair))}}};
  write_torch_archive(source(), root);
  try {
    write_safetensors(result(), Checkpoint::open(source()));
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kUnimplemented);
    EXPECT_NE(std::string(error.what()).find("complex128"), std::string::npos) << error.what();
  }
  SafetensorsOptions options;
  options.skip_unsupported = true;
  EXPECT_EQ(write_safetensors(result(), Checkpoint::open(source()), options).skipped.size(), 1U);
}

TEST_F(SafetensorsWriter, SummariesCountParametersAndBytesForADtype) {
  const auto summary = summarize(Checkpoint::open(source(), OpenMode::kHeaders));
  EXPECT_EQ(summary.parameters, 8U);
  EXPECT_EQ(summary.bytes(), 24U + 16U);
  EXPECT_EQ(summary.bytes_as(DType::kFloat16), 12U + 16U);
}

TEST_F(SafetensorsWriter, ChecksumsTellAFlippedBit) {
  EXPECT_GE(verify_checksums(source()).checked, 3U);
  const auto file = Checkpoint::open(source());
  const auto offset =
      static_cast<std::uint64_t>(file.find("w")->bytes.data() - file.files().front()->bytes().data());
  std::fstream edit(source(), std::ios::binary | std::ios::in | std::ios::out);
  edit.seekp(static_cast<std::streamoff>(offset));
  edit.put('\x55');
  edit.close();
  EXPECT_NO_THROW(Checkpoint::open(source()));
  EXPECT_THROW(verify_checksums(source()), base::Error);
}

}  // namespace
}  // namespace greenroom::checkpoint
