"""Whatever becomes of a cache and of what a pass depends on, numbers are those of no cache, to the last bit."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.analyses.embedding.watcher import FeatureWatcher
from autola_analysis.analyses.evaluate.measure import PredictionWatcher
from autola_analysis.analyses.observation import Observation, Reading, observe_all, passes_of
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.variants import as_variant
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.core.cache import cache_folder
from autola_analysis.data import ImageFolderSource, Preprocessing
from autola_analysis.inference.run import Settings
from tests.data.conftest import write_image

SPEC = ModelSpec("resnet20", "se", 2, {"width": 4})


class Inputs:
    """A checkpoint, images, options and a cache, which can be edited."""

    def __init__(self, folder: Path) -> None:
        self.checkpoint, self.images, self.cache = folder / "m.safetensors", folder / "images", folder / "cache"
        self.options = SelectivityOptions(permutations=1, folds=2)
        for number in range(8):
            write_image(self.images / "ab"[number % 2] / f"{number}.bmp", (30 * number, 90, 7), (16, 16))
        self.write_checkpoint(0)

    def write_checkpoint(self, seed: int) -> None:
        """Write other weights under the name of the checkpoint."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            save_model(self.checkpoint, SPEC.build(), SPEC, preprocessing=Preprocessing())

    def edit(self, what: str, draw: int) -> None:
        """Edit one thing."""
        if what == "checkpoint":
            self.write_checkpoint(draw)
        elif what == "image":
            path = sorted(self.images.rglob("*.bmp"))[draw % 8]
            write_image(path, tuple(np.random.default_rng(draw).integers(0, 256, 3).tolist()), (16, 16))
        elif what == "option":
            self.options = self.options.model_copy(update={"seed": draw})
        else:
            self.damage(what, draw)

    def damage(self, what: str, draw: int) -> None:
        """Damage a file of a finished pass."""
        files = sorted(path for path in cache_folder(self.cache, "passes").rglob("*") if path.is_file())
        path = files[draw % len(files)]
        content, place = bytearray(path.read_bytes()), draw // len(files)
        if what == "removed":
            path.unlink()
        elif what == "cut off":
            path.write_bytes(content[: place % max(len(content), 1)])
        elif content:
            content[place // 8 % len(content)] ^= 1 << place % 8
            path.write_bytes(content)

    def numbers(self, cached: bool) -> tuple[dict[str, Any], int]:
        """Return what a pass finds, and how many passes that took."""
        variant = as_variant(load_model(self.checkpoint, device="cpu"), "SE")
        watchers = [SelectivityWatcher(self.options), FeatureWatcher("layer3"), PredictionWatcher()]
        reading = Reading(Settings(device="cpu", quiet=True), 3, cache=self.cache if cached else None)
        found = observe_all([variant], ImageFolderSource(self.images), watchers, reading)
        ((selectivity,), (features,), (predictions,)) = found
        assert isinstance(selectivity, Observation)
        assert isinstance(features, Observation)
        assert isinstance(predictions, Observation)
        result = selectivity_result(selectivity, self.options)
        arrays = {
            **{f"means {layer}": values for layer, values in result.class_means.items()},
            **{f"unit {name}": column.to_numpy() for name, column in result.units.items()},
            "features": np.array(features.observer.found()[0]),
            **predictions.observer.predictions().arrays(),
            "correct": selectivity.correct,
        }
        return arrays, len(passes_of([selectivity]))


EDITS = ["bit", "bit", "bit", "cut off", "removed", "checkpoint", "image", "option"]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 2**20)), min_size=1, max_size=3))
def test_numbers_with_a_cache_are_those_without(edits: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        inputs = Inputs(Path(folder))
        inputs.numbers(cached=True)
        for what, draw in edits:
            inputs.edit(what, draw)
        expected, _ = inputs.numbers(cached=False)
        for _ in range(2):
            found, passes = inputs.numbers(cached=True)
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values, err_msg=f"{name} after {edits}")
        assert passes == 0, "what was made again is found the second time"


@pytest.mark.parametrize("what", sorted(set(EDITS)))
def test_an_edit_is_noticed(what: str, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    assert inputs.numbers(cached=True)[1] == 1
    assert inputs.numbers(cached=True)[1] == 0
    inputs.edit(what, 12345)
    assert inputs.numbers(cached=True)[1] == 1
