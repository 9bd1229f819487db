#!/usr/bin/env python3
"""torch_files.py FOLDER: writes checkpoints with PyTorch in both formats, and a manifest of their tensors."""
import argparse
import collections
import json
import pathlib
import sys
import zlib

import torch

torch.manual_seed(1)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
          torch.uint8, torch.bool, torch.complex64, torch.complex128]


def sample(shape, dtype):
    if dtype == torch.bool:
        return torch.rand(shape) > 0.5
    if dtype.is_complex:
        return torch.randn(shape, dtype=dtype)
    return (torch.randn(shape, dtype=torch.float64) * 50).abs().to(dtype)


def contents():
    base = torch.arange(60, dtype=torch.float32)
    linear = torch.nn.Linear(5, 7)
    linear.register_buffer("running", torch.ones(3))
    tied = torch.nn.Sequential(linear, torch.nn.Linear(7, 5))
    tied[1].weight = torch.nn.Parameter(linear.weight.detach().t())
    return {
        "dtypes": {str(d)[6:]: sample((3, 4), d) for d in DTYPES},
        "shapes": {"scalar": torch.tensor(3.5), "empty": torch.empty(0, 4), "one": torch.ones(1, 1, 1),
                   "deep": torch.randn(2, 3, 4, 5, 2)},
        "views": {"whole": base, "part": base[7:20], "rows": base.view(6, 10)[:, 2:5], "transposed": base.view(6, 10).t(),
                  "step": base[::3], "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)},
        "module": tied.state_dict(),
        "parameters": {"p": torch.nn.Parameter(torch.randn(4)), "frozen": torch.nn.Parameter(torch.randn(2), requires_grad=False)},
        "nested": {"model": collections.OrderedDict(a=torch.ones(2)), "list": [torch.zeros(3), {"x": torch.full((2,), 7)}],
                   "pair": (torch.ones(1), 3), "epoch": 12, "rate": 0.125, "name": "voice", "flag": True, "none": None},
        "fairseq": {"args": argparse.Namespace(arch="hubert", layers=12), "model": {"w": torch.randn(5)}},
        "optimizer": {"model": linear.state_dict(), "optimizer": torch.optim.Adam(linear.parameters()).state_dict()},
    }


def tensors(value, name=""):
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from tensors(item, f"{name}.{i}" if name else str(i))


def raw(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def main():
    folder = pathlib.Path(sys.argv[1])
    manifest = []
    for label, value in contents().items():
        for format_, is_zip in (("zip", True), ("legacy", False)):
            file = f"{label}.{format_}.pt"
            torch.save(value, folder / file, _use_new_zipfile_serialization=is_zip)
            manifest.append({"file": file, "expect": "load", "tensors": {
                name: {"dtype": str(t.dtype)[6:], "shape": list(t.shape), "crc32": zlib.crc32(raw(t))}
                for name, t in tensors(value)}})
    (folder / "manifest.json").write_text(json.dumps(manifest))


main()
