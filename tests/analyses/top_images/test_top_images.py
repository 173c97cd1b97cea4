"""The most activating images: against sorting all stored activations."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses.embedding.extract import extract_features
from autola_analysis.analyses.observation import Reading, observe
from autola_analysis.analyses.top_images import TopImageAnalysis, TopImages, top_images_result
from autola_analysis.analyses.top_images.observer import TopImageObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch
from tests.inference.networks import Tiny

QUIET = Settings(device="cpu", fold=False, quiet=True)
DIGITS = ClutteredDigits("test", 50)


def best_of(variant: Variant, batch_size: int, cache: Path | None = None) -> TopImages:
    (observation,) = observe([variant], DIGITS, TopImageAnalysis(count=4), Reading(QUIET, batch_size, cache=cache))
    return top_images_result(observation)


@pytest.mark.parametrize("batch_size", [3, 50])
def test_the_best_images_are_those_with_the_largest_spatial_means(batch_size: int, tmp_path: Path) -> None:
    variant = Variant(Tiny(), "tiny", "2")
    stored = extract_features(variant, DIGITS, "layer2", settings=QUIET, batch_size=batch_size).values
    expected = np.argsort(-stored, axis=0, kind="stable")[:4].T
    for _ in range(2):  # the second time from the cache
        found = best_of(variant, batch_size, tmp_path)
        assert (found.model, found.run, list(found.images)) == ("tiny", "2", ["layer1", "layer2"])
        np.testing.assert_array_equal(found.images["layer2"], expected)
        np.testing.assert_array_equal(found.values["layer2"], np.take_along_axis(stored.T, expected, axis=1))


def test_of_equal_images_the_first_are_kept() -> None:
    observer = TopImageObserver(["layer"], 2)
    for start in (0, 3):
        indices = torch.arange(start, start + 3)
        activity = observer.reduce("layer", torch.ones(3, 1))
        observer.update(
            Batch(torch.empty(3), torch.zeros(3, dtype=torch.int64), indices), {"layer": activity}, activity
        )
    assert observer.best["layer"][1].flatten().tolist() == [0, 1]
