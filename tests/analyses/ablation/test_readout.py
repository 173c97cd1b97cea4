"""Ablation by arithmetic: against forwards with hooks, and planted truths."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from autola_analysis.analyses.ablation.orders import Orders, ablated_units, area_weights, stratified_folds
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from tests.analyses.ablation.planted import (
    READING,
    Planted,
    ablated,
    drawn,
    images_of,
    random_head,
    right_with_units_off,
)
from tests.inference.networks import Tiny

STEPS = 5


def network_and_images() -> tuple[nn.Module, TensorDataset]:
    torch.manual_seed(3)
    model = Tiny(4).eval()
    images = torch.randn(40, 3, 8, 8) * 2 * torch.rand(40, 3, 1, 1)
    with torch.no_grad():  # labels that the network gets right more often than not, of all classes
        model.fc.bias -= model(images).mean(0) + torch.tensor([0.02, -0.01, 0.01, -0.03])  # no tie at the mean
        labels = torch.where(torch.rand(40) < 0.7, model(images).argmax(1), torch.randint(4, (40,)))
    dataset = TensorDataset(images, labels)
    dataset.classes = list("abcd")
    return model, dataset


@pytest.mark.parametrize("value", ["zero", "mean"])
def test_the_arithmetic_equals_a_forward_with_a_hook_for_every_step(value: str) -> None:
    model, dataset = network_and_images()
    result = ablated(model, dataset, value=value, steps=STEPS, seed=5)
    intact = right_with_units_off(model, "layer2", dataset, [], value)
    assert 0.3 < intact.mean() < 1
    for unit, row in result.units.iterrows():
        without = right_with_units_off(model, "layer2", dataset, [int(unit)], value)
        assert (row["lost"], row["gained"]) == ((intact & ~without).sum(), (without & ~intact).sum())
        assert row["drop"] == pytest.approx(intact.mean() - without.mean(), abs=1e-12)
    selectivity = result.units["selectivity"].to_numpy()
    orders = Orders.draw(selectivity, 10, 5)
    counts = ablated_units(len(orders.selective), STEPS)
    found = np.stack(
        [
            [right_with_units_off(model, "layer2", dataset, order[:off].tolist(), value) for off in counts]
            for order in orders.all
        ]
    )  # (orders, steps, images)
    np.testing.assert_array_equal(result.curves.fixed, found[:2].swapaxes(1, 2))
    np.testing.assert_array_equal(result.curves.random, found[2:].sum(axis=0).T)
    np.testing.assert_array_equal(result.curves.totals, found.sum(axis=2))
    assert result.units["drop"].abs().max() > 0.02


def test_a_unit_that_the_head_does_not_read_has_no_effect_at_all() -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    weight[:, 2] = 0
    for value in ("zero", "mean"):
        result = ablated(Planted(weight, bias), images_of(units, labels, 4), value=value)
        assert result.units.loc[2, ["drop", "lost", "gained"]].tolist() == [0, 0, 0]
        assert (result.units["lost"] + result.units["gained"]).drop(index=2).gt(0).all()


@pytest.mark.parametrize(("value", "share"), [("zero", 12 / 24), ("mean", 8 / 24)])
def test_without_the_only_unit_that_is_read_the_network_predicts_one_class(value: str, share: float) -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2] * 4)
    units = torch.rand(24, 5, generator=torch.Generator().manual_seed(0))
    units[:, 3] = labels.float()  # class 0 has the highest logit at 0, class 1 at the mean of 2/3
    weight = torch.zeros(3, 5)
    weight[:, 3] = torch.arange(3)
    model = Planted(weight, torch.tensor([0.0, -0.5, -2.0]))
    result = ablated(model, images_of(units, labels, 3), value=value)
    assert result.curves.fixed[:, :, 0].all()
    assert result.units.loc[3, "drop"] == pytest.approx(1 - share, abs=1e-12)
    assert result.units.loc[[0, 1, 2, 4], ["lost", "gained"]].to_numpy().sum() == 0
    assert (result.curves.totals[:, -1] == share * 24).all()


def test_without_a_bias_nothing_is_left_but_the_first_class() -> None:
    (units, labels), (weight, _) = drawn(), random_head()
    result = ablated(Planted(weight), images_of(units, labels, 4))
    assert (result.curves.totals[:, -1] == int((labels == 0).sum())).all()


def test_a_network_whose_units_all_say_the_class_loses_it_at_the_last_one() -> None:
    labels = torch.arange(40) % 4
    units = torch.eye(4)[labels].repeat(1, 3)  # three copies of each class's unit
    result = ablated(Planted(torch.eye(4).repeat(1, 3)), images_of(units, labels, 4), steps=12)
    assert result.units["drop"].eq(0).all()
    assert result.units["selectivity"].eq(1).all()
    assert np.isnan(result.correlation)
    accuracy = result.curves.fixed[0].mean(axis=0)  # equal selectivities: units go one after the other
    expected = [1.0] * 9 + [1.0, 0.75, 0.5, 0.25]  # an image with no unit left goes to the first class
    np.testing.assert_allclose(accuracy, expected)


def test_dead_units_are_counted_and_stand_in_no_order() -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    alone = ablated(Planted(weight, bias), images_of(units, labels, 4), steps=6)
    padded = torch.cat([torch.zeros(60, 2), units], dim=1)
    wider = torch.cat([torch.randn(4, 2), weight], dim=1)
    result = ablated(Planted(wider, bias), images_of(padded, labels, 4), steps=6)
    assert result.dead == 2
    assert result.units["drop"].iloc[:2].tolist() == [0, 0]
    np.testing.assert_array_equal(result.curves.fixed, alone.curves.fixed)
    assert result.correlation == pytest.approx(alone.correlation)


def test_a_network_without_any_live_unit_has_flat_curves() -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    result = ablated(Planted(weight, bias), images_of(units * 0, labels, 4), steps=4)
    assert (result.curves.totals == result.curves.totals[0, 0]).all()
    assert result.dead == 6
    assert np.isnan(result.correlation)


@settings(max_examples=15, deadline=None)
@given(batch_size=st.integers(1, 61), seed=st.integers(0, 5))
def test_neither_the_batch_size_nor_the_order_of_images_matters(batch_size: int, seed: int) -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    model = Planted(weight, bias)
    expected = ablated(model, images_of(units, labels, 4), steps=STEPS)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
    reading = type(READING)(READING.settings, batch_size)
    result = ablated(model, images_of(units[order], labels[order], 4), steps=STEPS, reading=reading)
    np.testing.assert_array_equal(result.curves.fixed, expected.curves.fixed[:, order])
    np.testing.assert_array_equal(result.curves.random, expected.curves.random[order])
    np.testing.assert_allclose(result.units["selectivity"], expected.units["selectivity"], rtol=1e-12)
    assert result.units[["drop", "lost", "gained"]].equals(expected.units[["drop", "lost", "gained"]])


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)))
def test_the_numbering_of_units_does_not_matter_to_the_order_of_selectivity(order: list[int]) -> None:
    (units, labels), (weight, bias) = drawn(), random_head()
    expected = ablated(Planted(weight, bias), images_of(units, labels, 4), steps=STEPS)
    result = ablated(Planted(weight[:, order], bias), images_of(units[:, order], labels, 4), steps=STEPS)
    np.testing.assert_array_equal(result.curves.fixed, expected.curves.fixed)
    assert result.units["drop"].tolist() == expected.units["drop"].iloc[order].tolist()


def test_blocks_of_images_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, dataset = network_and_images()
    whole = ablated(model, dataset, steps=STEPS)
    monkeypatch.setattr("autola_analysis.analyses.ablation.readout.BLOCK_LOGITS", 4 * 7)
    parts = ablated(model, dataset, steps=STEPS)
    np.testing.assert_array_equal(parts.curves.fixed, whole.curves.fixed)
    np.testing.assert_array_equal(parts.curves.totals, whole.curves.totals)
    assert parts.units.equals(whole.units)


def test_the_selectivity_of_units_is_that_of_the_selectivity_analysis() -> None:
    model, dataset = network_and_images()
    expected = measure_selectivity(model, dataset, reading=READING, layers=["layer2"])
    result = ablated(model, dataset)
    np.testing.assert_allclose(result.units["selectivity"], expected.units["selectivity"], atol=1e-12)


def test_orders_are_seeded_and_begin_with_the_most_selective_unit() -> None:
    selectivity = np.array([0.2, np.nan, 0.9, 0.2, 0.5])
    orders = Orders.draw(selectivity, 12, 3)
    assert orders.selective.tolist() == [2, 4, 0, 3]
    assert [order.tolist() for order in orders.all[:2]] == [[2, 4, 0, 3], [3, 0, 4, 2]]
    assert len(orders.all) == 14
    assert all(sorted(order) == [0, 2, 3, 4] for order in orders.random.tolist())
    np.testing.assert_array_equal(Orders.draw(selectivity, 12, 3).random, orders.random)
    assert not np.array_equal(Orders.draw(selectivity, 12, 4).random, orders.random)


def test_steps_and_areas() -> None:
    assert ablated_units(8, 4).tolist() == [0, 2, 4, 6, 8]
    assert ablated_units(3, 6).tolist() == [0, 0, 1, 2, 2, 2, 3]  # halves go to the even number
    curve = np.array([1.0, 0.8, 0.3, 0.1])
    assert curve @ area_weights(3) == pytest.approx(np.trapezoid(curve, dx=1 / 3))
    assert area_weights(50).sum() == pytest.approx(1)


def test_folds_hold_every_class_alike() -> None:
    labels = np.array([1, 0, 2] * 7 + [0] * 9)
    folds = stratified_folds(labels, 4)
    counts = np.array([np.bincount(folds[labels == label], minlength=4) for label in range(3)])
    assert (np.ptp(counts, axis=1) <= 1).all()
