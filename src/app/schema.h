// Tables that change from one release to the next, and databases that outlive both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/sqlite.h"

namespace greenroom::app {

// Step N brings a database from version N to N + 1; released steps never change. The application id in the
// file's header tells our databases from others'.
struct Schema {
  std::string name;  // for messages: "state", "events"
  std::int32_t application_id = 0;
  std::vector<std::string> steps;
};

// Makes or updates the tables; all steps or none. Throws base::Error: kFailedPrecondition when a newer
// greenroom or another program wrote the file (which stays as it is), kDataLoss when it is damaged; the
// message names the remedy.
void bring_up_to_date(Database& database, const Schema& schema);

}  // namespace greenroom::app
