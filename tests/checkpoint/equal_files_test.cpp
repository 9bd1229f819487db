#include "checkpoint/equal_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_dir.h"

namespace greenroom::checkpoint {
namespace {

namespace fs = std::filesystem;

// Longer than the pages that are read around a fault, so that a difference at the end is far away.
std::string bytes(char last) {
  std::string result(1 << 20, 'a');
  result.back() = last;
  return result;
}

TEST(EqualFiles, TheFirstOfEqualFilesStandsForAll) {
  const test::TempDir folder;
  const auto first = folder.write("first", bytes('x'));
  const auto second = folder.write("second", bytes('x'));
  EqualFiles files;
  EXPECT_EQ(files.representative(first), first);
  EXPECT_EQ(files.representative(second), first);
  EXPECT_EQ(files.representative(first), first);
}

TEST(EqualFiles, OneDifferentByteOrLengthMakesAnotherFile) {
  const test::TempDir folder;
  const auto first = folder.write("first", bytes('x'));
  const auto second = folder.write("second", bytes('y'));
  const auto longer = folder.write("longer", bytes('x') + "z");
  EqualFiles files;
  files.representative(first);
  EXPECT_EQ(files.representative(second), second);
  EXPECT_EQ(files.representative(longer), longer);
}

TEST(EqualFiles, ThreeOfASizeFindTheirOwn) {
  const test::TempDir folder;
  const auto x = folder.write("x", bytes('x'));
  const auto y = folder.write("y", bytes('y'));
  EqualFiles files;
  files.representative(x);
  files.representative(y);
  EXPECT_EQ(files.representative(folder.write("y2", bytes('y'))), y);
  EXPECT_EQ(files.representative(folder.write("x2", bytes('x'))), x);
}

TEST(EqualFiles, AChangedRepresentativeStandsForNobody) {
  const test::TempDir folder;
  const auto first = folder.write("first", bytes('x'));
  const auto second = folder.write("second", bytes('x'));
  EqualFiles files;
  files.representative(first);
  ASSERT_EQ(files.representative(second), first);
  folder.write("first", bytes('y'));
  fs::last_write_time(first, fs::file_time_type::clock::now() + std::chrono::seconds(1));
  EXPECT_EQ(files.representative(second), second);
  EXPECT_EQ(files.representative(first), first);
  fs::remove(second);
  EXPECT_EQ(files.representative(folder.write("third", bytes('x'))), folder / "third");
}

TEST(EqualFiles, LinksAreOneFile) {
  const test::TempDir folder;
  const auto first = folder.write("first", bytes('x'));
  fs::create_hard_link(first, folder / "hard");
  fs::create_symlink(first, folder / "soft");
  EqualFiles files;
  files.representative(first);
  EXPECT_EQ(files.representative(folder / "hard"), first);
  EXPECT_EQ(files.representative(folder / "soft"), first);
}

TEST(EqualFiles, WhatCannotBeReadComesBackAsItIs) {
  const test::TempDir folder;
  EqualFiles files;
  EXPECT_EQ(files.representative(folder / "absent"), folder / "absent");
  EXPECT_EQ(files.representative(folder.path()), folder.path());
  EXPECT_EQ(files.representative(folder.write("empty", "")), folder / "empty");
  EXPECT_EQ(files.representative(folder.write("empty2", "")), folder / "empty2");
}

TEST(EqualFiles, ManyThreadsAgreeOnOne) {
  const test::TempDir folder;
  constexpr int kThreads = 8;
  std::vector<fs::path> copies;
  for (int i = 0; i < kThreads; ++i) copies.push_back(folder.write("copy" + std::to_string(i), bytes('x')));
  EqualFiles files;
  std::vector<fs::path> answers(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] { answers[i] = files.representative(copies[i]); });
  }
  EXPECT_EQ(std::set<fs::path>(answers.begin(), answers.end()).size(), 1U);
}

}  // namespace
}  // namespace greenroom::checkpoint
