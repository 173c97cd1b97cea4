"""What names a network: everything that its outputs depend on, and nothing else."""

import functools
import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from autola_analysis.checkpoints.external import build_external, load_attribute
from autola_analysis.core.code import code_of
from autola_analysis.inference.address import NetworkAddress, network_address
from tests.inference.networks import Tiny

FILE = """
import helpers
from torch import nn

GAIN = 1.0

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        nn.init.ones_(self.conv.weight); nn.init.zeros_(self.conv.bias)
        self.gain = 2.0
    def forward(self, x):
        return helpers.squash(self.conv(x)).mean((2, 3)) * self.gain * GAIN

def make():
    return Net()
"""
HELPERS = "from deeper import EXPONENT\nimport os\n\ndef squash(x):\n    return x.sigmoid() ** EXPONENT\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "helpers.py").write_text(HELPERS)
    (tmp_path / "deeper.py").write_text("EXPONENT = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def address_now(folder: Path) -> str:
    """Return the address as a process has it that imports everything anew."""
    for name in ("helpers", "deeper"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return known(build_external(f"{folder / 'net.py'}:make", None))


def test_every_source_that_a_network_is_made_of_is_part_of_its_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    edits = {
        "net.py": ("self.gain = 2.0", "self.gain = -3.0"),
        "helpers.py": ("x.sigmoid()", "x.tanh()"),
        "deeper.py": ("2", "3"),
    }
    seen = [address_now(folder)]
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new))
        seen.append(address_now(folder))
    assert len(set(seen)) == 4


def test_another_process_gives_a_network_the_same_address(folder: Path) -> None:
    script = (
        "import sys\n"
        "from autola_analysis.checkpoints.external import build_external\n"
        "from autola_analysis.inference.address import network_address\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "print(network_address(build_external(sys.argv[1] + '/net.py:make', None)).hash)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert done.stdout.strip() == address_now(folder), done.stderr


def test_the_source_is_the_one_that_was_read(folder: Path) -> None:
    make = load_attribute(f"{folder / 'net.py'}:make", "--arch")
    name = str(make.__module__)
    before = code_of(name)
    assert before.keys() == {name, "helpers", "deeper"}
    (folder / "net.py").write_text(FILE + "# edited\n")
    assert code_of(name) == before


class Gated(nn.Module):
    factor = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.gain: Any = 1.0
        self.options: Any = {"list": [1, 2.0, "x"]}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3)) * self.gain * self.factor


def gated() -> Gated:
    torch.manual_seed(0)
    return Gated()


def known(model: nn.Module) -> str:
    address = network_address(model)
    assert address.unknown == ""
    return address.hash


def scaled(factor: float) -> Any:
    return lambda module, inputs: (inputs[0] * factor,)


def test_attributes_hooks_and_methods_are_part_of_the_address() -> None:
    def hooked(factor: float) -> Gated:
        model = gated()
        model.conv.register_forward_pre_hook(scaled(factor))
        return model

    def with_forward(factor: float) -> Gated:
        model = gated()
        vars(model)["forward"] = functools.partial(torch.mul, torch.tensor(factor))
        return model

    def with_value(name: str, value: Any) -> Gated:
        model = gated()
        setattr(model, name, value)
        return model

    models = [
        gated(),
        with_value("gain", 2.0),
        with_value("gain", torch.tensor(2.0)),
        with_value("gain", torch.tensor(3.0)),
        with_value("options", {"list": [1, 2.0, "y"]}),
        with_value("options", [nn.ReLU(), 3]),
        with_value("options", [nn.ReLU(), 4]),
        with_value("options", torch.relu),
        hooked(1.0),
        hooked(2.0),
        with_forward(1.0),
        with_forward(2.0),
    ]
    assert len({known(model) for model in models}) == len(models)
    assert known(hooked(2.0)) == known(models[9])
    assert known(gated()) == known(gated().train()) == known(gated().eval())


def test_an_attribute_of_the_class_is_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    before = known(gated())
    monkeypatch.setattr(Gated, "factor", 2.0)
    assert known(gated()) != before


def test_every_bit_of_the_weights_is_part_of_the_address() -> None:
    model = gated()
    seen = {known(model)}
    for tensor in model.state_dict().values():
        tensor.view(torch.int32).flatten()[0].bitwise_xor_(1)
        seen.add(known(model))
    assert len(seen) == 3


@pytest.mark.parametrize("kind", ["lock", "generator", "traced", "typed in"])
def test_what_cannot_be_read_is_named(kind: str) -> None:
    model: nn.Module = Tiny()
    if kind == "lock":
        vars(model)["lock"] = threading.Lock()
    elif kind == "generator":
        vars(model)["numbers"] = iter(number for number in range(3))
    elif kind == "traced":
        model = torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    else:
        space: dict[str, Any] = {"nn": nn}
        exec("class Typed(nn.Module):\n    def forward(self, x): return x\n", space)
        model = space["Typed"]()
    address = network_address(model)
    assert isinstance(address, NetworkAddress)
    named = {
        "lock": "kind lock",
        "generator": "kind generator",
        "traced": "which is in no file",
        "typed in": "code of Typed",
    }
    assert named[kind] in address.unknown
