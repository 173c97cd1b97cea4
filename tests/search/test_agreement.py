"""Several searches side by side: edges that they share, what chance gives, and the figure."""

from math import comb

import numpy as np
import pandas as pd
import pytest

from autola_analysis.attention import RELEASED, Genotype
from autola_analysis.attention.operations import OPERATIONS
from autola_analysis.core.errors import OptionError
from autola_analysis.search.agreement import AGREEMENT_TABLE, chosen_counts, compare_searches
from autola_analysis.search.agreement_figure import plot_agreement
from autola_analysis.search.result import EPOCHS_TABLE, GAPS_TABLE, SearchResult
from tests.search.naive import one_hot

NAMES = tuple(OPERATIONS.names())


def search(genotype: Genotype, seed: int = 0, operations: tuple[str, ...] = NAMES) -> SearchResult:
    """A search that found a wiring."""
    alphas = np.stack([np.zeros((10, len(operations))), 5.0 * np.array(one_hot(genotype))[:, : len(operations)]])
    settings = {"name": "short", "order": 1, "seed": seed}
    return SearchResult(alphas, operations, pd.DataFrame(columns=EPOCHS_TABLE.names), GAPS_TABLE.frame(), settings)


def changed(genotype: Genotype, edges: int) -> Genotype:
    """The wiring with another operation on its first edges."""
    other = {name: NAMES[1 + NAMES.index(name) % 8] for name in NAMES[1:]}
    pairs = [(other[name] if at < edges else name, source) for at, (name, source) in enumerate(genotype.edges)]
    return Genotype(tuple(pairs))


def test_pairs_of_searches_and_the_released_wiring_are_compared() -> None:
    table = compare_searches([search(RELEASED, 0), search(changed(RELEASED, 4), 1)])
    assert list(table.columns) == AGREEMENT_TABLE.names
    assert table[["search", "against", "equal_edges"]].to_numpy().tolist() == [
        ["short order 1 seed 0", "short order 1 seed 1", 6],
        ["short order 1 seed 0", "released", 10],
        ["short order 1 seed 1", "released", 6],
    ]
    for equal, probability in zip(table["equal_edges"], table["probability"], strict=True):
        exact = sum(comb(10, k) * 7 ** (10 - k) for k in range(equal, 11)) / 8**10
        assert probability == pytest.approx(exact, rel=1e-12)


def test_counts_are_choices_per_edge_whatever_the_order_of_a_nodes_pairs() -> None:
    counts = chosen_counts([RELEASED, RELEASED.canonical(), changed(RELEASED, 1)], NAMES)
    assert counts.sum(1).tolist() == [3] * 10
    assert counts[0, NAMES.index("skip_connect")] == 2
    assert counts[9, NAMES.index("sep_conv_3x3")] == 3


def test_searches_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(OptionError, match="searches are compared that choose from the same operations; found"):
        compare_searches([search(RELEASED), search(RELEASED, 1, (*NAMES[:-1], "mine"))])
    with pytest.raises(OptionError, match="there is no search"):
        compare_searches([])
    with pytest.raises(OptionError, match="every search needs a name of its own"):
        compare_searches([search(RELEASED), search(RELEASED)])


def test_the_figure_shows_counts_and_rings_the_released_wiring() -> None:
    figure = plot_agreement([search(RELEASED), search(RELEASED, 1), search(changed(RELEASED, 2), 2)])
    ax = figure.axes[0]
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (10, 8)
    assert ax.images[0].get_clim() == (0, 3)  # the deepest colour is that of all searches
    assert sorted(text.get_text() for text in ax.texts) == ["1"] * 2 + ["2"] * 2 + ["3"] * 8
    columns, rows = (np.asarray(values) for values in ax.lines[0].get_data())
    np.testing.assert_array_equal(shown[rows, columns] >= 2, [True] * 10)
