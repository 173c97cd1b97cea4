"""The pass lets a device run on: between two batches the host reads nothing that the device has yet to compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.data import TensorDataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.backbones import create_model
from autola_analysis.core import transfer
from autola_analysis.core.transfer import Arriving, sent
from autola_analysis.inference import running
from autola_analysis.inference.run import Settings
from autola_analysis.inference.running import Running
from autola_analysis.inference.stream import Batch

READS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique", "masked_select", "item")
"""Operations whose result the host needs: on a GPU they wait for all that it has been asked to do."""


class Waiting(TorchDispatchMode):
    """Notes what the host reads of tensors that come from the images of a batch, as a GPU would hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, Tensor] = {}
        self.reads: list[str] = []

    def hold(self, tensor: Tensor) -> None:
        self.held[id(tensor)] = tensor

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(id(leaf) in self.held for leaf in inputs):
            name = func.overloadpacket.__name__
            indexed_by_mask = name.startswith("index") and any(leaf.dtype == torch.bool for leaf in inputs)
            if name in READS or indexed_by_mask:
                self.reads.append(name)
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    self.hold(leaf)
        return result


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    """Watch every batch of a pass; what arrives in the computer's memory is the host's own."""
    mode = Waiting()
    take = Running.take

    def watched_take(self: Running, batch: Batch, images: Tensor) -> None:
        images = images.clone()
        mode.hold(images)
        with mode:
            take(self, batch, images)

    def arrived(self: Arriving) -> Tensor:
        with _disable_current_modes():
            return self._values.clone()

    monkeypatch.setattr(Running, "take", watched_take)
    monkeypatch.setattr(Arriving, "values", arrived)
    yield mode


def measured(settings: Settings) -> Any:
    torch.manual_seed(0)
    model = create_model("resnet20", "hoga", num_classes=10, width=8).eval()
    data = TensorDataset(torch.rand(24, 3, 32, 32), torch.arange(24) % 10)
    return measure_selectivity(model, data, reading=Reading(settings, batch_size=8), top_images=0, folds=2)


def test_selectivity_and_accuracy_wait_for_nothing_within_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = measured(Settings("cpu", quiet=True))
    with watched(monkeypatch) as mode:
        found = measured(Settings("cpu", quiet=True))
    assert mode.reads == []
    assert len(mode.held) > 300  # the forwards were seen
    np.testing.assert_array_equal(found.units["selectivity"], expected.units["selectivity"])
    assert found.accuracy == expected.accuracy


def test_the_watch_notices_a_read() -> None:
    mode, images = Waiting(), torch.rand(3)
    mode.hold(images)
    with mode:
        bool((images * 2 > 7).any())
        images[images > 2]
    assert mode.reads == ["_local_scalar_dense", "index"] or mode.reads == ["is_nonzero", "index"]


def test_every_batch_is_checked_after_the_next_one_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    forward, settle = Running._forward, Running.settle
    monkeypatch.setattr(Running, "_forward", lambda self, images: (steps.append("forward"), forward(self, images))[1])

    def settled(self: Running) -> None:
        if self.finite is not None:
            steps.append("check")
        settle(self)

    monkeypatch.setattr(Running, "settle", settled)
    measured(Settings("cpu", quiet=True))
    assert steps == ["forward", "forward", "check", "forward", "check", "check"]


def test_values_arrive_and_are_sent_on_the_cpu_as_they_are() -> None:
    values = torch.rand(3)
    assert torch.equal(sent(values, torch.device("cpu")), values)
    assert torch.equal(Arriving(values).values(), values)
    assert running.Arriving is transfer.Arriving
