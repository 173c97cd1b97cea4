"""What is read off the course of a search: recipes, edges, signs of trouble."""

import numpy as np
import pandas as pd
import pytest
import torch

from autola_analysis.attention import Genotype
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.core.errors import OptionError
from autola_analysis.search.edges import edge_rows
from autola_analysis.search.evaluation import inherited
from autola_analysis.search.health import warnings_of
from autola_analysis.search.history import History, entropy, softmax
from autola_analysis.search.recipes import SEARCH_RECIPES
from autola_analysis.search.supernet import SuperNetwork
from tests.search.naive import one_hot

NAMES = OPERATIONS.names()
CIFAR = SEARCH_RECIPES.get("cifar10")


def test_the_recipe_has_the_authors_numbers() -> None:
    assert (CIFAR.epochs, CIFAR.batch_size, CIFAR.clip_norm, CIFAR.weight_decay) == (50, 128, 5.0, 5e-4)
    assert (CIFAR.alpha_learning_rate, CIFAR.alpha_decay, CIFAR.momentum) == (3e-3, 1e-3, 0.9)
    rates = [CIFAR.learning_rate_of(epoch) for epoch in (0, 25, 49)]
    assert rates == pytest.approx([0.025, 0.01255, 1e-4 + 0.01245 * (1 + np.cos(0.98 * np.pi))])
    assert {name: SEARCH_RECIPES.get(name).backbone for name in SEARCH_RECIPES} == {
        "cifar10": "resnet20",
        "cifar100": "resnet20",
        "cifar10-as-released": "autola_resnet34",
        "cluttered-digits": "resnet8",
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": "0"}, "epochs must be positive; found 0"),
        ({"alpha_decay": "-1"}, "alpha_decay cannot be negative; found -1"),
        ({"alpha_from_epoch": "50"}, "alpha_from_epoch must be less than epochs"),
        ({"crop_padding": "-1"}, "crop_padding cannot be negative"),
        ({"order": "2"}, "a recipe has no value 'order'"),
        ({"epochs": "many"}, "epochs takes a value of type int; found 'many'"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        CIFAR.overridden(values)


def test_entropy_is_one_where_all_is_open_and_zero_where_all_is_decided() -> None:
    assert entropy(np.full((2, 9), 1 / 9)) == pytest.approx([1, 1])
    assert entropy(np.eye(9)[:1]) == pytest.approx([0])
    assert softmax(np.log([[1.0, 3.0]])) == pytest.approx(np.array([[0.25, 0.75]]))


def course(margins: list[float]) -> np.ndarray:
    """Every edge chooses SE by these margins over CBAM, none weighs half."""
    weights = np.zeros((len(margins), 10, 9))
    weights[..., NAMES.index("none")] = 0.5
    weights[..., NAMES.index("SE")] = (0.25 + np.array(margins) / 2)[:, None]
    weights[..., NAMES.index("CBAM")] = (0.25 - np.array(margins) / 2)[:, None]
    return np.log(np.maximum(weights, 1e-30))


def test_an_edge_is_decided_where_its_margin_is_twice_its_deviation() -> None:
    margins = [-0.1, 0.1, 0.2, 0.1, 0.2, 0.1]
    row = edge_rows(course(margins), NAMES)[4]
    assert (row["node"], row["source"]) == (3, 1)
    assert (row["operation"], row["runner_up"]) == ("SE", "CBAM")
    assert row["weight"] == pytest.approx(0.3)
    assert row["margin"] == pytest.approx(0.1)
    assert row["margin_std"] == pytest.approx(np.std(margins[1:], ddof=1))
    assert row["none_weight"] == pytest.approx(0.5)
    assert row["stable_since"] == 1
    assert not row["decided"]  # 0.1 < 2 * 0.0548
    assert edge_rows(course([0, 0.11, 0.12, 0.11, 0.12, 0.11]), NAMES)[4]["decided"]
    assert not edge_rows(course([0, 0.11, 0.12, 0.11, 0.12]), NAMES)[4]["decided"]  # four epochs tell nothing


def test_a_search_in_order_has_no_warnings_and_each_trouble_has_its_sentence() -> None:
    edges = pd.DataFrame(edge_rows(course([0, 0.3, 0.3, 0.3, 0.3, 0.3]), NAMES)).assign(none_weight=0.4)
    epochs = pd.DataFrame({"epoch": range(1, 6), "clipped": 0.1, "eigenvalue": np.nan})
    assert warnings_of(edges, epochs, 3.0, 8) == ()
    skips = edges.assign(operation=["skip_connect"] * 5 + ["SE"] * 5)
    (sentence,) = warnings_of(skips, epochs, 3.0, 8)
    assert "on 5 of 10 edges, which a uniform draw does with probability 0.0045" in sentence
    assert warnings_of(edges.assign(operation=["skip_connect"] * 4 + ["SE"] * 6), epochs, 3.0, 8) == ()
    assert "mean weight of none is 0.60" in warnings_of(edges.assign(none_weight=0.6), epochs, 3.0, 8)[0]
    undecided = edges.assign(decided=[False] * 6 + [True] * 4)
    assert "has not decided: on 6 of 10 edges" in warnings_of(undecided, epochs, 3.0, 8)[0]
    assert warnings_of(edges.assign(decided=[False] * 5 + [True] * 5), epochs, 3.0, 8) == ()
    assert "with 4, no edge is decided" in warnings_of(undecided, epochs[:4], 3.0, 8)[0]
    assert "moved by 2.90 at most" in warnings_of(edges, epochs, 2.9, 8)[0]
    sharper = pd.DataFrame({"epoch": range(2, 30, 2), "clipped": 0.0, "eigenvalue": [1.0] * 7 + [3.0] * 7})
    (sentence,) = warnings_of(edges, sharper, 3.0, 8)
    assert "by epoch 18 the mean of 5 largest eigenvalues is above 1.3 times that of epoch 10" in sentence
    assert "12% of the weight steps were clipped" in warnings_of(edges, epochs.assign(clipped=0.12), 3.0, 8)[0]


def test_the_history_counts_changed_edges_and_survives_a_state() -> None:
    history = History()
    history.add(torch.zeros(10, 9))
    alpha = torch.zeros(10, 9)
    alpha[:3, NAMES.index("SE")] = 1  # before, all ties: the first operation, skip_connect
    history.add(alpha, {"rate": 0.1})
    assert history.epochs[0]["changed"] == 3
    assert 0.9 < history.epochs[0]["entropy"] < 1
    again = History.of_state(history.state())
    assert again.epochs == history.epochs
    assert all(np.array_equal(a, b) for a, b in zip(again.alphas, history.alphas, strict=True))


def test_a_derived_network_inherits_what_the_super_network_computes() -> None:
    """Where alpha leaves one operation on every edge, both put out the same."""
    torch.manual_seed(0)
    genotype = Genotype.random(5)
    network = SuperNetwork("resnet8", 4, options={"width": 8})
    with torch.no_grad():
        network.architecture.alpha.copy_(1e4 * torch.tensor(one_hot(genotype)))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    derived = inherited(network.network, genotype, "resnet8", 4, {"width": 8}).double().eval()
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(derived(images), network.double().eval()(images), rtol=1e-12, atol=1e-12)
