"""Ways to read joints from heat maps, compared on the exact maps of puppets."""

import numpy as np
import pytest
import torch

from autola_analysis.analyses.evaluate.keypoints.numbers import KeypointNumbers, error_of
from autola_analysis.analyses.evaluate.keypoints.people import People
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.person_crops import PersonCrops
from autola_analysis.detectors.heat_maps import encode_joints
from autola_analysis.detectors.joint_decoding import JOINT_DECODINGS
from autola_analysis.inference.tasks.coco_metrics import CocoMatches
from autola_analysis.statistics.resampled import resampled_interval

CELL = 4.0
"""Pixels of the crop"""
OF_QUARTER = 0.124
"""Mean error per axis, in cells, of a maximum that is moved by a quarter of a cell"""


def numbers(crops: PersonCrops, decoding: str) -> KeypointNumbers:
    keypoints = np.concatenate([crops.objects(person).keypoints for person in range(len(crops))])
    joints = torch.from_numpy(keypoints[..., :2])
    inside = ((joints >= 2 * CELL) & (joints < torch.tensor([96, 128]) - 3 * CELL)).all(-1)  # away from the border
    maps, _ = encode_joints(joints, torch.from_numpy(keypoints[..., 2] > 0) & inside, (32, 24), ratio=CELL)
    found, scores = JOINT_DECODINGS[decoding].joints(maps)
    pixels = torch.where(inside[..., None], found * CELL, joints).numpy()
    people = People.of(crops, pixels, scores.numpy(), crops.joints.sigmas)
    matches = CocoMatches.of(people.per_image(crops), crops.people, 1, crops.joints.sigmas)
    return KeypointNumbers.of(matches, people, crops.people, crops.joints.sigmas, 0)


def test_the_second_order_finds_joints_exactly_and_a_quarter_of_a_cell_does_not() -> None:
    crops = PersonCrops(DigitPuppets("test", 25), (128, 96))
    quarter, subpixel = (numbers(crops, name) for name in ("quarter", "subpixel"))
    # What is left comes from maps whose filter reaches over the border.
    assert error_of([subpixel], -1).values[0] < 0.06 * error_of([quarter], -1).values[0]
    zoom = np.mean([place.scale for place in crops.maps])
    both_axes = 1.1 * np.sqrt(2) * OF_QUARTER * CELL / zoom  # the length of both, a little above that of their means
    assert error_of([quarter], -1).values[0] == pytest.approx(both_axes, rel=0.15)
    low, high = resampled_interval([error_of([quarter], -1), error_of([subpixel], -1).negative()])
    assert 0.3 < low < high < 1.2
