"""One call of `measure_saliency` gives everything: what it costs, which images it takes, who makes the sanity check."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.saliency import measure
from autola_analysis.analyses.saliency.aim import ClassScore
from autola_analysis.analyses.saliency.measure import measure_saliency
from autola_analysis.analyses.saliency.options import SaliencyOptions
from autola_analysis.analyses.saliency.question import drawn_by_class
from autola_analysis.analyses.saliency.sanity.check import sanity_check
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.core import distributed
from autola_analysis.core.errors import DataError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.data.listed import ListedImages
from autola_analysis.data.subset import limit
from autola_analysis.inference.gradients import gradients
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tasks import Classification
from autola_analysis.inference.tasks.classification import check_range
from tests.inference.networks import Tiny

QUIET = Settings(device="cpu", quiet=True)
READING = Reading(QUIET, batch_size=4)
STATISTICS = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
DIGITS = tuple(ClutteredDigits("test", 1).classes)


@pytest.fixture(scope="module")
def pair() -> list[Variant]:
    torch.manual_seed(0)
    return [Variant(Tiny(), "SE", preprocessing=STATISTICS), Variant(Tiny(), "HOGA")]


class Counted(Tiny):
    """Counts its forwards."""

    forwards = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.forwards += 1
        return super().forward(x)


class Sevens(ClutteredDigits):
    """Every image is labelled a seven."""

    def __init__(self, length: int) -> None:
        super().__init__("test", length)
        self.labels = np.full_like(self.labels, 7)


@pytest.mark.parametrize(
    ("target", "recorded", "own"),
    [
        (7, {}, 0),
        ("label", {}, 0),
        (None, {"classes": DIGITS}, 0),
        (None, {"spec": ModelSpec("resnet20", num_classes=10)}, 0),
        (None, {}, 1),  # one image tells the number of outputs, once
        ("predicted", {}, 3),
        (None, {"classes": DIGITS[::-1]}, 3),  # the labels are not the head's, so that the predictions decide
    ],
)
def test_a_fixed_target_costs_no_forward_and_a_prediction_one_without_backward(
    monkeypatch: pytest.MonkeyPatch, target: str | int | None, recorded: dict[str, Any], own: int
) -> None:
    torch.manual_seed(0)
    models = [Counted(), Counted()]
    counted = [Variant(models[0], "a", **recorded), Variant(models[1], "b")]
    backwards: list[int] = []
    original = torch.autograd.grad

    def counting(*arguments: Any, **named: Any) -> Any:
        backwards.append(1)
        return original(*arguments, **named)

    monkeypatch.setattr(torch.autograd, "grad", counting)
    measure_saliency(counted, ClutteredDigits("test", 10), SaliencyOptions(target=target), READING)
    assert [model.forwards for model in models] == [3 + own, 3]
    # Grad-CAM and guided backpropagation, for each network and batch.
    assert len(backwards) == 2 * 2 * 3


class _Waits(TorchDispatchMode):
    """Notes in what order numbers are looked at and gradients taken."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "is_nonzero", "convolution_backward"):
            self.seen.append("backward" if "backward" in name else "wait")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("target", ["predicted", "given"])
def test_the_numbers_of_a_forward_are_not_looked_at_before_its_gradients_are_taken(target: str) -> None:
    # That makes a GPU finish what it was asked for, and only then is it asked for more.
    torch.manual_seed(0)
    task, given = Classification(), torch.tensor([1, 2])
    score = ClassScore(task, None if target == "predicted" else given)
    with _Waits() as waits:
        found = gradients(Tiny(), torch.randn(2, 3, 16, 16), score, ["layer1"])
        assert "backward" in waits.seen
        looked = waits.seen[: waits.seen.index("backward")].count("wait")
        assert score.settled(found.output).read_as == "softmax"
    alone = _Waits()
    with alone:
        check_range(given, 5)  # given targets are on the CPU
    assert looked == (0 if target == "predicted" else alone.seen.count("wait"))


def test_images_to_show_are_drawn_by_class(tmp_path: Path, pair: list[Variant]) -> None:
    source = ClutteredDigits("test", 40)
    drawn = limit(source, 5, seed=3).ids
    options = SaliencyOptions(methods=["grad-cam"], seed=3, show=5)
    assert [picture.image for picture in measure_saliency(pair[:1], source, options, READING).pictures] == drawn
    assert drawn != source.ids[:5]
    for index in range(3):
        source.image(index).save(tmp_path / f"{index}.png")
    files = ListedImages([tmp_path])
    assert drawn_by_class(files, 2, 3) == [0, 1]  # no classes to draw from
    assert drawn_by_class(files, 9, 3) == [0, 1, 2]
    assert drawn_by_class(source, 0, 3) == []


def test_the_sanity_check_takes_the_targets_of_the_analysis(pair: list[Variant]) -> None:
    source = ClutteredDigits("test", 20)
    options = SaliencyOptions(methods=["grad-cam"], target="label", seed=2, sanity=3, sanity_draws=2)
    result = measure_saliency(pair, source, options, READING)
    assert result.sanity is not None
    indices = drawn_by_class(source, 3, 2)
    rows = result.images[(result.images["model"] == "SE")].set_index("image")
    targets = rows.loc[[source.ids[index] for index in indices], "target"].tolist()
    images = STATISTICS.normalize(torch.stack([STATISTICS.geometry(source.image(index)) for index in indices]))
    ours = replace(pair[0], preprocessing=None)
    expected = sanity_check(ours, images, "grad-cam", target=targets, seed=2, draws=2).table
    table = result.sanity.table
    found = table[table["model"] == "SE"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert table[["model", "run"]].drop_duplicates().to_numpy().tolist() == [["SE", "1"], ["HOGA", "1"]]
    assert result.sanity.images == tuple(source.ids[index] for index in indices)
    assert "the sanity check rests on 2 draws of random weights and 3 images" in result.warnings[-1]
    assert measure_saliency(pair, source, options.model_copy(update={"sanity": 0}), READING).sanity is None


class Recorded(distributed.Processes):
    """A process that records what it does together with others."""

    def __init__(self, rank: int) -> None:
        self.rank, self.world_size = rank, 2
        self.done: list[str] = []

    def all_gather_object(self, value: Any) -> list[Any]:
        self.done.append("exchange")
        return [value, value]

    def gather_in_order(self, items: Any) -> Any:
        self.done.append("in order")
        return iter(list(items) if self.first else [])


@pytest.mark.parametrize("rank", [0, 1])
def test_the_sanity_check_is_the_first_process_own_after_everything_that_all_do(
    monkeypatch: pytest.MonkeyPatch, pair: list[Variant], rank: int
) -> None:
    shared = Recorded(rank)
    monkeypatch.setattr(measure, "sanity_checks", lambda *_: shared.done.append("sanity"))
    token = distributed.enter(shared)
    try:
        options = SaliencyOptions(methods=["grad-cam"], sanity=2)
        measure_saliency(pair, ClutteredDigits("test", 8), options, READING)
    finally:
        distributed.leave(token)
    assert shared.done.count("in order") == 2
    assert [place for place, done in enumerate(shared.done) if done == "sanity"] == [len(shared.done) - 1] * (rank == 0)


def test_boxes_are_read_before_any_network_runs(tmp_path: Path) -> None:
    model = Counted()
    options = SaliencyOptions(methods=["grad-cam"], boxes=tmp_path / "no.json")
    with pytest.raises(DataError, match=r"cannot read .*no.json"):
        measure_saliency([Variant(model)], ClutteredDigits("test", 4), options, READING)
    assert model.forwards == 0


def test_compiling_is_for_passes_and_gradients_run_uncompiled(pair: list[Variant], tmp_path: Path) -> None:
    source, options = ClutteredDigits("test", 4), SaliencyOptions(methods=["grad-cam"])
    reading = replace(READING, cache=tmp_path)
    plain = measure_saliency(pair, source, options, reading)
    compiled = replace(reading, settings=replace(QUIET, compile=True))
    found = measure_saliency(pair, source, options, compiled)
    assert plain.settings["compiled"] is found.settings["compiled"] is False
    pd.testing.assert_frame_equal(found.images, plain.images, check_exact=True)
    assert len(list(tmp_path.rglob("entry.json"))) == 2  # the maps that the cache holds serve both


def test_a_network_that_guesses_is_named() -> None:
    class Wrong(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 0 + torch.arange(10)

    result = measure_saliency([Variant(Wrong(), "odd")], Sevens(12), SaliencyOptions(methods=["grad-cam"]), READING)
    assert any("odd: top-1 accuracy 0.0% is no better than chance" in warning for warning in result.warnings)
