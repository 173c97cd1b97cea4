"""digit-puppets: a function of seed, split and index; joints where the figures are; the way through COCO's format."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.coco_export import export_coco
from autola_analysis.data.digit_puppets import DigitPuppets, make_puppet_scene
from autola_analysis.data.embedded_scenes import box_of
from autola_analysis.data.open_objects import open_objects
from autola_analysis.data.puppet import ELBOW, FOOT, HAND, HEAD, JOINTS, KNEE, draw_pose

IMAGES = 60


@pytest.fixture(scope="module")
def source() -> DigitPuppets:
    return DigitPuppets("train", IMAGES)


def test_a_scene_is_a_function_of_seed_split_and_index(source: DigitPuppets) -> None:
    before = np.asarray(source.image(1))
    make_puppet_scene.cache_clear()
    again = DigitPuppets("train", 2)
    again.image(0)
    assert np.array_equal(np.asarray(again.image(1)), before)
    assert np.array_equal(again.objects(1).keypoints, source.objects(1).keypoints)
    others = [DigitPuppets("test", 2), DigitPuppets("train", 2, seed=1)]
    assert not any(np.array_equal(np.asarray(each.image(1)), before) for each in others)
    assert len({each.fingerprint() for each in (*others, again, source)}) == 4


def test_joints_are_where_the_figure_is(source: DigitPuppets) -> None:
    seen = np.zeros(3, dtype=int)
    for index in range(IMAGES):
        objects = source.objects(index)
        assert 1 <= len(objects) <= 2
        for number, keypoints in enumerate(objects.keypoints):
            mask = source.object_mask(index, number)
            assert np.array_equal(objects.boxes[number], box_of(mask))
            assert objects.areas[number] == mask.sum()
            x, y = np.rint(keypoints[:, :2]).astype(int).T
            visible, hidden, unlabelled = (keypoints[:, 2] == each for each in (2, 1, 0))
            assert mask[y[visible], x[visible]].all()
            assert not mask[y[hidden], x[hidden]].any()
            assert (keypoints[unlabelled] == 0).all()
            seen += [unlabelled.sum(), hidden.sum(), visible.sum()]
    assert seen[0] > 0
    assert 0.02 < seen[1] / seen.sum() < 0.2


def test_left_and_right_show_only_together_with_the_head() -> None:
    """Who faces us has his left on the image's right; the joints of limbs hang together at their lengths."""
    generator = np.random.default_rng(0)
    facing = []
    for _ in range(200):
        pose = draw_pose((192, 160), generator)
        left, right = pose.shoulders
        assert (left[0] > right[0]) == pose.facing == (pose.hips[0, 0] > pose.hips[1, 0])
        facing.append(pose.facing)
        for side in range(2):
            upper = np.linalg.norm(pose.joints[ELBOW + side] - pose.shoulders[side]) / pose.height
            thigh = np.linalg.norm(pose.joints[KNEE + side] - pose.hips[side]) / pose.height
            assert 0.17 * 0.85 <= upper <= 0.17 * 1.15
            assert 0.21 * 0.85 <= thigh <= 0.21 * 1.15
            assert np.linalg.norm(pose.joints[HAND + side] - pose.joints[ELBOW + side]) < 0.17 * 1.15 * 130 + 1
        ends = pose.joints[[HEAD, HAND, HAND + 1, FOOT, FOOT + 1]]
        assert (ends == np.rint(ends)).all()
    assert 70 < sum(facing) < 130


def test_mirrored_figures_are_drawn_as_often_as_their_originals() -> None:
    """Exchange left and right and mirror: no statistic of the hands tells one from the other."""
    generator = np.random.default_rng(1)
    poses = [draw_pose((192, 160), generator) for _ in range(4000)]
    for facing in (True, False):
        hands = np.array([pose.joints[HAND : HAND + 2] - pose.neck for pose in poses if pose.facing is facing])
        left, right = hands[:, 0], hands[:, 1] * [-1, 1]
        spread = hands.std() * np.sqrt(2 / len(hands))
        assert np.abs(left.mean(0) - right.mean(0)).max() < 4 * spread
        assert (left.mean(0)[0] > 0) == facing


def test_left_and_right_are_names_that_mirroring_exchanges() -> None:
    for left, right in JOINTS.pairs:
        assert JOINTS.names[left].replace("left", "right") == JOINTS.names[right]
    assert JOINTS.names[HEAD] == "head"
    numbered = [ELBOW, HAND, KNEE, FOOT]
    assert [JOINTS.names[each] for each in numbered] == ["left_elbow", "left_hand", "left_knee", "left_foot"]


def test_the_way_through_cocos_format_keeps_everything(tmp_path: Path) -> None:
    small = DigitPuppets("train", 3)
    again = CocoObjects(export_coco(small, tmp_path))
    assert again.classes == small.classes
    assert asdict(again.joints) == asdict(small.joints)
    for index in range(3):
        assert np.array_equal(np.asarray(again.image(index)), np.asarray(small.image(index)))
        one, other = again.objects(index), small.objects(index)
        for name in ("boxes", "labels", "areas", "crowd", "ids", "keypoints"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        for number in range(len(one)):
            assert np.array_equal(again.object_mask(index, number), small.object_mask(index, number))


def test_sigmas_of_another_number_of_joints_are_refused(tmp_path: Path) -> None:
    path = export_coco(DigitPuppets("train", 1), tmp_path)
    text = path.read_text()
    path.write_text(text.replace('"sigmas": [0.07, ', '"sigmas": ['))
    with pytest.raises(DataError, match="8 sigmas for 9 joints"):
        CocoObjects(path)


@pytest.mark.parametrize(("split", "length", "message"), [("val", None, "train and test"), ("test", 0, "length >= 1")])
def test_impossible_puppets_are_refused(split: str, length: int | None, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        DigitPuppets(split, length)


def test_puppets_are_opened_by_name() -> None:
    source = open_objects("digit-puppets")
    assert (source.name, source.split, len(source)) == ("digit-puppets", "test", 700)
    with pytest.raises(OptionError, match="takes no path"):
        open_objects("digit-puppets:there")
