"""One-shot accuracy as a ranking: tau, its interval, its ceiling, and the accuracy itself."""

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec, create_model
from autola_analysis.checkpoints import load_model, save_model
from autola_analysis.core.errors import DataError
from autola_analysis.data import ClutteredDigits, Preprocessing
from autola_analysis.search.evaluation import inherited
from autola_analysis.search.halves import halves
from autola_analysis.search.one_shot import one_shot_accuracies
from autola_analysis.search.ranking import chance_error, kendall, kendall_interval, tau_ceiling


def naive_tau(one: list[float], other: list[float]) -> float:
    """Kendall's tau-b from its definition."""
    pairs = [(i, j) for i in range(len(one)) for j in range(i)]
    signs = [(np.sign(one[i] - one[j]), np.sign(other[i] - other[j])) for i, j in pairs]
    untied = [sum(bool(sign[side]) for sign in signs) for side in (0, 1)]
    return sum(a * b for a, b in signs) / math.sqrt(untied[0] * untied[1])


def test_tau_counts_pairs_in_order_and_is_not_known_where_all_are_ties() -> None:
    one, other = [0.1, 0.4, 0.4, 0.7, 0.2], [0.3, 0.2, 0.5, 0.9, 0.3]
    assert kendall(np.array(one), np.array(other)) == pytest.approx(naive_tau(one, other), rel=1e-12)
    assert kendall(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1, rel=1e-12)
    assert math.isnan(kendall(np.ones(4), np.arange(4.0)))
    assert math.isnan(kendall(np.ones(1), np.ones(1)))
    assert all(map(math.isnan, kendall_interval(np.ones(4), np.arange(4.0))))


def test_the_interval_holds_the_tau_of_the_population_as_often_as_it_should() -> None:
    """Two normal values with a correlation r have tau = (2 / pi) asin(r)."""
    generator = np.random.default_rng(0)
    r, inside = 0.7, 0
    for _ in range(40):
        one, noise = generator.normal(size=(2, 25))
        low, high = kendall_interval(one, r * one + math.sqrt(1 - r * r) * noise, draws=150)
        inside += low <= 2 / math.pi * math.asin(r) <= high
    assert 34 <= inside <= 40


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_ceiling_is_what_the_true_quality_of_wirings_reaches(repeats: int) -> None:
    """Only a part of the wirings is trained more than `repeats` times, which is what tells the noise."""
    generator = np.random.default_rng(1)
    true = generator.normal(0, 1.0, 3000)
    trainings = [
        (quality + generator.normal(0, 0.8, 4 if number % 2 else repeats)).tolist()
        for number, quality in enumerate(true)
    ]
    reached = kendall(true, np.array([np.mean(each) for each in trainings]))
    assert tau_ceiling(trainings) == pytest.approx(reached, abs=0.02)


def test_a_ceiling_is_not_known_without_repeats_and_zero_where_all_is_noise() -> None:
    assert math.isnan(tau_ceiling([[0.5], [0.6], [0.7]]))
    assert math.isnan(tau_ceiling([[0.5, 0.6]]))
    assert tau_ceiling([[0.1, 0.9], [0.2, 0.8]]) == 0
    assert tau_ceiling([[0.1, 0.1], [0.9, 0.9]]) == 1


def test_the_error_by_chance_is_that_of_all_orders() -> None:
    """Over all 120 orders of five wirings."""
    taus = [kendall(np.arange(5.0), np.array(order, dtype=float)) for order in permutations(range(5))]
    assert chance_error(5) == pytest.approx(np.std(taus), rel=1e-12)
    assert chance_error(1) == math.inf


def test_one_shot_accuracy_is_that_of_the_inherited_network_on_the_half_that_decided(tmp_path: Path) -> None:
    """With a head that knows one class, whatever the wiring: the share of that class in the half."""
    torch.manual_seed(0)
    digits = ClutteredDigits("train", 60)
    spec = ModelSpec("resnet8", "hoga-search", 10, {"width": 8})
    network = create_model("resnet8", "hoga-search", 10, width=8)
    path = tmp_path / "supernet.safetensors"
    save_model(path, network, spec, classes=digits.classes, preprocessing=Preprocessing(), source="cluttered-digits")
    supernet = load_model(path, device="cpu")
    before = {name: tensor.clone() for name, tensor in supernet.model.state_dict().items()}
    wirings = [Genotype.random(seed) for seed in range(3)]

    def accuracies(images: int = 60) -> list[float]:
        return one_shot_accuracies(supernet, digits, 5, wirings, images, torch.device("cpu"))

    found = accuracies()
    assert found == accuracies()
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.model.state_dict().items())
    weights, held_out = halves(digits, 5)
    for wiring, accuracy in zip(wirings, found, strict=True):
        attention = {"genotype": wiring, "reduction": (4, 16)}
        alone = create_model("resnet8", "hoga", 10, attention_options=attention, width=8)
        alone.load_state_dict(inherited(supernet.model, wiring, "resnet8", 10, {"width": 8}).state_dict())
        alone.train()
        for module in alone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0  # 30 images are one batch, whose statistics are then all there is
        geometry = Preprocessing()
        images = [torch.stack([geometry.geometry(half.image(n)) for n in range(30)]) for half in (weights, held_out)]
        with torch.no_grad():
            alone(geometry.normalize(images[0]))
            right = alone.eval()(geometry.normalize(images[1])).argmax(1).numpy() == held_out.labels
        assert accuracy == right.mean()
    with pytest.raises(DataError, match="was searched on other classes than cluttered-digits has; give --searched"):
        one_shot_accuracies(replace(supernet, classes=("a",)), digits, 5, wirings, 60, torch.device("cpu"))
