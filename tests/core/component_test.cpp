#include "core/component.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_dir.h"

namespace greenroom::core {
namespace {

namespace fs = std::filesystem;
const base::DeviceId kCpu{base::DeviceKind::kCpu, 0};
const base::DeviceId kGpu{base::DeviceKind::kCuda, 0};

base::ErrorCode failure(const ComponentSpec& spec) {
  try {
    identify(spec, kCpu);
  } catch (const base::Error& error) {
    return error.code();
  }
  return base::ErrorCode::kInternal;
}

TEST(ComponentKey, IsTheSameForEveryWayToOneFile) {
  test::TempDir files;
  fs::create_directory(files / "a");
  const fs::path file = files.write("a/model.pt", "weights");
  fs::create_symlink(file, files / "link.pt");
  const ComponentKey key = identify({"vocoder", file, "f32", 1}, kCpu);
  EXPECT_EQ(key, identify({"vocoder", files / "link.pt", "f32", 1}, kCpu));
  EXPECT_EQ(key, identify({"vocoder", files / "a/../a/model.pt", "f32", 1}, kCpu));
}

TEST(ComponentKey, DiffersByKindVariantAndDevice) {
  test::TempDir files;
  const fs::path file = files.write("model.pt", "weights");
  const ComponentKey key = identify({"vocoder", file, "f32", 1}, kCpu);
  EXPECT_NE(key, identify({"encoder", file, "f32", 1}, kCpu));
  EXPECT_NE(key, identify({"vocoder", file, "f16", 1}, kCpu));
  EXPECT_NE(key, identify({"vocoder", file, "f32", 1}, kGpu));
}

TEST(ComponentKey, DiffersOnceTheFileChanged) {
  test::TempDir files;
  const fs::path file = files.write("model.pt", "old");
  const ComponentKey key = identify({"vocoder", file, "", 1}, kCpu);
  const auto modified = fs::last_write_time(file);
  files.write("model.pt", "longer");
  fs::last_write_time(file, modified);
  EXPECT_NE(key, identify({"vocoder", file, "", 1}, kCpu)) << "size";
  files.write("model.pt", "new");
  fs::last_write_time(file, modified + std::chrono::milliseconds(1));
  EXPECT_NE(key, identify({"vocoder", file, "", 1}, kCpu)) << "time";
}

TEST(ComponentKey, NeedsARegularFile) {
  test::TempDir files;
  EXPECT_EQ(failure({"vocoder", files / "missing.pt", "", 1}), base::ErrorCode::kNotFound);
  EXPECT_EQ(failure({"vocoder", files.path(), "", 1}), base::ErrorCode::kInvalidArgument);
}

TEST(ComponentKey, WithoutAFileIsItsKindAndVariant) {
  const auto key = identify({"vocoder", "", "a", 1}, kCpu);
  EXPECT_EQ(key, identify({"vocoder", "", "a", 2}, kCpu));
  EXPECT_NE(key, identify({"vocoder", "", "b", 1}, kCpu));
  EXPECT_EQ(label(key), "vocoder");
}

TEST(ComponentKey, IsNamedByKindAndFile) {
  test::TempDir files;
  EXPECT_EQ(label(identify({"vocoder", files.write("model.pt", "weights"), "", 1}, kCpu)),
            "vocoder (model.pt)");
}

}  // namespace
}  // namespace greenroom::core
