"""People as images whose objects are their joints."""

import numpy as np
import pytest

from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import Objects
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.joint_crops import JointCrops
from autola_analysis.data.person_crops import PersonCrops
from tests.analyses.evaluate.keypoints.planted import JOINTS, Dots

SIZE = (64, 64)


class Hidden(Dots):
    """Dots whose first head lies outside of its crop, and whose first left hand is hidden."""

    def objects(self, index: int) -> Objects:
        found = super().objects(index)
        if index == 0:
            found.keypoints[0, 0, :2] = 130, 85
            found.keypoints[0, 1, 2] = 1
        return found


def test_an_object_is_a_pixel_at_every_joint_that_shows() -> None:
    crops, people = JointCrops(Dots(), SIZE), PersonCrops(Dots(), SIZE)
    assert crops.classes == JOINTS.names
    for person in range(len(people)):
        keypoints = people.objects(person).keypoints[0]
        found, shown = crops.objects(person), np.flatnonzero(keypoints[:, 2])
        assert found.labels.tolist() == shown.tolist()
        np.testing.assert_allclose(found.boxes[:, :2] + 0.5, keypoints[shown, :2] + 0.5, atol=1e-9)
        np.testing.assert_allclose(found.boxes[:, 2:] - found.boxes[:, :2], 1)
        np.testing.assert_allclose(found.areas, 51.0**2)
        assert crops.object_mask(person, 0) is None
    assert len(crops) == len(people) == 6


def test_hidden_joints_and_those_outside_of_the_crop_are_left_out() -> None:
    crops = JointCrops(Hidden(), SIZE)
    assert [crops.objects(person).labels.tolist() for person in (0, 1)] == [[2], [0, 1, 2]]


def test_data_without_joints_are_refused() -> None:
    with pytest.raises(DataError, match="have no joints; give data with joints"):
        JointCrops(ClutteredScenes("test", 1), SIZE)
