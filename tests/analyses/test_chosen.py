"""Watching some images of a pass equals a pass over those images alone."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from autola_analysis.analyses.chosen import ChosenImages
from autola_analysis.analyses.gates.measure import GateWatcher, gate_result
from autola_analysis.analyses.observation import Reading, Watcher, observe_all
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.selectivity.top_images import TopImageWatcher, top_images_result
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits, Subset
from autola_analysis.inference.run import Settings

IMAGES = 48
OPTIONS = SelectivityOptions(folds=3, permutations=2, layers=["1"])
CHOSEN = {
    "scattered": [0, 1, 5, 6, 7, 19, 21, 22, 40, 41, 46, 47],
    "only late ones": list(range(32, 47)),  # batches of 16 and less hold none of them
    "all": list(range(IMAGES)),
}


class Linear(torch.nn.Module):
    """Exact in any batch: every image is its own units, so that nothing but the order of sums is left."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("1", torch.nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, "1")(x)[:, :3]


def data(numbers: list[int] | None = None) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(IMAGES, 1, 3, 3, generator=generator)
    labels = torch.arange(IMAGES) % 3
    kept = torch.arange(IMAGES) if numbers is None else torch.tensor(numbers)
    found = TensorDataset(images[kept], labels[kept])
    found.classes = ["a", "b", "c"]
    return found


def observed(
    variants: list[Variant], images: Any, watchers: list[Watcher[Any]], batch_size: int, fold: bool = False
) -> list[Any]:
    reading = Reading(Settings(device="cpu", fold=fold, quiet=True), batch_size)
    return [found[-1] for found in observe_all(variants, images, watchers, reading)]


@pytest.mark.parametrize("batch_size", [1, 7, 16, IMAGES])
@pytest.mark.parametrize("which", CHOSEN)
def test_selectivity_of_some_images_of_a_pass_is_that_of_a_pass_over_them(which: str, batch_size: int) -> None:
    numbers, variants = CHOSEN[which], [Variant(Linear())]
    whole = SelectivityWatcher(OPTIONS)
    part = ChosenImages(SelectivityWatcher(OPTIONS), np.array(numbers))
    part.name = "part"
    of_all, of_part = observed(variants, data(), [whole, part], batch_size)
    (alone,) = observed(variants, data(numbers), [SelectivityWatcher(OPTIONS)], batch_size)
    found, expected = selectivity_result(of_part, OPTIONS), selectivity_result(alone, OPTIONS)
    assert found.settings["images_per_class"] == expected.settings["images_per_class"]
    assert found.settings["folds"] == expected.settings["folds"] == 3
    for column in ("selectivity", "mean_preferred", "mean_rest"):
        np.testing.assert_allclose(found.units[column], expected.units[column], rtol=0, atol=1e-12)
    assert found.units["preferred_class"].tolist() == expected.units["preferred_class"].tolist()
    for column in ("mean", "mean_corrected", "null_mean"):
        assert expected.summary[column].notna().all()
        np.testing.assert_allclose(found.summary[column], expected.summary[column], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.fold_means["1"], expected.fold_means["1"], rtol=0, atol=1e-12)
    assert sum(selectivity_result(of_all, OPTIONS).settings["images_per_class"].values()) == IMAGES


@pytest.mark.parametrize("batch_size", [5, 40])
def test_gates_and_top_images_of_some_images_of_a_pass_are_those_of_a_pass_over_them(batch_size: int) -> None:
    source, numbers = ClutteredDigits("test", 40), np.array([2, 3, 11, 29, 30, 38])
    variants = [Variant(create_model("resnet20", "se", 10, width=8).eval())]
    watchers: list[Watcher[Any]] = [GateWatcher(), TopImageWatcher(["layer2"], 2)]
    gates, tops = observed(variants, source, [ChosenImages(each, numbers) for each in watchers], batch_size)
    lone_gates, lone_tops = observed(variants, Subset(source, numbers), watchers, batch_size)
    found, expected = gate_result(gates), gate_result(lone_gates)
    np.testing.assert_allclose(found.gates["mean"], expected.gates["mean"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.gates["class_variation"], expected.gates["class_variation"], rtol=0, atol=1e-6)
    ids = [source.ids[number] for number in numbers]
    found_tops, expected_tops = top_images_result(tops, ids), top_images_result(lone_tops, ids)
    np.testing.assert_array_equal(found_tops.images["layer2"], expected_tops.images["layer2"])
    assert found_tops.ids == expected_tops.ids


def test_which_images_are_watched_is_part_of_what_findings_depend_on() -> None:
    variant = Variant(create_model("resnet20", "se", 10, width=8))
    inputs = [ChosenImages(GateWatcher(), np.array(numbers)).inputs(variant) for numbers in ([0, 1], [0, 2], [0, 1])]
    assert inputs[0] == inputs[2] != inputs[1]
    assert inputs[0].items() > GateWatcher().inputs(variant).items()
