#include "checkpoint/transfer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>

#include "base/error.h"
#include "checkpoint/convert_dtype.h"
#include "checkpoint/mapped_file.h"
#include "checkpoint/torch_writer.h"
#include "support/temp_dir.h"

namespace greenroom::checkpoint {
namespace {

using base::ErrorCode;

template <typename Action>
ErrorCode code_of(const Action& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

// Some tensors of odd sizes, one larger than a chunk.
class Transfer : public testing::Test {
 protected:
  Transfer() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    DictToWrite root;
    for (const std::int64_t size : {1, 7, 1000, 300'001, 64}) {
      auto& values = values_.emplace_back(static_cast<std::size_t>(size));
      for (float& value : values) value = normal(random);
      root.items.emplace_back("t" + std::to_string(size),
                              TensorToWrite{DType::kFloat32, {size}, std::as_bytes(std::span(values))});
    }
    write_torch_archive(path(), root);
  }

  std::filesystem::path path() const { return folder_.path() / "model.pt"; }

  ReadPlan plan(DType dtype) const {
    return ReadPlan(Checkpoint::open(path()), [=](std::string_view, const TensorView&) { return dtype; });
  }

  void expect_arrived(const ReadPlan& plan, std::span<const std::byte> block) const {
    for (const auto& values : values_) {
      const auto& placed = plan.tensors().at("t" + std::to_string(values.size()));
      std::vector<std::byte> wanted(values.size() * dtype_size(placed.dtype));
      convert_elements(std::as_bytes(std::span(values)), DType::kFloat32, wanted, placed.dtype);
      EXPECT_EQ(std::memcmp(block.data() + placed.offset, wanted.data(), wanted.size()), 0) << values.size();
    }
  }

  test::TempDir folder_;
  std::vector<std::vector<float>> values_;
};

TEST_F(Transfer, BringsEveryByteWithAnyNumberOfThreadsAndChunks) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kFloat64}) {
    for (const unsigned threads : {1U, 3U}) {
      for (const std::size_t chunk : {std::size_t{4096}, std::size_t{1} << 20}) {
        for (const DirectIo direct : {DirectIo::kNever, DirectIo::kAlways}) {
          const auto plan = this->plan(dtype);
          const auto block = allocate_host_memory(plan.bytes());
          HostTarget target(block->bytes());
          TransferOptions options;
          options.threads = threads;
          options.chunk_bytes = chunk;
          options.direct_io = direct;
          transfer(plan, target, options);
          expect_arrived(plan, block->bytes());
        }
      }
    }
  }
}

TEST_F(Transfer, AnImageBringsTheSameWithoutTheFile) {
  const auto plan = this->plan(DType::kFloat16);
  const auto block = allocate_host_memory(plan.bytes());
  const auto image = allocate_host_memory(plan.bytes());
  HostTarget target(block->bytes());
  TransferOptions options;
  options.image = image->bytes();
  transfer(plan, target, options);
  expect_arrived(plan, block->bytes());

  std::filesystem::remove(path());
  const auto again = allocate_host_memory(plan.bytes());
  HostTarget second(again->bytes());
  transfer_image(image->bytes(), second, {});
  expect_arrived(plan, again->bytes());
}

TEST_F(Transfer, TellsItsProgressInOrderUpToTheEnd) {
  const auto plan = this->plan(DType::kFloat32);
  const auto block = allocate_host_memory(plan.bytes());
  HostTarget target(block->bytes());
  TransferOptions options;
  options.chunk_bytes = 65536;
  std::uint64_t last = 0;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, plan.source_bytes());
    last = done;
  };
  transfer(plan, target, options);
  EXPECT_EQ(last, plan.source_bytes());
}

TEST_F(Transfer, StopsBetweenChunksWhenCancelled) {
  const auto plan = this->plan(DType::kFloat32);
  const auto block = allocate_host_memory(plan.bytes());
  HostTarget target(block->bytes());
  std::atomic<bool> cancelled{false};
  TransferOptions options;
  options.threads = 1;
  options.chunk_bytes = 65536;
  options.cancelled = &cancelled;
  int calls = 0;
  options.progress = [&](std::uint64_t, std::uint64_t) {
    ++calls;
    cancelled = true;
  };
  EXPECT_EQ(code_of([&] { transfer(plan, target, options); }), ErrorCode::kCancelled);
  EXPECT_EQ(calls, 1);
}

// A device whose third copy fails, and whose copies end only when they are waited for.
class FailingTarget final : public CopyTarget {
 public:
  std::unique_ptr<HostMemory> allocate_staging(std::uint64_t bytes) override {
    return allocate_host_memory(bytes);
  }
  void copy(unsigned, std::span<const std::byte>, std::uint64_t) override {
    if (++copies_ == 3) throw base::Error(ErrorCode::kUnavailable, "the device is lost");
    ++running_;
  }
  void wait(unsigned) override { running_ = 0; }
  int running() const { return running_; }

 private:
  std::atomic<int> copies_{0};
  std::atomic<int> running_{0};
};

TEST_F(Transfer, AFailedCopyEndsItWithNoCopyLeftRunning) {
  FailingTarget target;
  TransferOptions options;
  options.threads = 1;
  options.chunk_bytes = 65536;
  EXPECT_EQ(code_of([&] { transfer(plan(DType::kFloat32), target, options); }), ErrorCode::kUnavailable);
  EXPECT_EQ(target.running(), 0);
}

TEST_F(Transfer, AFileThatIsCutOffMeanwhileIsAnErrorAndNoCrash) {
  const auto plan = this->plan(DType::kFloat32);
  ASSERT_EQ(::truncate(path().c_str(), 8192), 0);
  const auto block = allocate_host_memory(plan.bytes());
  HostTarget target(block->bytes());
  EXPECT_EQ(code_of([&] { transfer(plan, target, {}); }), ErrorCode::kDataLoss);
}

TEST_F(Transfer, MappedTensorsOfAFileThatIsCutOffReadAsZerosAndAreReported) {
  const auto file = Checkpoint::open(path());
  const auto bytes = file.find("t300001")->bytes;
  ASSERT_EQ(::truncate(path().c_str(), 4096), 0);
  const auto sum = std::accumulate(bytes.begin(), bytes.end(), 0U, [](unsigned total, std::byte byte) {
    return total + std::to_integer<unsigned>(byte);
  });
  EXPECT_EQ(sum, 0U);
  EXPECT_EQ(code_of([&] { file.check_unchanged(); }), ErrorCode::kDataLoss);
}

TEST_F(Transfer, AFileWrittenToIsReportedAndOneReplacedByRenamingIsNot) {
  const auto file = Checkpoint::open(path());
  const auto copy = folder_.path() / "copy.pt";
  std::filesystem::copy_file(path(), copy);
  const auto replaced = Checkpoint::open(copy);
  std::filesystem::copy_file(path(), folder_.path() / "new.pt");
  std::filesystem::rename(folder_.path() / "new.pt", copy);
  EXPECT_NO_THROW(replaced.check_unchanged());

  std::filesystem::last_write_time(path(),
                                   std::filesystem::last_write_time(path()) + std::chrono::seconds(1));
  EXPECT_EQ(code_of([&] { file.check_unchanged(); }), ErrorCode::kDataLoss);
}

TEST_F(Transfer, OnlyWhatIsWantedIsRead) {
  const auto source = Checkpoint::open(path());
  const ReadPlan plan(source, [](std::string_view name, const TensorView&) -> std::optional<DType> {
    if (name == "t7") return DType::kFloat16;
    return std::nullopt;
  });
  EXPECT_EQ(plan.tensors().size(), 1U);
  EXPECT_EQ(plan.source_bytes(), 7 * sizeof(float));
  EXPECT_EQ(plan.bytes(), 64U);
}

TEST(ConvertDtype, RoundsToNearestEvenAndKeepsInfinitiesAndNans) {
  const auto half = [](float value) {
    std::uint16_t result = 0;
    convert_elements(std::as_bytes(std::span(&value, 1)), DType::kFloat32,
                     std::as_writable_bytes(std::span(&result, 1)), DType::kFloat16);
    return result;
  };
  EXPECT_EQ(half(1.0F), 0x3C00);
  EXPECT_EQ(half(-2.0F), 0xC000);
  EXPECT_EQ(half(65504.0F), 0x7BFF);
  EXPECT_EQ(half(65520.0F), 0x7C00);
  EXPECT_EQ(half(0x1p-24F), 0x0001);
  EXPECT_EQ(half(0x1p-25F), 0x0000);
  EXPECT_EQ(half(0x1.8p-24F), 0x0002);
  EXPECT_EQ(half(1.0F + 0x1p-11F), 0x3C00);
  EXPECT_EQ(half(1.0F + 0x3p-11F), 0x3C02);
  EXPECT_EQ(half(INFINITY), 0x7C00);
  EXPECT_EQ(half(NAN) & 0x7C00, 0x7C00);
  EXPECT_NE(half(NAN) & 0x03FF, 0);
}

TEST(ConvertDtype, EveryHalfSurvivesTheWayToFloatAndBack) {
  std::vector<std::uint16_t> halves(65536);
  std::iota(halves.begin(), halves.end(), std::uint16_t{0});
  std::vector<float> floats(halves.size());
  std::vector<std::uint16_t> back(halves.size());
  // By the vector unit where there is one (many at once) and without it (one by one).
  for (const std::size_t step : {halves.size(), std::size_t{1}}) {
    for (std::size_t i = 0; i < halves.size(); i += step) {
      convert_elements(std::as_bytes(std::span(halves).subspan(i, step)), DType::kFloat16,
                       std::as_writable_bytes(std::span(floats).subspan(i, step)), DType::kFloat32);
      convert_elements(std::as_bytes(std::span(floats).subspan(i, step)), DType::kFloat32,
                       std::as_writable_bytes(std::span(back).subspan(i, step)), DType::kFloat16);
    }
    for (std::size_t i = 0; i < halves.size(); ++i) {
      if (std::isnan(floats[i])) {
        EXPECT_EQ(back[i] & 0x7C00, 0x7C00);
      } else {
        EXPECT_EQ(back[i], halves[i]);
      }
    }
  }
}

}  // namespace
}  // namespace greenroom::checkpoint
