#!/usr/bin/env python3
"""Writes requests for the HTTP fuzzer to begin with: make_seeds.py FOLDER."""
import pathlib
import sys


def request(line, body=b"", *headers, host="localhost"):
    head = [line.encode() + b" HTTP/1.1", b"Host: " + host.encode(), *(header.encode() for header in headers)]
    if body:
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


FORM = (
    b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nalto\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.wav"; filename*=UTF-8\'\'%C3%A9.wav\r\n'
    b"Content-Type: audio/wav\r\n\r\nRIFF\0\0\r\n--xyz--\r\n"
)
FORM_TYPE = "Content-Type: multipart/form-data; boundary=xyz"
JSON_TYPE = "Content-Type: application/json"
SEEDS = {
    "get": request("GET /things/a%2Fb"),
    "query": request("GET /query?q=a+b%20c&q=d", b"", "Accept: */*", "Connection: close"),
    "head": request("HEAD /query"),
    "stream": request("GET /stream"),
    "json": request("POST /things", b'{"name":"x","count":3}', JSON_TYPE),
    "json_deep": request("POST /things", b"[" * 60, JSON_TYPE),
    "form": request("POST /upload", FORM, FORM_TYPE),
    "chunked": request("POST /things", b"", JSON_TYPE, "Transfer-Encoding: chunked")
    + b'5;a=b\r\n{"nam\r\n7\r\ne":"x"}\r\n0\r\nTrailer: x\r\n\r\n',
    "both_lengths": request("POST /things", b"{}", JSON_TYPE, "Transfer-Encoding: chunked"),
    "expect": request("POST /things", b"{}", JSON_TYPE, "Expect: 100-continue"),
    "foreign_host": request("GET /query", host="evil.example"),
    "foreign_origin": request("POST /things", b"{}", JSON_TYPE, "Origin: http://evil.example"),
    "two": request("GET /query") + request("GET /things/1"),
    "old": b"GET / HTTP/1.0\r\n\r\n",
    "options": request("OPTIONS *"),
}

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, content in SEEDS.items():
    (folder / name).write_bytes(content)
