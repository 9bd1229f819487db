// Messages between the daemon and a worker: a tree of values and some open files, over a Unix socket.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "base/json.h"

namespace greenroom::worker {

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws nothing, which the check cannot see
struct Message {
  base::Json body;
  std::vector<base::FileDescriptor> files;  // at most Channel::kMostFiles
};

// Message boundaries are kept by the socket (SOCK_SEQPACKET) and the body is MessagePack, so that any bytes
// may stand in a string and any number in a number. A body that is too long for one packet travels as shared
// memory. Thread-safe: any number of senders, one receiver.
class Channel {
 public:
  static constexpr std::size_t kMostFiles = 8;

  explicit Channel(base::FileDescriptor socket) : socket_(std::move(socket)) {}

  // False when nobody is at the other end any more. Blocks while that one is behind with reading. Throws
  // base::Error(kResourceExhausted).
  bool send(const Message& message);
  // Nullopt when the other end is gone or has closed. Throws base::Error(kDataLoss) for what is no message.
  std::optional<Message> receive();
  // Both ends: who waits in receive() returns, and nobody can send.
  void close();

 private:
  base::FileDescriptor socket_;
};

// Two connected ends. Neither survives an exec unless it is handed over on purpose. Throws
// base::Error(kResourceExhausted).
std::pair<base::FileDescriptor, base::FileDescriptor> make_socket_pair();

}  // namespace greenroom::worker
