#!/usr/bin/env python3
"""Load on a running daemon: keep-alive clients on status and metrics beside listeners to events, and clients that
convert a recording.

    bench/http_load.py http://127.0.0.1:7860 [--clients 200] [--listeners 100] [--seconds 10] [--pid PID]
                       [--converters 8 --model ID --recording FILE]

Prints requests per second, the time of a request at the 50th and 99th percentile, and what went wrong; with --pid
the memory and threads of the daemon. One process, epoll, the standard library alone.
"""
import argparse
import collections
import http.client
import selectors
import socket
import subprocess
import sys
import time
import urllib.parse


class Client:
    """Asks again as soon as it is answered."""

    def __init__(self, address, path):
        self.address, self.path = address, path
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        self.buffer, self.sent_at, self.times, self.statuses = b"", 0.0, [], collections.Counter()

    def send(self):
        self.sent_at = time.perf_counter()
        self.socket.send(self.request)

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.index(b"content-length: ") + 16
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        self.times.append(time.perf_counter() - self.sent_at)
        self.statuses[int(self.buffer[9:12])] += 1
        self.buffer = self.buffer[end + 4 + length:]
        self.send()


class Listener:
    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.send(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.socket.setblocking(False)
        self.bytes = 0

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("closed")
        self.bytes += len(data)


def convert(address, model, recording, seconds):
    """In a process of its own, so that the other clients' times are theirs. Prints the statuses and the median."""
    body = (f"--b\r\nContent-Disposition: form-data; name=model\r\n\r\n{model}\r\n--b\r\n"
            "Content-Disposition: form-data; name=file; filename=a.wav\r\n\r\n").encode()
    body += open(recording, "rb").read() + b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection(*address)
    statuses, times, end = collections.Counter(), [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        connection.request("POST", "/api/v1/convert", body, {"Content-Type": "multipart/form-data; boundary=b"})
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
        times.append(time.perf_counter() - began)
    print(f"  converter: answers {dict(statuses)}, p50 {percentile(times, .5):.0f} ms, p99 {percentile(times, .99):.0f} ms")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1e3 if values else float("nan")


def memory_of(pid):
    fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    return f"{int(fields['VmRSS'].split()[0]) / 1024:.1f} MiB, {fields['Threads'].strip()} threads"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--paths", default="/api/v1/status,/metrics")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--converters", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--recording")
    parser.add_argument("--only-convert", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    parsed = urllib.parse.urlparse(arguments.url)
    address = (parsed.hostname, parsed.port)
    if arguments.only_convert:
        convert(address, arguments.model, arguments.recording, arguments.seconds)
        return
    if arguments.pid:
        print("before:", memory_of(arguments.pid))
    paths = arguments.paths.split(",")
    listeners = [Listener(address) for _ in range(arguments.listeners)]
    clients = [Client(address, paths[i % len(paths)]) for i in range(arguments.clients)]
    selector = selectors.EpollSelector()
    for one in listeners + clients:
        selector.register(one.socket, selectors.EVENT_READ, one)
    converters = [subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--only-convert"])
                  for _ in range(arguments.converters)]
    for client in clients:
        client.send()
    failures = collections.Counter()
    end = time.perf_counter() + arguments.seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(0.1):
            try:
                key.data.read()
            except (ConnectionError, ValueError) as error:
                failures[f"{type(key.data).__name__}: {error}"] += 1
                selector.unregister(key.fileobj)
    if arguments.pid:
        print("during:", memory_of(arguments.pid))
    for path in paths:
        times = [t for c in clients if c.path == path for t in c.times]
        statuses = sum((c.statuses for c in clients if c.path == path), collections.Counter())
        print(f"{path}: {len(times) / arguments.seconds:.0f}/s, p50 {percentile(times, .5):.2f} ms, "
              f"p99 {percentile(times, .99):.2f} ms, answers {dict(statuses)}")
    if listeners:
        print(f"{len(listeners)} listeners: {min(l.bytes for l in listeners)} to {max(l.bytes for l in listeners)} bytes each")
    for converter in converters:
        converter.wait()
    print("failures:", dict(failures) or "none")
    if arguments.pid:
        print("after:", memory_of(arguments.pid))


if __name__ == "__main__":
    main()
