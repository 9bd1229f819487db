#include "app/state_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RegisteredModel model(const std::string& id) {
  RegisteredModel model;
  model.id = id;
  model.type = "ddsp_svc";
  model.path = "/voices/" + id;
  return model;
}

TEST(StateFolder, IsMadeForItsOwnerOnlyAndKeepsBoth) {
  const test::TempDir dir;
  const auto folder = dir / "a/b";
  {
    StateFolder state(folder);
    EXPECT_THAT(state.problems(), IsEmpty());
    state.store().put_model(model("alto"));
    state.history().append({.type = "evicted"});
  }
  EXPECT_EQ(fs::status(folder).permissions(), fs::perms::owner_all);
  StateFolder state(folder);
  EXPECT_EQ(state.store().models().size(), 1U);
  EXPECT_EQ(state.history().query({}).size(), 1U);
}

TEST(StateFolder, WithoutAFolderNothingTouchesTheDisk) {
  StateFolder state("");
  state.store().put_model(model("alto"));
  EXPECT_EQ(state.store().models().size(), 1U);
  EXPECT_THAT(state.problems(), IsEmpty());
}

TEST(StateFolder, ADamagedFileIsMovedAsideAndTheOtherOneKept) {
  const test::TempDir dir;
  { StateFolder(dir.path()).history().append({.type = "evicted"}); }
  dir.write("state.db", std::string(3000, 'x'));
  dir.write("state.db.damaged-1", "from last time");
  StateFolder state(dir.path());
  ASSERT_EQ(state.problems().size(), 1U);
  EXPECT_THAT(state.problems()[0], AllOf(HasSubstr("state.db"), HasSubstr("state.db.damaged-2")));
  state.store().put_model(model("alto"));
  EXPECT_EQ(fs::file_size(dir / "state.db.damaged-2"), 3000U);
  EXPECT_EQ(state.history().query({}).size(), 1U);
  EXPECT_THAT(StateFolder(dir.path()).store().models(), ElementsAre(model("alto")));
}

TEST(StateFolder, WhatANewerGreenroomWroteStaysAndNothingIsKept) {
  const test::TempDir dir;
  { StateFolder(dir.path()).store().put_model(model("alto")); }
  { Database(dir / "state.db", Durability::kPower).run("PRAGMA user_version = 99"); }
  {
    StateFolder state(dir.path());
    ASSERT_EQ(state.problems().size(), 1U);
    EXPECT_THAT(state.problems()[0], AllOf(HasSubstr("newer"), HasSubstr("in memory only")));
    state.store().put_model(model("tenor"));
    EXPECT_THAT(state.store().models(), ElementsAre(model("tenor")));
  }
  { Database(dir / "state.db", Durability::kPower).run("PRAGMA user_version = 1"); }
  EXPECT_THAT(StateFolder(dir.path()).store().models(), ElementsAre(model("alto")));
}

TEST(StateFolder, AFolderThatCannotBeMadeIsAProblemAndNotTheEnd) {
  const test::TempDir dir;
  dir.write("file", "no folder");
  StateFolder state(dir / "file");
  EXPECT_EQ(state.problems().size(), 2U);
  state.store().put_model(model("alto"));
  EXPECT_EQ(state.store().models().size(), 1U);
}

TEST(StateFolder, ManyAtOnceMoveADamagedFileAsideOnce) {
  const test::TempDir dir;
  dir.write("state.db", std::string(3000, 'x'));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { StateFolder(dir.path()).store().put_model(model(std::to_string(i))); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(StateFolder(dir.path()).store().models().size(), 4U);
  EXPECT_FALSE(fs::exists(dir / "state.db.damaged-2"));
}

}  // namespace
}  // namespace greenroom::app
