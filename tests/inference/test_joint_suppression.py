"""People who were found twice, against a loop written from the definition; the task of networks for joints."""

import numpy as np
import pytest
import torch

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.inference.tasks import Keypoints
from autola_analysis.inference.tasks.joint_suppression import person_scores, suppress_people, suppress_softly

SIGMAS = (0.05, 0.1, 0.07)


def naive(joints, scores, areas, limit: float) -> list[int]:
    left, kept = sorted(range(len(scores)), key=lambda number: -scores[number]), []
    while left:
        best = left.pop(0)
        kept.append(best)
        remaining = []
        for other in left:
            area = (areas[best] + areas[other]) / 2
            terms = [
                np.exp(-sum((joints[best, j] - joints[other, j]) ** 2) / (2 * area * (2 * SIGMAS[j]) ** 2))
                for j in range(3)
            ]
            if np.mean(terms) <= limit:
                remaining.append(other)
        left = remaining
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_the_kept_are_those_of_the_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    joints = generator.normal(0, 4, (12, 3, 2)) + generator.choice([0.0, 30.0], (12, 1, 1))
    scores, areas = generator.random(12), generator.uniform(500, 2000, 12)
    kept = suppress_people(joints, scores, areas, SIGMAS, 0.6).tolist()
    assert kept == naive(joints, scores, areas, 0.6)
    assert 2 <= len(kept) < 12


def test_nobody_goes_who_is_alone_and_a_copy_does() -> None:
    joints = np.array([[[0.0, 0]] * 3, [[0.0, 0]] * 3, [[90.0, 0]] * 3])
    assert suppress_people(joints, np.array([0.5, 0.7, 0.1]), np.full(3, 400.0), SIGMAS).tolist() == [1, 2]
    assert suppress_people(joints[:0], np.empty(0), np.empty(0), SIGMAS).tolist() == []


def test_a_person_is_as_sure_as_the_joints_above_a_fifth() -> None:
    joints = np.array([[0.9, 0.5, 0.2], [0.1, 0.1, 0.0]])
    np.testing.assert_allclose(person_scores(joints), [0.7, 0])
    np.testing.assert_allclose(person_scores(joints, np.array([0.5, 1.0])), [0.35, 0])


def test_heat_maps_are_checked_and_held_to_those_of_an_image_alone() -> None:
    task, maps = Keypoints(), torch.rand(2, 3, 4, 5)
    task.check(maps, 2)
    for bad in (maps[0], maps[:1], [maps]):
        with pytest.raises(DataError, match=r"must put out heat maps \(2, joints, h, w\)"):
            task.check(bad, 2)
    broken = maps.clone()
    broken[1, 2, 0, 0] = float("nan")
    assert task.finite(broken).tolist() == [True, False]
    assert task.same(maps, maps + 1e-7)
    assert not task.same(maps, maps + 0.1)
    assert not task.depends_on_batch(maps[:1], maps)
    assert task.depends_on_batch(maps[:1] + 0.1, maps)
    with pytest.raises(OptionError, match="explain the cell of a joint instead"):
        task.score()


def test_scores_decay_by_the_likeness_to_surer_people() -> None:
    generator = np.random.default_rng(0)
    joints, scores = generator.uniform(0, 12, (25, 3, 2)), generator.uniform(0, 1, 25)
    areas = generator.uniform(200, 600, 25)
    left, expected = dict(enumerate(scores.tolist())), []
    while left and len(expected) < 20:
        surest = max(left, key=left.__getitem__)
        expected.append((surest, left.pop(surest)))
        for other in left:
            distance = ((joints[surest] - joints[other]) ** 2).sum(-1)
            area = (areas[surest] + areas[other]) / 2
            likeness = np.mean(np.exp(-distance / (2 * area * (2 * np.array(SIGMAS)) ** 2)))
            left[other] *= np.exp(-(likeness**2) / 0.9)
    numbers, decayed = suppress_softly(joints, scores, areas, SIGMAS)
    assert numbers.tolist() == [number for number, _ in expected]
    np.testing.assert_allclose(decayed, [score for _, score in expected], rtol=1e-12)
    assert suppress_softly(joints[:0], scores[:0], areas[:0], SIGMAS)[0].tolist() == []
