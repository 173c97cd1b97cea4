"""Scenes: images in parts."""

import numpy as np
import pytest

from autola_analysis.data import ClutteredDigits, Subset
from autola_analysis.data.scene import Scene, Sprite


def test_parts_of_a_digit_image_put_together_are_the_image_and_its_mask() -> None:
    source = Subset(ClutteredDigits(length=40), [3, 17, 38])
    for index in range(3):
        scene = source.scene(index)
        assert scene is not None
        np.testing.assert_array_equal(scene.image(), np.asarray(source.image(index)))
        np.testing.assert_array_equal(scene.mask, source.mask(index))
        assert len(scene.clutter) == 3


def test_a_background_is_the_image_but_for_the_object() -> None:
    scene = ClutteredDigits(length=8).scene(7)
    touched = np.zeros((32, 32), dtype=bool)
    height, width = scene.object.opacity.shape
    touched[scene.object.top :, scene.object.left :][:height, :width] = scene.object.opacity > 0
    background = np.rint(scene.background)
    np.testing.assert_array_equal(background[~touched], scene.image()[~touched])
    assert scene.contrast(scene.background) >= 70


def test_a_half_opaque_sprite_mixes_its_colour_with_what_is_behind() -> None:
    backdrop = np.full((2, 3, 3), 100.0)
    sprite = Sprite(np.array([[0.5, 1.0]]), np.array([200.0, 0.0, 100.0]), top=1, left=1)
    scene = Scene(backdrop, (), sprite, np.array([[False] * 3, [False, True, True]]))
    assert scene.image()[1].tolist() == [[100, 100, 100], [150, 50, 100], [200, 0, 100]]
    assert scene.image()[0].tolist() == [[100, 100, 100]] * 3
    assert scene.contrast(scene.background) == pytest.approx(0)
    assert backdrop.min() == backdrop.max() == 100
