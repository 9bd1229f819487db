#!/usr/bin/env python3
"""make_seeds.py FOLDER: small files to begin fuzzing with, in a folder for each fuzzer."""
import pathlib
import sys

import cases
from builders import program, tensor, dict_of

MOST = 4096


def main():
    folder = pathlib.Path(sys.argv[1])
    for part in ("zip", "pickle", "safetensors"):
        (folder / part).mkdir()
    for label, data, _ in cases.REJECT + cases.LOAD:
        if not isinstance(data, bytes) or len(data) > MOST:
            continue
        if label.startswith("st_"):
            (folder / "safetensors" / label).write_bytes(data[8:])
        (folder / "zip" / label).write_bytes(data)
        start, stop = data.find(b"\x80\x02"), data.rfind(b".PK\7\x08")
        if 0 <= start < stop:
            (folder / "pickle" / label).write_bytes(data[start:stop + 1])
    (folder / "pickle" / "plain").write_bytes(program(dict_of(w=tensor())))


main()
