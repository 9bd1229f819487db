// SQLite behind three small types: a database, a statement, a transaction. The only include of its header is
// in sqlite.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace greenroom::app {

// How much of what was committed survives. Both survive kill -9; only kPower survives a power cut too.
enum class Durability { kPower, kProcess };

// One connection, in WAL mode, that waits up to five seconds for another process. Errors are base::Error,
// with the file and what SQLite says: kDataLoss (damaged, or no database), kUnavailable (locked, disk full,
// not writable), kInternal. Not thread-safe.
class Database {
 public:
  // ":memory:" is a database that dies with the object. Creates the file; its folder has to be there.
  Database(const std::filesystem::path& file, Durability durability);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs statements that give no rows.
  void run(const std::string& sql);
  // The first column of the first row, as a number.
  std::int64_t number(const std::string& sql);
  // Empty when all pages and indexes are sound, else what is wrong. Reads the whole file.
  std::string find_damage();
  // Rows that the last insert, update or delete touched.
  int changed_rows() const;

  const std::filesystem::path& file() const { return file_; }

 private:
  friend class Statement;
  void use_wal();
  [[noreturn]] void fail(int code, const std::string& doing) const;
  void check(int code, const std::string& doing) const;

  std::filesystem::path file_;
  sqlite3* connection_ = nullptr;
};

// A prepared statement. Parameters and columns count from 0. Must not outlive its database. Not thread-safe.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view value);
  Statement& bind_null(int parameter);

  // Steps to the next row; false at the end, after which the statement can be bound and run again.
  bool next();
  // For one that gives no rows.
  void run();

  std::int64_t number(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  void reset();

  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
};

// Takes the write lock at once; rolls back when it is destroyed without a commit.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace greenroom::app
