#include "nn/failure.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>

#include "nn/cuda_memory.h"
#include "nn/guard.h"
#include "support/error_of.h"

namespace greenroom::nn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr base::DeviceId kCpu{};

constexpr base::DeviceId cuda(int index) {
  return {base::DeviceKind::kCuda, index};
}

c10::SourceLocation here() {
  return {__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)};
}

template <typename Thrown>
base::Error translated(base::DeviceId device, const Thrown& thrown) {
  return failure_of("convert", device, std::make_exception_ptr(thrown));
}

// As libtorch throws it on a GPU: a type of its own, and advice for its users below the first line.
TEST(Failure, NoMemoryOnTheDeviceIsResourceExhausted) {
  const auto error = translated(
      cuda(3),
      c10::OutOfMemoryError(here(), "CUDA out of memory. Tried to allocate 20 MiB.\nSee documentation"));
  EXPECT_EQ(error.code(), base::ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.what(), HasSubstr("convert: cuda:3 had no memory left"));
  EXPECT_THAT(error.what(), HasSubstr("Tried to allocate 20 MiB"));
  EXPECT_THAT(error.what(), Not(HasSubstr("documentation")));
  EXPECT_FALSE(device_loss(3)) << "it passes";
}

TEST(Failure, NoMemoryForALibraryOfTheDeviceIsTheSame) {
  for (const char* text : {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                           "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
                           "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory"}) {
    EXPECT_EQ(translated(cuda(3), c10::Error(here(), text)).code(), base::ErrorCode::kResourceExhausted)
        << text;
  }
  EXPECT_FALSE(device_loss(3));
}

TEST(Failure, NoMemoryOfTheSystemIsResourceExhausted) {
  EXPECT_EQ(translated(kCpu, std::bad_alloc()).code(), base::ErrorCode::kResourceExhausted);
  EXPECT_EQ(translated(kCpu, c10::Error(here(), "DefaultCPUAllocator: can't allocate memory")).code(),
            base::ErrorCode::kResourceExhausted);
}

TEST(Failure, AnErrorThatStaysMarksTheDevice) {
  int index = 10;
  for (const char* text : {"an illegal memory access was encountered", "unspecified launch failure",
                           "device-side assert triggered", "uncorrectable ECC error encountered",
                           "misaligned address", "unknown error"}) {
    const auto error =
        translated(cuda(++index), c10::Error(here(), "CUDA error: " + std::string(text) + "\nMore"));
    EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable) << text;
    EXPECT_THAT(error.what(), HasSubstr(text));
    EXPECT_TRUE(is_device_broken(index)) << text;
    EXPECT_FALSE(device_loss(index + 100));
  }
}

TEST(Failure, OthersDoNot) {
  const auto error = translated(cuda(4), c10::Error(here(), "CUDA error: invalid argument"));
  EXPECT_EQ(error.code(), base::ErrorCode::kInternal);
  EXPECT_EQ(translated(cuda(4), c10::Error(here(), "an unknown error in a model")).code(),
            base::ErrorCode::kInternal);
  EXPECT_EQ(translated(kCpu, c10::Error(here(), "CUDA error: unspecified launch failure")).code(),
            base::ErrorCode::kInternal);
  EXPECT_FALSE(device_loss(4));
  EXPECT_FALSE(device_loss(0));
}

TEST(Failure, WhatIsOursOrABugComesOutAsItIs) {
  EXPECT_THROW(translated(kCpu, base::Error(base::ErrorCode::kCancelled, "cancelled")), base::Error);
  EXPECT_THROW(translated(kCpu, std::logic_error("a bug")), std::logic_error);
}

TEST(Guard, TranslatesWhatIsThrownInIt) {
  const auto error = test::error_of(
      [] { run_guarded("pitch", kCpu, [] { throw c10::OutOfMemoryError(here(), "no memory"); }); });
  EXPECT_EQ(error.code(), base::ErrorCode::kResourceExhausted);
  EXPECT_THAT(error.what(), HasSubstr("pitch"));
}

TEST(Guard, NothingIsTriedOnALostDevice) {
  mark_device_lost(20, "CUDA error: unspecified launch failure");
  mark_device_lost(20, "a later error");
  bool was_called = false;
  const auto error = test::error_of([&] { run_guarded("pitch", cuda(20), [&] { was_called = true; }); });
  EXPECT_FALSE(was_called);
  EXPECT_EQ(error.code(), base::ErrorCode::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("unspecified launch failure")) << "what began it";
  EXPECT_NO_THROW(run_guarded("pitch", cuda(21), [] {}));
}

}  // namespace
}  // namespace greenroom::nn
