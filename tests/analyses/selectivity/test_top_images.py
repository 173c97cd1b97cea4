"""The most activating images: against sorting all stored activations."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.top_images import TopImages
from autola_analysis.analyses.selectivity.top_images_observer import TopImageObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import Batch
from autola_analysis.inference.tap import tap
from tests.inference.networks import Tiny

QUIET = Settings(device="cpu", fold=False, quiet=True)
DIGITS = ClutteredDigits("test", 50)


def best_of(variant: Variant, batch_size: int, cache: Path | None = None) -> TopImages:
    reading = Reading(QUIET, batch_size, cache=cache)
    found = measure_selectivity(variant, DIGITS, top_images=4, reading=reading).top_images
    assert found is not None
    return found


def spatial_means(variant: Variant, layer: str, batch_size: int) -> np.ndarray:
    """Return the spatial mean of every unit for every image, ``(N, K)``, float32."""
    means = []
    for images in torch.stack([Preprocessing().normalize(image) for image in pixels()]).split(batch_size):
        with torch.inference_mode(), tap(variant.model.eval(), [layer]) as activations:
            variant.model(images)
        means.append(activations[layer].mean((2, 3), dtype=torch.float32))
    return torch.cat(means).numpy()


def pixels() -> list[torch.Tensor]:
    return [Preprocessing().geometry(DIGITS.image(index)) for index in range(len(DIGITS))]


@pytest.mark.parametrize("batch_size", [3, 50])
def test_the_best_images_are_those_with_the_largest_spatial_means(batch_size: int, tmp_path: Path) -> None:
    variant = Variant(Tiny(), "tiny", "2")
    stored = spatial_means(variant, "layer2", batch_size)
    expected = np.argsort(-stored, axis=0, kind="stable")[:4].T
    for _ in range(2):  # the second time from the cache
        found = best_of(variant, batch_size, tmp_path)
        assert list(found.images) == ["layer1", "layer2"]
        assert found.ids == {int(number): DIGITS.ids[number] for each in found.images.values() for number in each.flat}
        np.testing.assert_array_equal(found.images["layer2"], expected)
        values = np.take_along_axis(stored.T, expected, axis=1)
        np.testing.assert_allclose(found.values["layer2"], values, rtol=0, atol=1e-6)


def test_of_equal_images_the_first_are_kept() -> None:
    observer = TopImageObserver(["layer"], 2)
    for start in (0, 3):
        indices = torch.arange(start, start + 3)
        activity = observer.reduce("layer", torch.ones(3, 1))
        observer.update(
            Batch(torch.empty(3), torch.zeros(3, dtype=torch.int64), indices), {"layer": activity}, activity
        )
    assert observer.best["layer"][1].flatten().tolist() == [0, 1]
