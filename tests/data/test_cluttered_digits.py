"""ClutteredDigits: what its docstring promises of every image."""

from itertools import product

import numpy as np
import pytest

from autola_analysis.core.errors import OptionError
from autola_analysis.data import ClutteredDigits, cluttered_digits
from autola_analysis.data.cluttered_digits import SPLITS, Split, make_image, make_scene

SIZES = (32, 64)


def test_image_is_a_pure_function_of_seed_split_and_index() -> None:
    short, long = ClutteredDigits(length=20), ClutteredDigits(length=500)
    later = [np.asarray(long.image(i)) for i in (17, 3)]
    earlier = [np.asarray(short.image(i)) for i in (3, 17)]
    np.testing.assert_array_equal(later, earlier[::-1])


def test_image_and_mask_are_of_one_drawing() -> None:
    source = ClutteredDigits(length=5)
    item = source.item(4)
    np.testing.assert_array_equal(np.asarray(source.image(4)), item.pixels)
    np.testing.assert_array_equal(source.mask(4), item.mask)


def test_seed_split_and_index_each_change_the_image() -> None:
    images = [make_image(seed, split, index).pixels for seed, split, index in product((0, 1), SPLITS, (0, 10))]
    assert len({image.tobytes() for image in images}) == 8


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  it is the global state that is meant
    make_image(0, "test", 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_splits_share_no_digit_scan() -> None:
    train, test = (
        {scan.tobytes() for scan in cluttered_digits.scans("train")[0]},
        {scan.tobytes() for scan in cluttered_digits.scans("test")[0]},
    )
    assert len(train) + len(test) == 1797
    assert not train & test
    assert len(test) == 359


def test_splits_share_no_photograph_area() -> None:
    from sklearn.datasets import load_sample_images

    for position, whole in enumerate(load_sample_images().images):
        halves = [np.asarray(cluttered_digits.photographs(split)[position]) for split in ("train", "test")]
        np.testing.assert_array_equal(np.concatenate(halves, axis=1), whole)


@pytest.mark.parametrize(("split", "size"), list(product(SPLITS, SIZES)))
class TestTheDigit:
    @pytest.fixture
    def drawings(self, split: Split, size: int) -> list[dict[str, np.ndarray]]:
        """Forty images with the canvas as it was before the digit."""
        drawings = []
        for index in range(40):
            item, scene = make_image(0, split, index, size), make_scene(0, split, index, size)
            digit, weight = scene.object, np.zeros((size, size))
            weight[digit.top :, digit.left :][: len(digit.opacity), : len(digit.opacity)] = digit.opacity
            drawing = {"before": scene.background, "weight": weight, "colour": digit.colours}
            drawings.append({**drawing, "pixels": item.pixels, "mask": item.mask})
        return drawings

    def test_mask_is_where_ink_covers_at_least_half(self, drawings: list[dict[str, np.ndarray]], size: int) -> None:
        for drawing in drawings:
            assert drawing["mask"].shape == (size, size)
            assert drawing["mask"].any()
            np.testing.assert_array_equal(drawing["mask"], drawing["weight"] >= 0.5)

    def test_colour_stands_out_from_the_patch_it_covers(self, drawings: list[dict[str, np.ndarray]]) -> None:
        for drawing in drawings:
            covered = drawing["before"][drawing["mask"]].mean()
            assert abs(drawing["colour"].mean() - covered) >= 70

    def test_pixels_under_the_mask_are_recoloured_and_those_without_ink_are_not(
        self, drawings: list[dict[str, np.ndarray]]
    ) -> None:
        for drawing in drawings:
            before, pixels, colour = drawing["before"], drawing["pixels"], drawing["colour"]
            weight = drawing["weight"][:, :, None]
            np.testing.assert_allclose(pixels, before + weight * (colour - before), atol=0.5001)
            np.testing.assert_array_equal(pixels[weight[:, :, 0] == 0], np.rint(before[weight[:, :, 0] == 0]))
            shift = pixels[drawing["mask"]].mean() - before[drawing["mask"]].mean()
            assert abs(shift) > 35  # at least half of 70: the mask begins at half ink


@pytest.mark.parametrize("size", SIZES)
def test_objects_scale_with_the_image(size: int) -> None:
    shares = [ClutteredDigits(length=100, size=size).item(i).mask.mean() for i in range(100)]
    assert np.mean(shares) == pytest.approx(0.092, abs=0.02)


@pytest.mark.parametrize(
    ("split", "mean", "std", "mask_pixels"),
    [
        ("test", (105.57, 111.82, 105.33), (77.01, 61.73, 66.51), [115, 89, 132, 175, 104, 66]),
        ("train", (81.63, 91.85, 84.26), (70.54, 55.42, 60.70), [67, 109, 161, 69, 100, 172]),
    ],
)
def test_pixels_are_those_of_version_1(
    split: Split, mean: tuple[float, ...], std: tuple[float, ...], mask_pixels: list[int]
) -> None:
    """Not a hash: decoding a photograph and resampling may round otherwise in another library version.

    Where this fails for good reason (numpy's generators or the drawing changed), raise `cluttered_digits.VERSION`.
    """
    items = [ClutteredDigits(split).item(index) for index in range(50)]
    pixels = np.stack([item.pixels for item in items]).astype(np.float64)
    np.testing.assert_allclose(pixels.mean((0, 1, 2)), mean, atol=0.1)
    np.testing.assert_allclose(pixels.std((0, 1, 2)), std, atol=0.1)
    np.testing.assert_allclose([item.mask.sum() for item in items[:6]], mask_pixels, atol=2)
    assert cluttered_digits.VERSION == 1


def test_labels_are_balanced_and_take_turns() -> None:
    source = ClutteredDigits("train")
    assert len(source) == 12_000
    assert np.bincount(source.labels).tolist() == [1200] * 10
    assert [source.item(i).label for i in range(12)] == source.labels[:12].tolist()
    assert len(ClutteredDigits("test")) == 2_000


def test_ids_are_unique() -> None:
    assert len(set(ClutteredDigits().ids)) == 2_000


def test_fingerprint_changes_with_everything_the_pixels_depend_on() -> None:
    sources = [
        ClutteredDigits(length=10),
        ClutteredDigits(length=11),
        ClutteredDigits("train", length=10),
        ClutteredDigits(length=10, seed=1),
        ClutteredDigits(length=10, size=64),
    ]
    assert len({source.fingerprint() for source in sources}) == 5
    assert ClutteredDigits(length=10).fingerprint() == sources[0].fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, "splits train and test; found 'val'"),
        ({"length": 0}, "length >= 1"),
        ({"size": 8}, "size >= 16"),
    ],
)
def test_impossible_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ClutteredDigits(**options)
