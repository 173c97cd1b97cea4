"""The area under the ROC curve of units: against scikit-learn, with the class chosen elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from autola_analysis.analyses.selectivity.auc import unit_auc
from autola_analysis.analyses.selectivity.labelings import image_folds
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.core.errors import OptionError
from tests.analyses.selectivity.test_measure import PLAIN, class_sorted, stored
from tests.inference.networks import Tiny


def expected_areas(activity: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the areas of live units with the class chosen on the images outside each fold."""
    areas = []
    for fold in range(folds.max() + 1):
        outside, inside = folds != fold, folds == fold
        means = [activity[outside & (labels == label)].mean(0) for label in np.unique(labels)]
        chosen = np.unique(labels)[np.argmax(means, axis=0)]
        areas.append([roc_auc_score(labels[inside] == c, activity[inside, k]) for k, c in enumerate(chosen)])
    return np.mean(areas, axis=0)


@pytest.mark.parametrize("batch_size", [7, 60])
def test_areas_are_those_of_scikit_learn_fold_by_fold(batch_size: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    data, model = class_sorted((20, 15, 25)), Tiny()
    reading = replace(PLAIN, batch_size=batch_size, cache=tmp_path)
    with torch.no_grad():
        model.layer2[1].weight[3] = 0  # a unit that never fires
        model.layer2[1].bias[3] = -1
    activations, labels = stored(model, data, "layer2")
    activity = activations.mean((2, 3))
    live = (activity > 0).any(axis=0)
    assert live.sum() > 3
    expected = expected_areas(activity[:, live], labels, image_folds(labels, 5, 0))
    for _ in range(2):  # the second time from the cache
        found = measure_selectivity(model, data, reading=reading, folds=5, auc=True)
        areas = found.units.query("layer == 'layer2'")["auc"].to_numpy()
        np.testing.assert_allclose(areas[live], expected, rtol=0, atol=1e-12)
        assert np.isnan(areas[~live]).all()
        assert not live[3]
        assert found.settings["auc"]


def test_ties_count_half_and_the_class_of_a_fold_is_the_one_chosen_outside_it() -> None:
    activity = np.array([[0, 0, 0], [0, 1, 0], [1, 2, 0], [0, 0, 0], [0, 0, 0], [5, 0, 0]], dtype=np.float32)
    labels, folds = np.array([0, 0, 1, 0, 0, 1]), np.array([0, 0, 0, 1, 1, 1])
    preferred = np.array([[1, 0, -1], [1, -1, -1]])
    # Unit 1: in fold 0 class 0 has 0 and 1, class 1 has 2: no pair is in order; its other fold has no class.
    np.testing.assert_array_equal(unit_auc(activity, labels, folds, preferred), [1.0, 0.0, np.nan])
    np.testing.assert_array_equal(unit_auc(np.zeros((6, 1), np.float32), labels, folds, np.array([[0], [1]])), [0.5])


@given(st.integers(0, 1000), st.sampled_from([0.25, 4.0]))
def test_areas_lie_between_0_and_1_and_do_not_depend_on_scale_or_order(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    activity = generator.gamma(1, size=(24, 3)).astype(np.float32)
    labels = np.tile(np.arange(3), 8)
    folds, preferred = image_folds(labels, 4, seed), generator.integers(3, size=(4, 3))
    areas = unit_auc(activity, labels, folds, preferred)
    assert ((areas >= 0) & (areas <= 1)).all()
    order = generator.permutation(24)
    np.testing.assert_allclose(unit_auc(scale * activity[order], labels[order], folds[order], preferred), areas)


def test_areas_are_measured_after_rectification_where_it_is_asked_for() -> None:
    data, model = class_sorted((20, 15, 25)), Tiny()
    options = {"folds": 5, "auc": True, "reading": PLAIN}
    rectified = measure_selectivity(model, data, layers=["layer1.1"], rectify=True, **options)
    after = measure_selectivity(model, data, layers=["layer1.2"], **options)
    np.testing.assert_allclose(rectified.units["auc"], after.units["auc"], atol=1e-6)


def test_areas_are_missing_unless_asked_for_and_where_there_are_no_folds() -> None:
    assert measure_selectivity(Tiny(), class_sorted((20, 15)), reading=PLAIN).units["auc"].isna().all()
    single = measure_selectivity(Tiny(), class_sorted((20, 1)), auc=True, reading=PLAIN)
    assert single.units["auc"].isna().all()
    assert any("a class with a single image" in warning for warning in single.warnings)
    with pytest.raises(OptionError, match=r"auc chooses the preferred class .* found folds = 1"):
        measure_selectivity(Tiny(), class_sorted((20, 15)), auc=True, folds=1, reading=PLAIN)
