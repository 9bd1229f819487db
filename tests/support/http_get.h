// The smallest HTTP client a test needs: one request over a real socket.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace greenroom::test {

struct HttpAnswer {
  int status = 0;
  std::string head;  // status line and headers
  std::string body;
};

// A connection to 127.0.0.1:`port`, the caller's to close. Throws std::runtime_error.
inline int connect_to(int port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return connection;
  ::close(connection);
  throw std::runtime_error("no answer from port " + std::to_string(port));
}

// Sends `request` as it is to 127.0.0.1:`port` and reads until the server closes. Throws std::runtime_error.
inline std::string http_exchange(int port, const std::string& request) {
  const int connection = connect_to(port);
  std::string answer;
  bool failed = ::send(connection, request.data(), request.size(), MSG_NOSIGNAL) < 0;
  char block[4096];
  ssize_t count = 0;
  while (!failed && (count = ::recv(connection, block, sizeof(block), 0)) > 0) {
    answer.append(block, static_cast<std::size_t>(count));
  }
  failed = failed || count < 0;
  ::close(connection);
  if (failed) throw std::runtime_error("no answer from port " + std::to_string(port));
  return answer;
}

inline HttpAnswer http_get(int port, const std::string& path, const std::string& method = "GET") {
  const std::string answer = http_exchange(
      port,
      method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  const auto split = answer.find("\r\n\r\n");
  if (split == std::string::npos || answer.size() < 12) throw std::runtime_error("not HTTP: " + answer);
  return {std::stoi(answer.substr(9, 3)), answer.substr(0, split), answer.substr(split + 4)};
}

}  // namespace greenroom::test
