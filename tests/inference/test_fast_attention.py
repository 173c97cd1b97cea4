"""Faster copies of networks with every attention and wiring put out what the networks put out, also where tapped."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autola_analysis.attention import RELEASED, Genotype, HighOrderGroupAttention
from autola_analysis.backbones import create_model
from autola_analysis.checkpoints import load_model
from autola_analysis.inference.copies import Runnable, copied
from autola_analysis.inference.folding import fast_copy
from autola_analysis.inference.gates import gate_layers
from autola_analysis.inference.layers import layer_names
from autola_analysis.inference.tap import tap
from tests.attention.naive import genotypes, naive_forward, with_statistics
from tests.inference.state import state_of

IMAGES = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
STAGES = ["layer1", "layer2", "layer3"]


@contextmanager
def naive_hoga() -> Iterator[None]:
    forward = HighOrderGroupAttention.forward
    HighOrderGroupAttention.forward = naive_forward
    try:
        yield
    finally:
        HighOrderGroupAttention.forward = forward


def hoga_network(genotype: Genotype, width: int) -> nn.Module:
    torch.manual_seed(0)
    return with_statistics(
        create_model("resnet20", "hoga", width=width, attention_options={"genotype": genotype})
    ).eval()


def difference(model: nn.Module, layers: list[str], images: Tensor = IMAGES) -> float:
    """Return the largest difference of logits and layers, relative to each one's largest value."""
    with torch.inference_mode(), naive_hoga(), tap(model, layers) as kept:
        expected = {"": model(images), **kept}
    fast = fast_copy(Runnable(copied(model)), layers, images)
    if fast.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), tap(fast.model, layers) as kept:
        found = {"": fast.model(images), **kept}
    return max(float((expected[k] - found[k]).abs().max() / expected[k].abs().max().clamp(min=1e-6)) for k in expected)


@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
@given(genotypes(), st.sampled_from([8, 16]), st.data())
def test_any_wiring_with_taps_anywhere(genotype: Genotype, width: int, data: st.DataObject) -> None:
    model = hoga_network(genotype, width)
    once = [name for name in layer_names(model) if not re.search(r"ops$|\.mlp|^layer\d\.\d\.relu", name)]
    layers = data.draw(st.lists(st.sampled_from(once), max_size=4, unique=True))
    assert difference(model, layers) < 1e-5


def test_all_gates_and_stages_of_the_released_wiring_at_once() -> None:
    model = hoga_network(RELEASED, 16)
    before = state_of(model)
    assert difference(model, [*gate_layers(model), *STAGES]) < 1e-5
    assert state_of(model) == before


CHECKPOINTS = os.environ.get("AUTOLA_TEST_CHECKPOINTS")


@pytest.mark.skipif(not CHECKPOINTS, reason="needs AUTOLA_TEST_CHECKPOINTS")
def test_the_authors_network_whose_gates_have_no_hidden_units() -> None:
    model = load_model(Path(CHECKPOINTS or "") / "autola_authors_resnet20.pth", device="cpu").model
    assert any(parameter.numel() == 0 for parameter in model.parameters())
    assert difference(model, [*gate_layers(model), *STAGES]) < 1e-5
