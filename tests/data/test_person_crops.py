"""Crops of people: the map by hand, its inverse, pixels and joints that stay together, mirroring."""

import numpy as np
import pytest
from PIL import Image

from autola_analysis.core.affine import Affine
from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import JointSet, Objects
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.person_crops import PersonCrops, crop_map, exchanged, mirrored_crop_map, warped
from autola_analysis.data.puppet import JOINTS

SIZE = (128, 96)


def reference_map(middle, across, size, degrees) -> np.ndarray:
    """The affine map through three points, as the code of SimpleBaseline finds it."""
    height, width = size
    angle = np.deg2rad(degrees)
    up = np.array([across / 2 * np.sin(angle), -across / 2 * np.cos(angle)])

    def third(first, second):
        apart = first - second
        return second + np.array([-apart[1], apart[0]])

    source = [middle, middle + up]
    target = [np.array([width / 2, height / 2]), np.array([width / 2, height / 2 - width / 2])]
    source.append(third(*source))
    target.append(third(*target))
    equations = np.concatenate([np.array(source), np.ones((3, 1))], 1)
    return np.linalg.solve(equations, np.array(target)).T


@pytest.mark.parametrize(
    "box",
    [(20, 10, 60, 90), (10, 30, 90, 40)],  # a high box is widened, a wide one heightened
)
@pytest.mark.parametrize(("zoom", "degrees"), [(1.0, 0.0), (0.8, 35.0), (1.3, -80.0)])
def test_the_map_is_that_of_the_reference(box, zoom, degrees) -> None:
    found = crop_map(np.array(box, dtype=float), (120, 100), SIZE, zoom, degrees)
    x1, y1, x2, y2 = box
    across = max(x2 - 1 - x1, (y2 - 1 - y1) * 96 / 128)
    middle = np.array([(x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2])
    np.testing.assert_allclose(found.matrix, reference_map(middle, across * 1.25 * zoom, SIZE, degrees), atol=1e-12)


def test_a_map_by_hand() -> None:
    """A box of 61 x 81 pixels, aspect 3:4 in index coordinates: 60 x 80, with its margin 75 x 100, to 96 x 128."""
    found = crop_map(np.array([10.0, 20, 71, 101]), (200, 200), SIZE)
    np.testing.assert_allclose(found.matrix, [[1.28, 0, 48 - 40 * 1.28], [0, 1.28, 64 - 60 * 1.28]], atol=1e-12)
    assert found.scale == pytest.approx(1.28)
    np.testing.assert_allclose(found.inverse()(found(np.array([[3.0, 4.0]]))), [[3, 4]], atol=1e-12)


def test_boxes_are_cut_to_their_image() -> None:
    out, cut = (crop_map(np.array(box, dtype=float), (50, 60), SIZE) for box in ([-5, -9, 70, 80], [0, 0, 60, 50]))
    np.testing.assert_array_equal(out.matrix, cut.matrix)


def test_pixels_lie_where_the_map_says() -> None:
    """A bright pixel comes out around the mapped point; whole shifts copy pixels; outside is black."""
    pixels = np.zeros((40, 50), dtype=np.uint8)
    pixels[17, 23] = 255
    place = Affine(np.array([[2.5, 0, -10.0], [0, 2.5, -7.5]]))
    crop = np.asarray(warped(Image.fromarray(pixels), place, (90, 110)), dtype=float)
    rows, columns = np.mgrid[:90, :110]
    centre = [(crop * each).sum() / crop.sum() for each in (columns, rows)]
    np.testing.assert_allclose(centre, place(np.array([23.0, 17.0])), atol=0.05)
    noise = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    moved = np.asarray(warped(Image.fromarray(noise), Affine(np.array([[1.0, 0, 3], [0, 1, -2]])), (40, 50)))
    np.testing.assert_array_equal(moved[:38, 3:], noise[2:, :47])
    assert not moved[:, :2].any()


def test_joints_stay_on_their_figure() -> None:
    crops = PersonCrops(DigitPuppets("test", 12), SIZE)
    on = []
    for index in range(len(crops)):
        person, mask = crops.objects(index), crops.object_mask(index, 0)
        assert crops.image(index).size == (96, 128)
        visible = person.keypoints[0, person.keypoints[0, :, 2] == 2, :2]
        inside = ((visible >= 0) & (visible <= [95, 127])).all(1)
        x, y = np.rint(visible[inside]).astype(int).T
        on += mask[y, x].tolist()
        x1, y1, x2, y2 = person.boxes[0]
        assert max((x2 - x1) / 96, (y2 - y1) / 128) == pytest.approx(0.8, abs=0.02)
        assert mask.sum() == pytest.approx(person.areas[0], rel=0.05)
    assert np.mean(on) > 0.98  # the nearest pixel of the crop may lie beside a joint at the edge of its figure


def test_the_way_back_gives_the_annotated_joints() -> None:
    source = DigitPuppets("test", 5)
    crops = PersonCrops(source, SIZE)
    for index, (image, number) in enumerate(crops.places):
        keypoints, truth = crops.objects(index).keypoints[0], source.objects(image).keypoints[number]
        labelled = truth[:, 2] > 0
        back = crops.maps[index].inverse()(keypoints[labelled, :2])
        np.testing.assert_allclose(back, truth[labelled, :2], atol=1e-9)
        np.testing.assert_array_equal(keypoints[~labelled], 0)
    assert crops.ids[0] == "test/000000#1"


class Some(ObjectSource):
    """One image: a crowd, a person without labelled joints, and one with a single one."""

    name, split, classes, category_ids = "some", "test", ("person",), (1,)
    joints = JointSet(("a", "left b", "right b"), ((1, 2),))
    ids, image_ids, sizes = ["one"], np.array([1]), np.array([[30, 20]])

    def image(self, index: int) -> Image.Image:
        return Image.new("L", (30, 20), 200)

    def objects(self, index: int) -> Objects:
        keypoints = np.zeros((3, 3, 3))
        keypoints[[0, 2], 1] = [5, 6, 1]
        boxes = np.tile([2.0, 3, 12, 15], (3, 1))
        return Objects(
            boxes, np.zeros(3, np.int64), np.ones(3), np.array([True, False, False]), np.arange(3) + 7, keypoints
        )

    def object_mask(self, index: int, number: int) -> None:
        return None

    def fingerprint(self) -> str:
        return "some"


def test_crowds_and_people_without_joints_are_left_out() -> None:
    crops = PersonCrops(Some(), SIZE)
    assert crops.ids == ["one#9"]
    assert crops.image(0).mode == "RGB"
    assert crops.object_mask(0, 0) is None
    assert len({PersonCrops(Some(), size).fingerprint() for size in (SIZE, (96, 128))}) == 2


def test_data_without_joints_are_refused() -> None:
    with pytest.raises(DataError, match="the objects of cluttered-scenes have no joints"):
        PersonCrops(ClutteredScenes("test", 1), SIZE)
    nobody = Some()
    nobody.objects = lambda index: Objects(  # type: ignore[method-assign]
        np.ones((0, 4)), np.empty(0, np.int64), np.ones(0), np.empty(0, np.bool_), np.empty(0, np.int64),
        np.empty((0, 3, 3)),
    )  # fmt: skip
    with pytest.raises(DataError, match="nobody in some has a labelled joint"):
        PersonCrops(nobody, SIZE)


def test_a_mirrored_crop_is_the_crop_of_the_mirrored_image() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 81, 3)).astype(np.uint8)
    box = np.array([20.0, 12, 47, 49])
    mirrored = np.array([81 - 47, 12.0, 81 - 20, 49])
    one = warped(Image.fromarray(pixels), mirrored_crop_map(box, (60, 81), SIZE, 0.9, 20), SIZE)
    other = warped(Image.fromarray(pixels[:, ::-1].copy()), crop_map(mirrored, (60, 81), SIZE, 0.9, 20), SIZE)
    assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1  # sampled from the other side
    straight = mirrored_crop_map(box, (60, 81), SIZE)(np.array([[33.0, 30.0]]))
    np.testing.assert_allclose(straight, crop_map(box, (60, 81), SIZE)(np.array([[33.0, 30.0]])))  # its middle


def test_left_and_right_are_exchanged_by_name() -> None:
    keypoints = np.arange(27.0).reshape(9, 3)
    found = exchanged(keypoints, JOINTS)
    assert found[:, 0].tolist() == [0, 6, 3, 12, 9, 18, 15, 24, 21]
    np.testing.assert_array_equal(exchanged(found, JOINTS), keypoints)
