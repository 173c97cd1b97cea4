"""The demo's networks, and the device that the tests of this folder compare with the CPU."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from autola_analysis.analyses.variants import Variant, as_variant
from autola_analysis.checkpoints import load_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.study.demo import demo_checkpoints
from tests.conftest import GPU_DEVICE

PLAIN = Settings("cpu", fold=False, quiet=True)
"""The network as it is, in float32 on the CPU: what everything is held to."""
ON_DEVICE = Settings(GPU_DEVICE, quiet=True)


@pytest.fixture(scope="session")
def demo() -> list[Variant]:
    """The first training run of each of the demo's networks."""
    variants = []
    for name, paths in demo_checkpoints().items():
        loaded = load_model(paths[0], device="cpu")
        variants.append(replace(as_variant(loaded), name=name))
    return variants


@pytest.fixture(scope="session")
def digits() -> ClutteredDigits:
    """Six images of every class."""
    return ClutteredDigits("test", 60)


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    """The GPU; its memory is free again afterwards."""
    if GPU_DEVICE == "cpu":
        pytest.skip("a rehearsal on the CPU has no memory of a GPU")
    yield torch.device("cuda")
    torch.cuda.empty_cache()
