#!/usr/bin/env python3
"""Loads one checkpoint in every way there is, each in a process of its own, the ways taking turns.

    python3 bench/load.py [--runs 5] [--gigabytes 1.5] [--folder DIR] [--only buffer,memcpy]

Prints the median time of each way and how many times sooner than torch.load it is, and the most memory each took
(anonymous: its own; file: shared pages of the page cache). Needs PyTorch; the safetensors package is used when it is
there. The page cache is warm: the file was just written and is read once before.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOADER = ROOT / "build/default/bin/greenroom_load_bench"

PYTHON_WAY = """
import json, resource, sys, time, torch
way, path = sys.argv[1:]
def peak():
    return {line.split(':')[0]: int(line.split()[1]) for line in open('/proc/self/status') if line.startswith(('VmHWM', 'RssAnon', 'RssFile'))}
before = peak()
start = time.perf_counter()
if way == 'torch.load':
    value = torch.load(path, map_location='cpu')
elif way == 'torch.load(mmap=True)':
    value = torch.load(path, map_location='cpu', mmap=True)
else:
    from safetensors.torch import load_file
    value = load_file(path)
seconds = time.perf_counter() - start
after = peak()
print(json.dumps({'seconds': seconds, 'anonymous_kb': after['RssAnon'] - before['RssAnon'], 'peak_kb': after['VmHWM'] - before['VmHWM']}))
"""


def write_model(path, gigabytes):
    subprocess.run([sys.executable, "-c", f"""
import torch
torch.manual_seed(0)
layers = int({gigabytes} * 1e9 / (4 * (12 * 1280 * 1280 + 13 * 1280)))
state = {{}}
for i in range(layers):
    for name, shape in (('attn.qkv.weight', (3840, 1280)), ('attn.qkv.bias', (3840,)), ('attn.proj.weight', (1280, 1280)),
                        ('attn.proj.bias', (1280,)), ('mlp.up.weight', (5120, 1280)), ('mlp.up.bias', (5120,)),
                        ('mlp.down.weight', (1280, 5120)), ('mlp.down.bias', (1280,)), ('norm.weight', (1280,))):
        state[f'h.{{i}}.{{name}}'] = torch.randn(shape)
torch.save({{'model': state, 'epoch': 3}}, {str(path)!r})
"""], check=True)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gigabytes", type=float, default=1.5)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--only", default="", help="of ours, only these ways, besides torch.load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        model = pathlib.Path(folder) / "model.pt"
        write_model(model, arguments.gigabytes)
        converted = model.with_suffix(".safetensors")
        subprocess.run([ROOT / "build/default/bin/greenroom", "convert-checkpoint", model, converted], check=True,
                       stdout=subprocess.DEVNULL)
        os.sync()  # writing back takes memory bandwidth
        for file in (model, converted):
            file.read_bytes()
        ways = {f"greenroom: {way}": [str(LOADER), way, str(model)] for way in ("open", "touch", "buffer", "half", "memcpy", "direct")}
        ways["greenroom: open safetensors"] = [str(LOADER), "open", str(converted)]
        for way, file in (("torch.load", model), ("torch.load(mmap=True)", model), ("safetensors", converted)):
            ways[way] = [sys.executable, "-c", PYTHON_WAY, way, str(file)]
        if arguments.only:
            chosen = {f"greenroom: {way}" for way in arguments.only.split(",")} | {"torch.load"}
            ways = {way: command for way, command in ways.items() if way in chosen}
        results = {way: [] for way in ways}
        for _ in range(arguments.runs):
            for way, command in ways.items():
                results[way].append(run(command))
        size = model.stat().st_size
        print(f"{size / 1e9:.2f} GB, median of {arguments.runs}")
        base = statistics.median(r["seconds"] for r in results["torch.load"])
        for way, runs in results.items():
            if None in runs:
                print(f"{way:<32} not available here")
                continue
            seconds = statistics.median(r["seconds"] for r in runs)
            print(f"{way:<32} {seconds * 1000:9.1f} ms  {size / seconds / 1e9:7.1f} GB/s  {base / seconds:7.1f} x torch.load"
                  f"   own memory {statistics.median(r['anonymous_kb'] for r in runs) / 1024:7.1f} MiB"
                  f"   peak {statistics.median(r['peak_kb'] for r in runs) / 1024:7.1f} MiB")


if __name__ == "__main__":
    main()
