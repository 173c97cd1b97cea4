"""Wirings out of weights, and a planted wiring found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.attention import RELEASED, Genotype
from autola_analysis.attention.genotype import edge_row
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.search.derivation import strongest
from tests.search.planted import planted_wiring

NAMES = OPERATIONS.names()


def table_of(genotype: Genotype) -> np.ndarray:
    """Ten rows in which `genotype` is strongest, its pairs in the order of their strength."""
    table = np.full((10, 9), 0.01)
    for node, edges in enumerate(genotype.nodes(), start=1):
        for place, (operation, source) in enumerate(edges):
            table[edge_row(node, source), NAMES.index(operation)] = 0.5 - 0.05 * place
    return table


def test_the_released_genotype_comes_back_in_its_order() -> None:
    """The order of its pairs inside a node is that of their strength."""
    assert strongest(table_of(RELEASED)) == RELEASED


def test_none_is_never_chosen() -> None:
    table = table_of(RELEASED)
    table[:, NAMES.index("none")] = 0.99
    assert strongest(table) == RELEASED


def test_of_equal_operations_the_first_and_of_equal_edges_the_first_source_is_taken() -> None:
    equal = strongest(np.full((10, 9), 1 / 9))
    assert equal.edges == tuple(("skip_connect", source) for node in range(1, 5) for source in range(node))


@given(st.integers(0, 10_000), st.permutations(range(9)))
def test_columns_in_another_order_give_the_same_wiring(seed: int, order: list[int]) -> None:
    table = np.random.default_rng(seed).random((10, 9))
    permuted = table[:, order]
    assert strongest(permuted, [NAMES[place] for place in order]) == strongest(table)


@given(st.integers(0, 10_000))
def test_edges_of_a_node_stand_in_descending_order(seed: int) -> None:
    table = np.random.default_rng(seed).random((10, 9))
    for node, edges in enumerate(strongest(table).nodes(), start=1):
        assert sorted(source for _, source in edges) == list(range(node))
        strengths = [table[edge_row(node, source), NAMES.index(operation)] for operation, source in edges]
        assert strengths == sorted(strengths, reverse=True)
        assert strengths == [table[edge_row(node, source), 1:].max() for _, source in edges]


@pytest.mark.parametrize("seed", [2])
def test_a_planted_wiring_is_found(seed: int) -> None:
    planted, found = planted_wiring(seed, steps=150)
    assert found.canonical() == planted.canonical()
