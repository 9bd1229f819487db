#include "app/schema.h"

#include <spdlog/fmt/fmt.h>

#include "base/error.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;

void check_owner(Database& database, const Schema& schema) {
  // In this order: another process may be making it, tables and number in one transaction.
  const bool empty = database.number("SELECT count(*) FROM sqlite_master") == 0;
  const auto application = database.number("PRAGMA application_id");
  if (application == schema.application_id || (application == 0 && empty)) return;
  throw Error(
      ErrorCode::kFailedPrecondition,
      fmt::format("{}: is not greenroom's {} database but another program's; set system.cache_dir to a "
                  "folder of its own",
                  database.file().string(), schema.name));
}

}  // namespace

void bring_up_to_date(Database& database, const Schema& schema) {
  if (const auto damage = database.find_damage(); !damage.empty()) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: is damaged: {}", database.file().string(), damage));
  }
  check_owner(database, schema);
  const auto newest = static_cast<std::int64_t>(schema.steps.size());
  const auto check_age = [&](std::int64_t version) {
    if (version <= newest) return;
    throw Error(
        ErrorCode::kFailedPrecondition,
        fmt::format("{}: was written by a newer greenroom (its version is {}, this program knows up to {}); "
                    "use that greenroom, or move the file away to start afresh",
                    database.file().string(), version, newest));
  };
  if (const auto version = database.number("PRAGMA user_version"); version == newest) return;
  // Another process may be doing the same: look again once the lock is ours.
  Transaction transaction(database);
  const auto version = database.number("PRAGMA user_version");
  check_age(version);
  for (auto step = version; step < newest; ++step) database.run(schema.steps[static_cast<std::size_t>(step)]);
  database.run(fmt::format("PRAGMA application_id = {}", schema.application_id));
  database.run(fmt::format("PRAGMA user_version = {}", newest));
  transaction.commit();
}

}  // namespace greenroom::app
