#!/usr/bin/env python3
"""make_files.py FOLDER: writes the files of cases.py and a manifest of what a reader must say of each."""
import json
import pathlib
import sys
import zlib

import cases


def write(folder, label, data):
    """Returns the path to open, relative to the folder."""
    if isinstance(data, bytes):
        (folder / label).write_bytes(data)
        return label
    (folder / label).mkdir()
    for file, contents in data.items():
        (folder / label / file).write_bytes(contents)
    return label


def main():
    folder = pathlib.Path(sys.argv[1])
    manifest = [{"file": write(folder, label, data), "expect": "reject", "error": error} for label, data, error in cases.REJECT]
    for label, data, tensors in cases.LOAD:
        manifest.append({"file": write(folder, label, data), "expect": "load", "tensors": {
            key: {"dtype": dtype, "shape": shape, "crc32": zlib.crc32(contents)}
            for key, (dtype, shape, contents) in tensors.items()}})
    (folder / "manifest.json").write_text(json.dumps(manifest))


main()
