#!/usr/bin/env python3
"""Installs into an empty folder and builds somebody else's project against it.

install_test.py CMAKE BUILD_DIR WORK_DIR [VOICE]
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main():
    cmake, build, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    voice = sys.argv[4:]
    shutil.rmtree(work, ignore_errors=True)
    prefix = work / "prefix"
    components = ["api", *(["models"] if voice else [])]
    for component in components:
        run(cmake, "--install", build, "--prefix", prefix, "--component", component)
    # As on another machine: nothing of the build folder may be needed.
    source = pathlib.Path(__file__).parent / "consumer"
    run(cmake, "-S", source, "-B", work / "consumer", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_BUILD_TYPE=Release")
    run(cmake, "--build", work / "consumer")
    libraries = run("ldd", work / "consumer" / "consumer")
    if str(build / "lib") in libraries or str(prefix) not in libraries:
        sys.exit(f"libgreenroom.so is not the installed one:\n{libraries}")
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("GREENROOM_", "CREATYOURVOICE_"))}
    output = run(work / "consumer" / "consumer", *voice, env=keep)
    expected = ["device cpu", "refused not_found"]
    if voice:
        expected += ["converted 0.5 s", "refused invalid_argument"]
    if output.split("\n")[:-1] != expected:
        sys.exit(f"expected {expected}, got:\n{output}")
    # Names of the libraries below must not be offered to the programs above.
    symbols = run("nm", "-D", "--defined-only", "-C", *prefix.rglob("libgreenroom.so"))
    below = re.search(r" [TDB] greenroom::(base|devices|audio|core|monitor|app)::.*", symbols)
    if below or "greenroom::get_model_manager()" not in symbols:
        sys.exit(f"libgreenroom.so offers more, or less, than the API: {below}")


if __name__ == "__main__":
    main()
