import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision

from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.checkpoints.external import build_external
from autola_analysis.core.errors import CheckpointError, MissingExtraError, OptionError, UnknownNameError

from .helpers import logits, randomise

NETWORKS = """
import torch
from torch import nn

class Gate(nn.Module):
    def __init__(self, channels, power=1):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
    def forward(self, x):
        return x * torch.sigmoid(self.scale)[:, None, None]

def small(num_classes=5):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))

def fixed():
    return small(7)

def broken():
    raise ValueError("no data set")

def text():
    return "a network"

NUMBER = 3
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "networks.py"
    path.write_text(NETWORKS)
    return path


def namespace() -> dict[str, object]:
    values: dict[str, object] = {}
    exec(NETWORKS, values)
    return values


def test_function_of_a_file_gets_the_number_of_classes_of_the_files_head(saved, code: Path) -> None:
    theirs = randomise(namespace()["small"](9))
    path = saved({"state_dict": {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}})
    with pytest.raises(CheckpointError, match=r"holds no ResNet that is known here.*--arch"):
        load_model(path)
    loaded = load_model(path, arch=f"{code}:small")
    assert loaded.spec is None
    assert torch.equal(logits(loaded.model), logits(theirs))
    assert "tensor names begin with 'module.', which was stripped" in loaded.evidence


def test_function_without_number_of_classes_is_called_as_it_is(saved, code: Path) -> None:
    theirs = randomise(namespace()["fixed"]())
    loaded = load_model(saved(theirs.state_dict()), arch=f"{code}:fixed")
    assert torch.equal(logits(loaded.model), logits(theirs))


def test_external_network_is_loaded_strictly(saved, code: Path) -> None:
    state = namespace()["small"](9).state_dict()
    del state["0.bias"]
    with pytest.raises(CheckpointError, match=r"not in it: 0\.bias"):
        load_model(saved(state), arch=f"{code}:small")


@pytest.mark.parametrize(
    ("arch", "build"),
    [
        ("timm:resnet10t", lambda: timm.create_model("resnet10t", num_classes=6)),
        ("torchvision:squeezenet1_1", lambda: torchvision.models.squeezenet1_1(num_classes=1000)),
        ("torchvision.models:mobilenet_v3_small", lambda: torchvision.models.mobilenet_v3_small(num_classes=6)),
    ],
)
def test_networks_of_libraries_are_built_by_name(saved, arch: str, build) -> None:
    torch.manual_seed(0)
    theirs = randomise(build())
    loaded = load_model(saved(theirs.state_dict()), arch=arch)
    assert torch.equal(logits(loaded.model, 64), logits(theirs, 64))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"timm has no model 'resnet5O'; .*resnet50"):
        build_external("timm:resnet5O", None)
    with pytest.raises(UnknownNameError, match=r"torchvision has no model 'resnet5O'; .*resnet50"):
        build_external("torchvision:resnet5O", None)


def test_missing_timm_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"autola-analysis\[timm\]"):
        build_external("timm:resnet18", None)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("{code}:smal", r"has no smal; the nearest: small"),
        ("{code}:broken", "ValueError: no data set"),
        ("{code}:text", "returned str"),
        ("{code}:NUMBER", "is int, not a class or function"),
        ("absent.py:small", "no such file"),
        ("no.such.package:small", "ModuleNotFoundError"),
        ("resnet", "is not understood"),
    ],
)
def test_references_that_build_nothing_are_refused(code: Path, name: str, complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint):
        build_external(name.format(code=code), None)


@pytest.mark.parametrize("position", ["inner", "outer"])
def test_own_attention_in_a_known_backbone(saved, code: Path, position: str) -> None:
    gate = namespace()["Gate"]
    theirs = randomise(create_model("resnet50", gate, 4, inner_width=16, position=position))
    path = saved(theirs.state_dict())
    with pytest.raises(CheckpointError, match=r"--attention FILE\.py:Class"):
        load_model(path)
    for attention in (f"{code}:Gate", gate):
        loaded = load_model(path, attention=attention)
        assert torch.equal(logits(loaded.model, 64, 1), logits(theirs, 64, 1))
        assert loaded.spec.backbone == "resnet50"
    assert loaded.spec.options == {"inner_width": 16} | ({"position": "inner"} if position == "inner" else {})


@pytest.mark.parametrize("attention", ["simam", "timm:gca"])
def test_an_attention_that_its_tensors_do_not_show_is_named(saved, attention: str) -> None:
    theirs = randomise(create_model("resnet8", attention, 4, width=8))
    loaded = load_model(saved(theirs.state_dict()), attention=attention)
    assert loaded.spec == ModelSpec("resnet8", attention, 4, {"width": 8})
    assert torch.equal(logits(loaded.model), logits(theirs))


def test_own_attention_whose_tensors_do_not_fit_is_refused(saved, code: Path) -> None:
    with pytest.raises(CheckpointError, match=r"attention\.scale"):
        load_model(saved(create_model("resnet20", "se", 4).state_dict()), attention=f"{code}:Gate")


def test_our_own_file_with_an_own_attention_asks_for_its_class(tmp_path: Path, saved, code: Path) -> None:
    theirs = randomise(create_model("resnet20", namespace()["Gate"], 4))
    found = load_model(saved(theirs.state_dict()), attention=f"{code}:Gate")
    path = save_model(tmp_path / "own.safetensors", found.model, found.spec)
    with pytest.raises(CheckpointError, match=r"networks\.py:Gate', which is not known here; .*--attention"):
        load_model(path)
    assert torch.equal(logits(load_model(path, attention=f"{code}:Gate").model), logits(theirs))


def test_options_that_contradict_each_other_are_refused(saved, tiny, code: Path) -> None:
    path = saved(tiny.state_dict())
    with pytest.raises(OptionError, match="builds a whole network"):
        load_model(path, arch=f"{code}:small", attention=f"{code}:Gate")
    with pytest.raises(OptionError, match="excludes a genotype"):
        load_model(path, attention=f"{code}:Gate", genotype=[["skip_connect", 0]] * 10)
