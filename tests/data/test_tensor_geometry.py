"""The geometry on tensors, held to Pillow's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from autola_analysis.data import Preprocessing
from autola_analysis.data.tensor_geometry import has_tensor_geometry, tensor_geometry


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """Return noise that no filter takes below 0 or above 255: what is cut off depends on the order of the passes."""
    noise = np.random.default_rng(seed).integers(60, 196, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def differences(image: Image.Image, preprocessing: Preprocessing) -> torch.Tensor:
    exact = preprocessing.geometry(image)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    (found,) = tensor_geometry(tensor, preprocessing)
    assert found.dtype == torch.uint8
    assert found.shape == exact.shape
    return (found.int() - exact.int()).abs()


sides = st.integers(8, 90)


@settings(deadline=None, max_examples=40)
@given(
    height=sides,
    width=sides,
    resize=st.none() | sides,
    crop=st.none() | sides,
    stretch=st.none() | sides,
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    seed=st.integers(0, 9),
)
def test_any_geometry_is_pillows_but_for_rounding(
    height: int, width: int, resize: int | None, crop: int | None, stretch: int | None, interpolation: str, seed: int
) -> None:
    preprocessing = Preprocessing(resize, crop, interpolation=interpolation, stretch=stretch)
    found = differences(picture(height, width, seed), preprocessing)
    assert found.max() <= 3
    assert found.float().mean() < 0.5


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (300, 451)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_photograph_differs_in_few_of_a_thousand_numbers_by_one_level(
    size: tuple[int, int], interpolation: str
) -> None:
    found = differences(picture(*size), Preprocessing(256, 224, interpolation=interpolation))
    assert found.max() <= 1
    assert (found > 0).float().mean() < 5e-3


def test_images_of_a_batch_do_not_touch_one_another() -> None:
    images = torch.randint(0, 256, (3, 3, 40, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    preprocessing = Preprocessing(32, 24)
    alone = torch.cat([tensor_geometry(images[place : place + 1], preprocessing) for place in range(3)])
    assert torch.equal(tensor_geometry(images, preprocessing), alone)


def test_grey_images_and_other_filters_are_left_to_pillow() -> None:
    assert has_tensor_geometry(Preprocessing())
    assert has_tensor_geometry(Preprocessing(interpolation="bicubic"))
    assert not has_tensor_geometry(Preprocessing(interpolation="lanczos"))
    assert not has_tensor_geometry(Preprocessing(interpolation="nearest"))
    assert not has_tensor_geometry(Preprocessing(mean=(0.5,), std=(0.5,)))
