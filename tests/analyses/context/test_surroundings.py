"""What is done to images: filling gaps, and drawing who gives surroundings to whom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autola_analysis.analyses.context.cut import blurred, cut_out, filled
from autola_analysis.analyses.context.plan import DONORS_DRAWN, make_plan
from autola_analysis.analyses.context.scenes import Altered, Scenes
from autola_analysis.data import ClutteredDigits, Subset, limit
from autola_analysis.data.scene import Scene
from tests.analyses.context.planted import Planted

KINDS = ["same-class-background", "other-class-background", "clutter-exchanged", "object-only"]


def test_a_gap_takes_the_mean_of_the_pixels_around_it() -> None:
    pixels = np.repeat(np.array([[10, 0], [30, 50]], dtype=np.uint8)[:, :, None], 3, axis=2)
    gap = np.array([[False, True], [False, False]])
    assert filled(pixels, gap)[:, :, 0].tolist() == [[10, 30], [30, 50]]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 10**6))
def test_known_pixels_stay_and_a_gap_lies_between_the_least_and_the_largest_of_them(
    height: int, width: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    gap = generator.random((height, width)) < 0.7
    gap.flat[generator.integers(gap.size)] = False
    result = filled(pixels, gap)
    np.testing.assert_array_equal(result[~gap], pixels[~gap])
    known = pixels[~gap].astype(float)
    assert (result >= known.min(0) - 1e-9).all()
    assert (result <= known.max(0) + 1e-9).all()


def test_what_is_behind_an_object_does_not_show_it() -> None:
    source = Planted(1)
    scene = cut_out(np.asarray(source.image(0)), source.where(0))
    np.testing.assert_allclose(scene.background, np.broadcast_to([240, 120, 120], (12, 12, 3)), atol=1e-9)
    np.testing.assert_array_equal(scene.image(), np.asarray(source.image(0)))
    assert scene.contrast(scene.background) == pytest.approx(160 - 20)


def test_a_blur_has_its_width_relative_to_the_shorter_side_and_keeps_the_mean() -> None:
    point = np.zeros((64, 96, 3))
    point[32, 48] = 255.0
    wide = blurred(np.repeat(np.repeat(point, 1, 0), 1, 1) + 0.0, 1 / 16)[:, :, 0]
    columns = np.arange(96) - 48
    share = wide.sum(0) / wide.sum()
    assert (share * columns**2).sum() ** 0.5 == pytest.approx(4, rel=0.15)  # grey levels are whole numbers


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes(limit(ClutteredDigits(length=300), 120, 0), {})


def test_a_donor_is_another_image_of_the_right_class_with_the_nearest_contrast_of_those_drawn(scenes: Scenes) -> None:
    plan = make_plan(scenes, KINDS, 1 / 8, seed=5)
    labels = scenes.source.labels
    own = {each.host: each.contrast for each in plan.unaltered}
    assert plan.least_contrast == min(own.values()) >= 70
    for each in plan.altered:
        assert each.contrast >= plan.least_contrast - 1e-6
        assert each.contrast == scenes[each.host].contrast(scenes.background(each, 1 / 8))
        if each.kind != "object-only":
            assert each.host != each.donor
            assert (labels[each.host] == labels[each.donor]) == (each.kind != "other-class-background")
    of_same = {each.host: each for each in plan.altered if each.kind == KINDS[0]}
    for host in list(of_same)[:30]:
        others = [index for index in range(len(labels)) if labels[index] == labels[host] and index != host]
        assert len(others) <= DONORS_DRAWN  # so that all were drawn, and the nearest is known
        contrasts = [scenes[host].contrast(scenes[other].background) for other in others]
        enough = [value for value in contrasts if value >= plan.least_contrast]
        assert abs(of_same[host].contrast - own[host]) == min(abs(value - own[host]) for value in enough)
    made = {kind: sum(each.kind == kind for each in plan.altered) for kind in KINDS}
    assert {kind: 120 - count for kind, count in made.items()} == plan.left_out


def test_contrasts_of_new_surroundings_are_those_of_the_own_ones_on_average(scenes: Scenes) -> None:
    plan = make_plan(scenes, KINDS[:2], 1 / 8, seed=0)
    own = {each.host: each.contrast for each in plan.unaltered}
    gained = [each.contrast - own[each.host] for each in plan.altered]
    assert abs(np.mean(gained)) < 5  # the first donor that grants the least contrast would gain 10


def test_donors_do_not_depend_on_the_order_of_images() -> None:
    digits = ClutteredDigits(length=60)
    mirrored = Subset(digits, np.arange(60)[::-1])

    def chosen(source: ClutteredDigits | Subset) -> dict[tuple[str, str], float]:
        plan = make_plan(Scenes(source, {}), KINDS, 1 / 8, seed=0)
        return {(source.ids[each.host], each.kind): round(each.contrast, 6) for each in plan.altered}

    assert chosen(digits).keys() == chosen(mirrored).keys()


def test_exchanged_clutter_leaves_photograph_and_digit(scenes: Scenes) -> None:
    host, donor = scenes[0], scenes[10]
    background = scenes.background(Altered(0, "clutter-exchanged", 10), 1 / 8)
    covered = np.zeros(background.shape[:2], dtype=bool)
    for sprite in donor.clutter:
        height, width = sprite.opacity.shape
        covered[sprite.top : sprite.top + height, sprite.left : sprite.left + width] |= sprite.opacity > 0
    np.testing.assert_array_equal(background[~covered], host.backdrop[~covered])
    np.testing.assert_array_equal(background, Scene(host.backdrop, donor.clutter, host.object, host.mask).background)
    assert (background[covered] != host.backdrop[covered]).any()


def test_the_control_fills_the_place_of_the_donors_object_in_its_own_background() -> None:
    class Moved(Planted):
        def where(self, index: int) -> np.ndarray:
            return np.roll(super().where(index), 3 if index else 0, axis=0)

    source = Moved(4)
    scenes = Scenes(source, {})
    plan = make_plan(scenes, KINDS[:1], 1 / 8, 0)
    (control,) = (each for each in plan.altered if (each.host, each.kind) == (0, "pasted-back"))
    assert control.donor == 3
    noisy = np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    scenes._held[0] = cut_out(noisy, source.where(0))
    pasted = scenes[0].on(scenes.background(control, 1 / 8))
    filled_again = source.where(3) & ~source.where(0)
    np.testing.assert_array_equal(pasted[~filled_again], noisy[~filled_again])
    expected = filled(noisy, source.where(0) | source.where(3))[filled_again]
    np.testing.assert_array_equal(pasted[filled_again], np.rint(expected))


def test_few_scenes_are_held_where_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autola_analysis.analyses.context.scenes.HELD_BYTES", 3 * 3 * 32 * 32 * 8 * 4)
    scenes = Scenes(ClutteredDigits(length=30), {})
    for index in range(30):
        np.testing.assert_array_equal(scenes[index].image(), np.asarray(scenes.source.image(index)))
    assert len(scenes._held) <= 5
