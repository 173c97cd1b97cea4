"""Attention modules of timm: ours equal its own where it has them, and its factory's are taken by ``timm:NAME``."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from timm.layers import EcaModule, GlobalContext
from timm.layers.coord_attn import CoordAttn
from torch import Tensor, nn

from autola_analysis.analyses.gates.find import find_gates
from autola_analysis.attention import create_attention, list_attentions
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import inspect_checkpoint, load_model, save_model
from autola_analysis.core.errors import DataError, MissingExtraError, OptionError, UnknownNameError
from autola_analysis.inference.failures import forward_of
from tests.checkpoints.helpers import logits, randomise

TINY = {"width": 8}


def by_names(state: dict[str, Tensor], *pairs: tuple[str, str]) -> dict[str, Tensor]:
    """Return a state dict with the beginnings of names replaced."""
    renamed = {}
    for name, tensor in state.items():
        for old, new in pairs:
            name = name.replace(old, new, 1) if name.startswith(old) else name
        renamed[name] = tensor
    return renamed


def timm_context(channels: int) -> nn.Module:
    theirs = GlobalContext(channels, fuse_add=True, fuse_scale=False, rd_channels=max(4, channels // 16))
    theirs.mlp_add.norm.eps = 1e-5  # as the authors' code
    return theirs


COORDINATE = (("conv1.", "conv."), ("bn1.", "bn."), ("conv_h.", "height_gate.conv."), ("conv_w.", "width_gate.conv."))
CONTEXT = (("conv_attn.", "mask."), ("mlp_add.", "transform."))


@pytest.mark.parametrize("channels", [16, 256])
@pytest.mark.parametrize(
    ("name", "build", "names"),
    [
        ("eca", EcaModule, ()),
        ("coordinate", lambda channels: CoordAttn(channels, rd_channels=max(8, channels // 32), bias=True), COORDINATE),
        ("global-context", timm_context, CONTEXT),
    ],
)
def test_ours_puts_out_what_timms_does_with_the_same_weights(
    name: str, build: Callable[[int], nn.Module], names: tuple, channels: int
) -> None:
    ours, theirs = create_attention(name, channels).eval(), build(channels).eval()
    generator = torch.Generator().manual_seed(0)
    for key, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn / len(tensor) ** 0.5)
    own = ours.state_dict()
    state = by_names(theirs.state_dict(), *names)
    assert state.keys() == own.keys()
    ours.load_state_dict({key: tensor.reshape(own[key].shape) for key, tensor in state.items()})
    x = torch.randn(2, channels, 7, 5, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["se", "ese", "eca", "ceca", "gc", "gca", "cbam", "coord", "ela", "sk", "nl"])
def test_what_timms_factory_makes_is_an_attention(name: str) -> None:
    assert f"timm:{name}" in ATTENTIONS
    network = ModelSpec("resnet8", f"timm:{name}", 3, {"width": 16}).build().eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_its_gates_are_found() -> None:
    gates = find_gates(ModelSpec("resnet8", "timm:gc", 3, TINY).build())
    assert [(gate.module, gate.name) for gate in gates] == [(f"layer{s}.0.attention", "gate") for s in (1, 2, 3)]


def test_names_of_timm_are_known_and_not_listed() -> None:
    assert not any(":" in name for name in list_attentions())
    assert ATTENTIONS.families() == ["timm:NAME"]


@pytest.mark.parametrize("name", ["", "seca"])
def test_a_name_that_timm_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"timm makes no attention '{name}'; give a name that"):
        create_attention(f"timm:{name}", 16)


def test_a_module_that_needs_more_than_channels_says_so() -> None:
    with pytest.raises(
        OptionError, match=r"timm:bottleneck failed when called with 16 .*feature size.* give the options"
    ):
        create_attention("timm:bottleneck", 16)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec("resnet8", "timm:se", 4, TINY, {"rd_ratio": 0.5})
    return save_model(tmp_path_factory.mktemp("timm") / "se.safetensors", randomise(spec.build()), spec)


def test_a_file_with_a_module_of_timm_comes_back(stored: Path) -> None:
    loaded = load_model(stored)
    assert loaded.spec == ModelSpec("resnet8", "timm:se", 4, TINY, {"rd_ratio": 0.5})
    assert loaded.model.layer1[0].attention.fc1.weight.shape == (8, 8, 1, 1)
    assert torch.equal(logits(loaded.model), logits(randomise(loaded.spec.build())))


@pytest.mark.parametrize("read", [load_model, lambda path: create_attention("timm:se", 8)])
def test_without_timm_one_sentence_says_what_to_install(stored: Path, read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        MissingExtraError, match=r"^the attention timm:se needs timm, which is not installed; pip install"
    ):
        read(stored)
    report = inspect_checkpoint(stored).to_text()
    assert "attention timm:se, 4 classes" in report
    assert "pip install 'autola-analysis[timm]'" in report


@pytest.mark.parametrize("name", ["bat", "halo"])
def test_a_forward_that_fails_without_a_word_is_named_with_module_and_map(name: str) -> None:
    module = create_attention(f"timm:{name}", 16).eval()
    said = r"net .*: AssertionError in \w+, given a map of shape \(1, \d+, 5, 9\); give --resize"
    with pytest.raises(DataError, match=said), forward_of("net", (16, 5, 9)):
        module(torch.zeros(1, 16, 5, 9))
