import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.attention import RELEASED, Genotype, create_attention
from autola_analysis.attention.genotype import as_genotype, wiring_of
from autola_analysis.core.errors import OptionError, UnknownNameError


def test_the_released_genotype_reads_as_in_the_paper() -> None:
    assert RELEASED.nodes() == [
        (("skip_connect", 0),),
        (("sep_conv_3x3_spatial", 0), ("sep_conv_3x3", 1)),
        (("CBAM", 0), ("skip_connect", 2), ("sep_conv_3x3", 1)),
        (("sep_conv_3x3", 0), ("skip_connect", 1), ("sep_conv_3x3", 3), ("dil_conv_3x3", 2)),
    ]


@given(st.integers(0, 10_000))
def test_random_genotypes_are_possible_and_carry_something_on_every_edge(seed: int) -> None:
    genotype = Genotype.random(seed)
    assert [len(node) for node in genotype.nodes()] == [1, 2, 3, 4]
    assert all(operation != "none" for operation, _ in genotype.edges)


def test_a_genotype_survives_json(tmp_path: Path) -> None:
    path = tmp_path / "genotype.json"
    RELEASED.to_json(path)
    assert Genotype.from_json(path) == RELEASED
    assert as_genotype(path) == as_genotype(str(path)) == as_genotype(RELEASED.to_pairs()) == RELEASED


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "10 .operation, source. pairs .1.2.3.4.; found 0"),
        ([["skip_connect", 1], *RELEASED.to_pairs()[1:]], "node 1 of a genotype reads sources 0 to 0; found source 1"),
        ([["skip_connect"], *RELEASED.to_pairs()[1:]], "list of .operation, source. pairs"),
        ([["skip_connect", True], *RELEASED.to_pairs()[1:]], "list of .operation, source. pairs"),
    ],
)
def test_impossible_genotypes_are_refused(pairs: list[list[object]], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Genotype.from_pairs(pairs)


def test_an_unknown_operation_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown HOGA operation 'sep_conv_5x5'; the nearest known: sep_conv_3x3"
    ):
        Genotype.from_pairs([["sep_conv_5x5", 0], *RELEASED.to_pairs()[1:]])


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read the genotype file"), ("{not json", "is no JSON"), ("3", "holds int, not a list of pairs")],
)
def test_a_file_without_a_genotype_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "genotype.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OptionError, match=message):
        Genotype.from_json(path)


def test_the_json_is_a_plain_list_of_pairs(tmp_path: Path) -> None:
    RELEASED.to_json(tmp_path / "g.json")
    assert json.loads((tmp_path / "g.json").read_text())[1] == ["sep_conv_3x3_spatial", 0]


def test_the_wiring_of_an_attention_follows_from_its_options() -> None:
    other = Genotype.random(3)
    assert wiring_of("hoga", {}) == RELEASED
    assert wiring_of("hoga", {"genotype": other.to_pairs()}) == other
    assert wiring_of("hoga-random", {}) == create_attention("hoga-random", 4).genotype
    assert (
        wiring_of("hoga-random", {"genotype_seed": 3}) == create_attention("hoga-random", 4, genotype_seed=3).genotype
    )
    assert wiring_of("se", {"reduction": 4}) is None


def test_the_order_of_pairs_inside_a_node_is_no_difference_between_wirings() -> None:
    nodes = RELEASED.nodes()
    turned = Genotype(tuple(edge for node in nodes for edge in reversed(node)))
    assert turned != RELEASED
    assert turned.canonical() == RELEASED.canonical()
    assert [source for _, source in RELEASED.canonical().edges] == [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]
    assert turned.agreement(RELEASED) == 10


def test_agreement_counts_shared_edges() -> None:
    """The genotype in the repository of AutoRF, a later search in the same space, shares five edges."""
    rerun = Genotype.from_pairs(
        [
            ["skip_connect", 0],
            ["skip_connect", 0],
            ["sep_conv_3x3", 1],
            ["CBAM", 0],
            ["SE", 1],
            ["SE", 2],
            ["SE", 0],
            ["skip_connect", 1],
            ["dil_conv_3x3", 2],
            ["SE", 3],
        ]
    )
    assert rerun.agreement(RELEASED) == RELEASED.agreement(rerun) == 5
    assert Genotype((("SE", 0),) * 10).agreement(Genotype((("SE", 0),) * 9 + (("CBAM", 0),))) == 9


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_agreement_is_that_of_operations_where_sources_are_the_standard_ones(first: int, second: int) -> None:
    one, other = Genotype.random(first), Genotype.random(second)
    assert one.agreement(other) == sum(a == b for a, b in zip(one.edges, other.edges, strict=True))
