"""Contents that a checkpoint can have and nobody should write."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .sound_files import State


def _weight(values: State, tensor: Any, name: str = "layer1.0.conv1.weight") -> State:
    return {**values, name: tensor}


def _nested(depth: int, key: str) -> Callable[[State, np.random.Generator], Any]:
    def make(values: State, generator: np.random.Generator) -> Any:
        content: Any = values
        for _ in range(depth):
            content = {key: content}
        return content

    return make


def _nested_lists(values: State, generator: np.random.Generator) -> Any:
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    return {**values, "history": nested}


def _within_itself(values: State, generator: np.random.Generator) -> Any:
    content: dict[str, Any] = {"epoch": 3}
    content["state_dict"] = content
    return content


def _within_itself_in_many_ways(values: State, generator: np.random.Generator) -> Any:
    content: dict[str, Any] = {"epoch": 3}
    return content | dict.fromkeys(("state_dict", "model", "net", "teacher"), content) | _cycle()


def _cycle() -> dict[str, Any]:
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    for key in ("state_dict", "model", "model_state", "net", "model_ema"):
        first[key], second[key] = second, first
    return {"state_dict": first}


def _odd_leftovers(values: State, generator: np.random.Generator) -> Any:
    return {
        "state_dict": values,
        "loss": torch.tensor(float("nan")),
        "complex": torch.tensor(1j),
        "meta": torch.zeros(1, device="meta"),
        "sparse": torch.ones(1).to_sparse(),
        "quantised": torch.quantize_per_tensor(torch.ones(1), 0.1, 0, torch.qint8),
        "text": "\x1b[31m\n" * 50,
        "many": list(range(1000)),
        3: "number",
        "line\nbreak": 1,
        "endless" * 1000: 2,
    }


def _plain(values: State) -> State:
    return {name: tensor for name, tensor in values.items() if ".attention." not in name}


def _beside_itself(values: State, generator: np.random.Generator) -> Any:
    content: dict[str, Any] = {"model": values, "epoch": 3}
    content["net"] = content
    return content


def _aliased(values: State, generator: np.random.Generator) -> Any:
    shared = torch.randn(16, 16, 3, 3)
    return {name: shared if t.ndim == 4 else t for name, t in values.items()}


def _many_views(values: State, generator: np.random.Generator) -> Any:
    shared = torch.randn(512, 512, 3, 3)
    return {**values, **{f"layer4.{block}.conv1.weight": shared for block in range(400)}}


def _quantised(values: State, generator: np.random.Generator) -> Any:
    return {n: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8) if t.ndim == 4 else t for n, t in values.items()}


class Unknown:
    """A class that loading has to run code for."""


CONTENTS: dict[str, Callable[[State, np.random.Generator], Any]] = {
    "unchanged": lambda s, g: s,
    "empty": lambda s, g: {},
    "a tensor": lambda s, g: s["conv1.weight"],
    "a list": lambda s, g: list(s.values()),
    "a number": lambda s, g: 3.5,
    "nothing": lambda s, g: None,
    "a text": lambda s, g: "weights",
    "pairs": lambda s, g: list(s.items()),
    "missing": lambda s, g: {n: t for n, t in s.items() if n != "layer2.1.bn1.weight"},
    "missing many": lambda s, g: {n: t for n, t in s.items() if g.random() < 0.5},
    "missing stage": lambda s, g: {n: t for n, t in s.items() if not n.startswith("layer2")},
    "missing stem": lambda s, g: {n: t for n, t in s.items() if n != "conv1.weight"},
    "missing head": lambda s, g: {n: t for n, t in s.items() if not n.startswith("fc.")},
    "half a head": lambda s, g: {n: t for n, t in s.items() if n != "fc.bias"},
    "only counters": lambda s, g: {n: t for n, t in s.items() if n.endswith("num_batches_tracked")},
    "extra": lambda s, g: {**s, "aux.weight": torch.zeros(3)},
    "extra block": lambda s, g: {**s, "layer1.7.conv1.weight": s["layer1.0.conv1.weight"]},
    "huge block number": lambda s, g: {**s, f"layer1.{10**12}.conv1.weight": s["layer1.0.conv1.weight"]},
    "extra stage": lambda s, g: {**s, "layer9.0.conv1.weight": s["layer1.0.conv1.weight"]},
    "wide stem": lambda s, g: {**s, "conv1.weight": torch.zeros(65536, 3, 3, 3)},
    "wide stem of a plain network": lambda s, g: {**_plain(s), "conv1.weight": torch.zeros(65536, 3, 3, 3)},
    "empty stem of a plain network": lambda s, g: {**_plain(s), "conv1.weight": torch.zeros(0, 3, 3, 3)},
    "empty stem": lambda s, g: {**s, "conv1.weight": torch.zeros(0, 3, 3, 3)},
    "stem of other kernel": lambda s, g: {**s, "conv1.weight": torch.zeros(8, 3, 5, 7)},
    "stem of one channel": lambda s, g: {**s, "conv1.weight": torch.zeros(8, 1, 3, 3)},
    "flat stem": lambda s, g: {**s, "conv1.weight": torch.zeros(216)},
    "scalar stem": lambda s, g: {**s, "conv1.weight": torch.tensor(1.0)},
    "wrong shape": lambda s, g: _weight(s, torch.zeros(8, 8, 3, 5)),
    "wrong rank": lambda s, g: _weight(s, torch.zeros(8)),
    "scalar weight": lambda s, g: _weight(s, torch.tensor(0.5), "bn1.weight"),
    "empty tensor": lambda s, g: _weight(s, torch.zeros(0), "bn1.weight"),
    "head of many classes": lambda s, g: {**s, "fc.weight": torch.zeros(300_000, 32), "fc.bias": torch.zeros(300_000)},
    "head of no class": lambda s, g: {**s, "fc.weight": torch.zeros(0, 32), "fc.bias": torch.zeros(0)},
    "flat head": lambda s, g: {**s, "fc.weight": torch.zeros(320)},
    "gate of no unit": lambda s, g: {
        n: torch.zeros(0, *t.shape[1:]) if n.endswith("gate.fc1.weight") else t for n, t in s.items()
    },
    "gate without channels": lambda s, g: {
        n: torch.zeros(t.shape[0], 0) if n.endswith("gate.fc1.weight") else t for n, t in s.items()
    },
    "gate that is flat": lambda s, g: {n: t.flatten() if "gate.fc1" in n else t for n, t in s.items()},
    "gates in some blocks": lambda s, g: {n: t for n, t in s.items() if not n.startswith("layer2.0.attention")},
    "unknown attention": lambda s, g: {n.replace("gate", "gait"): t for n, t in s.items()},
    "two dialects": lambda s, g: {**s, "layer1.0.se.fc.0.weight": torch.zeros(1, 8), "linear.weight": torch.zeros(2)},
    "NaN weights": lambda s, g: _weight(s, torch.full((8, 8, 3, 3), float("nan"))),
    "infinite weights": lambda s, g: _weight(s, torch.full((8, 8, 3, 3), float("inf"))),
    "negative variance": lambda s, g: _weight(s, -torch.ones(8), "bn1.running_var"),
    "enormous weights": lambda s, g: _weight(s, torch.full((8, 8, 3, 3), 1e38)),
    "float64 overflow": lambda s, g: _weight(s, torch.full((8, 8, 3, 3), 1e300, dtype=torch.float64)),
    "half precision": lambda s, g: {n: t.half() if t.is_floating_point() else t for n, t in s.items()},
    "bfloat16": lambda s, g: {n: t.bfloat16() if t.is_floating_point() else t for n, t in s.items()},
    "float8": lambda s, g: {n: t.to(torch.float8_e4m3fn) if t.ndim == 4 else t for n, t in s.items()},
    "complex": lambda s, g: _weight(s, torch.zeros(8, 8, 3, 3, dtype=torch.complex64)),
    "integers": lambda s, g: {n: t.to(torch.int8) for n, t in s.items()},
    "booleans": lambda s, g: _weight(s, torch.zeros(8, 8, 3, 3, dtype=torch.bool)),
    "counters that are floats": lambda s, g: _weight(s, torch.tensor(0.5), "bn1.num_batches_tracked"),
    "counters of many": lambda s, g: _weight(s, torch.zeros(7, dtype=torch.int64), "bn1.num_batches_tracked"),
    "quantised": _quantised,
    "sparse": lambda s, g: {n: t.to_sparse() if t.ndim == 4 else t for n, t in s.items()},
    "sparse compressed": lambda s, g: _weight(s, torch.zeros(8, 32).to_sparse_csr(), "fc.weight"),
    "sparse and huge": lambda s, g: _weight(
        s, torch.sparse_coo_tensor(torch.zeros(4, 1, dtype=torch.int64), [1.0], (2**15, 2**15, 3, 3))
    ),
    "meta tensors": lambda s, g: {n: t.to("meta") for n, t in s.items()},
    "expanded": lambda s, g: _weight(s, torch.zeros(1).expand(8, 8, 3, 3)),
    "expanded and huge": lambda s, g: _weight(s, torch.zeros(1).expand(10**6, 10**6, 3, 3)),
    "expanded head": lambda s, g: _weight(s, torch.zeros(32).expand(3 * 10**6, 32), "fc.weight"),
    "aliased": _aliased,
    "aliased many times": _many_views,
    "slice of a large storage": lambda s, g: _weight(s, torch.zeros(2**22)[: 8 * 8 * 9].view(8, 8, 3, 3)),
    "parameters": lambda s, g: {n: nn.Parameter(t, t.is_floating_point()) for n, t in s.items()},
    "ordered": lambda s, g: OrderedDict(s),
    "strided": lambda s, g: {n: t.transpose(0, 1) if t.ndim == 4 else t for n, t in s.items()},
    "names that are numbers": lambda s, g: dict(enumerate(s.values())),
    "names of all kinds": lambda s, g: {
        **s,
        3: torch.zeros(2),
        None: torch.zeros(1),
        ("a", 1): torch.zeros(1),
        b"b": 2,
    },
    "empty name": lambda s, g: {**s, "": torch.zeros(2)},
    "odd names": lambda s, g: {**s, "a\nb\x1b[31m": torch.zeros(2), "\ud800": torch.zeros(2)},
    "dots": lambda s, g: {f"...{n}": t for n, t in s.items()},
    "long name": lambda s, g: {**s, "layer" * 200_000: torch.zeros(2)},
    "numbers for tensors": lambda s, g: dict.fromkeys(s, 1.0),
    "lists for tensors": lambda s, g: {n: t.flatten()[:9].tolist() for n, t in s.items()},
    "one value no tensor": lambda s, g: _weight(s, "lost"),
    "nested twice": _nested(2, "state_dict"),
    "nested under model": _nested(1, "model"),
    "nested too deep": _nested(12, "state_dict"),
    "nested very deep": _nested(400, "model"),
    "nested under another name": _nested(1, "weights"),
    "nested lists": _nested_lists,
    "within itself": _within_itself,
    "within itself in many ways": _within_itself_in_many_ways,
    "odd leftovers": _odd_leftovers,
    "beside itself": _beside_itself,
    "several sets": lambda s, g: {"model": s, "state_dict": s},
    "averaged only": lambda s, g: {"model_ema": s},
    "empty state dict": lambda s, g: {"state_dict": {}, "epoch": 3},
    "prefixes": lambda s, g: {f"module.model.module.{n}": t for n, t in s.items()},
    "unknown prefix": lambda s, g: {f"student.{n}": t for n, t in s.items()},
    "two networks": lambda s, g: {**{f"net.{n}": t for n, t in s.items()}, **{f"model.{n}": t for n, t in s.items()}},
    "two networks, prefixed and not": lambda s, g: {**s, **{f"module.{n}": t for n, t in s.items()}},
    "endless prefixes": lambda s, g: {f"{'module.' * 500}{n}": t for n, t in s.items()},
    "another network": lambda s, g: dict(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 10)).state_dict()),
    "an object of a class": lambda s, g: {"state_dict": s, "args": Unknown()},
    "a module": lambda s, g: nn.Linear(3, 4),
    "an array": lambda s, g: {n: t.numpy() for n, t in s.items()},
    "a path": lambda s, g: {"state_dict": s, "where": Path("/tmp/x")},
}
