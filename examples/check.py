#!/usr/bin/env python3
"""Runs an example as a user would and checks what it prints.

check.py WORK_DIR PROGRAM [ARGUMENT...] -- REGEX...: the program must succeed and print a line for each expression, in
that order. An argument @tone.wav is a recording made here, @alerts.yaml a configuration that finds every machine too full;
@NAME is a path in WORK_DIR.
"""
import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import wave


def write_tone(path):
    rate, seconds = 44100, 0.6
    samples = (int(8000 * math.sin(2 * math.pi * 220 * i / rate)) for i in range(int(rate * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


def main():
    work = pathlib.Path(sys.argv[1])
    separator = sys.argv.index("--")
    program, arguments, expected = sys.argv[2], sys.argv[3:separator], sys.argv[separator + 1:]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_tone(work / "tone.wav")
    (work / "alerts.yaml").write_text("gpu: {alert_host_warning_percent: 1, alert_host_critical_percent: 100,"
                                      " alert_hysteresis_percent: 0, memory_monitoring_interval: 0.1}\n")
    arguments = [str(work / text[1:]) if text.startswith("@") else text for text in arguments]
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("GREENROOM_", "CREATYOURVOICE_"))}
    done = subprocess.run([program, *arguments], env={**keep, "XDG_CACHE_HOME": str(work / "cache")},
                          capture_output=True, text=True, timeout=300)
    print(done.stdout, done.stderr, sep="\n--- stderr:\n")
    if done.returncode != 0:
        sys.exit(f"exit status {done.returncode}")
    at = 0
    for pattern in expected:
        found = re.compile(pattern, re.MULTILINE).search(done.stdout, at)
        if not found:
            sys.exit(f"not printed (or not in this place): {pattern}")
        at = found.end()


if __name__ == "__main__":
    main()
