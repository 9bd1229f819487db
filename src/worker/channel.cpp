#include "worker/channel.h"

#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/error.h"
#include "worker/shared_memory.h"

namespace greenroom::worker {
namespace {

using base::Error;
using base::ErrorCode;
using base::FileDescriptor;
using base::Json;

// The first byte of a packet: where its body is.
constexpr std::uint8_t kInPacket = 0;
constexpr std::uint8_t kInFirstFile = 1;
// Well below what a socket takes at once.
constexpr std::size_t kMostInPacket = 48 << 10;
constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * (Channel::kMostFiles + 1));

Json parse(std::span<const std::uint8_t> bytes) {
  try {
    return Json::from_msgpack(bytes.begin(), bytes.end());
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("a message between greenroom's processes cannot be read: {}", error.what()));
  }
}

std::vector<FileDescriptor> files_of(msghdr& header) {
  std::vector<FileDescriptor> files;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int value = -1;
      std::memcpy(&value, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      files.emplace_back(value);
    }
  }
  return files;
}

}  // namespace

bool Channel::send(const Message& message) {
  std::vector<std::uint8_t> body = Json::to_msgpack(message.body);
  std::uint8_t where = kInPacket;
  FileDescriptor long_body;
  std::vector<int> files;
  if (body.size() > kMostInPacket) {
    where = kInFirstFile;
    long_body = share(std::as_bytes(std::span(body)));
    files.push_back(long_body.get());
    body.clear();
  }
  for (const auto& file : message.files) files.push_back(file.get());
  if (message.files.size() > kMostFiles) throw Error(ErrorCode::kInternal, "too many files in one message");

  std::array<iovec, 2> parts{{{&where, 1}, {body.data(), body.size()}}};
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  if (!files.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * files.size());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * files.size());
    std::memcpy(CMSG_DATA(part), files.data(), sizeof(int) * files.size());
  }
  for (;;) {
    if (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return false;
    throw Error(
        ErrorCode::kResourceExhausted,
        fmt::format("a message between greenroom's processes cannot be sent: {}", std::strerror(errno)));
  }
}

std::optional<Message> Channel::receive() {
  std::vector<std::uint8_t> packet(kMostInPacket + 1);
  iovec part{packet.data(), packet.size()};
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  msghdr header{};
  ssize_t got = -1;
  do {
    header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    got = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  Message message;
  message.files = files_of(header);
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    throw Error(ErrorCode::kDataLoss, "a message between greenroom's processes is too long");
  }
  if (packet[0] == kInFirstFile) {
    if (message.files.empty()) throw Error(ErrorCode::kDataLoss, "a message lacks its body");
    const SharedBytes body(message.files.front());
    message.body = parse({reinterpret_cast<const std::uint8_t*>(body.bytes().data()), body.bytes().size()});
    message.files.erase(message.files.begin());
  } else {
    message.body = parse({packet.data() + 1, static_cast<std::size_t>(got) - 1});
  }
  return message;
}

void Channel::close() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

std::pair<FileDescriptor, FileDescriptor> make_socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw Error(ErrorCode::kResourceExhausted,
                fmt::format("a socket for a worker cannot be made: {}", std::strerror(errno)));
  }
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

}  // namespace greenroom::worker
