#!/usr/bin/env python3
"""Checks who includes whom under src/: the table of docs/architecture.md as a test."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = {
    "base": set(),
    "devices": {"base"},
    "checkpoint": {"base"},
    "audio": {"base"},
    "monitor": {"base", "devices"},
    "core": {"base", "devices"},
    "nn": {"base", "checkpoint"},
    "models": {"base", "audio", "checkpoint", "nn", "core/model.h"},
    "worker": {"base", "audio", "checkpoint", "core/model.h", "models"},
    "app": {"base", "devices", "checkpoint", "audio", "core", "monitor", "models", "worker"},
    "api": {"base", "audio", "core", "devices", "monitor", "app", "models/voice.h", "greenroom"},
    "server": {"base", "audio", "core", "monitor", "app", "models/voice.h"},
    "cli": {"base", "worker", "audio", "core", "devices", "monitor", "checkpoint", "app", "server", "models/voice.h", "models/ddsp_svc/demo.h",
            "models/index_tts/demo.h"},
}
# A foreign header, and the only places that may include it.
HOMES = {
    r"(torch|ATen|c10)/": ("nn/", "models/"),
    r"(cuda_runtime_api\.h|cuda\.h|c10/cuda/|ATen/cuda/)": ("nn/cuda_",),
    r"httplib\.h": ("server/http_audio", "server/http_client", "server/webhook"),
    r"dlfcn\.h": ("devices/nvml", "app/model_library"),
    r"nlohmann/": ("base/json",),
    r"sndfile\.h": ("audio/file", "audio/encode"),
    r"soxr\.h": ("audio/resample_soxr",),
    r"sqlite3\.h": ("app/sqlite",),
    r"yaml-cpp/": ("app/config", "models/ddsp_svc/config", "models/index_tts/config", "models/index_tts/text/glossary"),
    r"CLI/": ("cli/",),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def violations():
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in {".h", ".cpp"}:
            continue
        name = path.relative_to(ROOT / "src").as_posix()
        layer = name.split("/")[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            if kind == "<":
                for pattern, homes in HOMES.items():
                    if re.match(pattern, target) and not name.startswith(homes):
                        yield f"src/{name}:{number}: <{target}> may be included by {', '.join(homes)} only"
                continue
            other = target.split("/")[0]
            if other != layer and other not in ALLOWED[layer] and target not in ALLOWED[layer]:
                yield f"src/{name}:{number}: {layer} may not include {target}"


# The public headers stand alone: the standard library, and each other.
def public_violations():
    root = ROOT / "include"
    for path in sorted(root.rglob("*")):
        if path.suffix != ".h":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            standard = kind == "<" and "/" not in target and not target.endswith(".h")
            if not standard and not (kind == '"' and target.startswith("greenroom/")):
                yield f"{path.relative_to(ROOT)}:{number}: a public header may not include {target}"


def main():
    found = [*violations(), *public_violations()]
    print("\n".join(found) if found else "layers: no violation")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
