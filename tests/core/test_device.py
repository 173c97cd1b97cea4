"""Devices: tensors without memory are refused before any work."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency.explain import explain, explained_classes
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.core.device import float64_device, resolve_device
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.run import Settings
from tests.inference.networks import Tiny

IMAGES = torch.rand(6, 3, 8, 8)
DATA = TensorDataset(IMAGES, torch.arange(6) % 3)
READING = Reading(Settings(device="cpu", quiet=True))
CALLS: dict[str, Callable[[], Any]] = {
    "resolve_device": lambda: resolve_device("cpu"),
    "float64_device": float64_device,
    "measure_selectivity": lambda: measure_selectivity(NETWORK, DATA, reading=READING),
    "explain": lambda: explain(NETWORK, IMAGES),
    "explained_classes": lambda: explained_classes(NETWORK, IMAGES),
}
NETWORK = Tiny().eval()


@pytest.mark.parametrize("name", CALLS)
def test_tensors_without_memory_are_refused_in_one_sentence(name: str) -> None:
    with torch.device("meta"), pytest.raises(OptionError, match="default device is 'meta'; call this outside of"):
        CALLS[name]()
    with torch.device("cpu"):
        CALLS[name]()
