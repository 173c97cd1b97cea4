"""Tables on the terminal fit 80 columns, whatever their names and numbers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.cli.printing import WIDTH, table_lines
from autola_analysis.core.results import read_stored
from autola_analysis.core.text import percent_text
from autola_analysis.study.run import StudyReport

WORDS = st.text("abc def-", min_size=1, max_size=60).filter(str.strip)
NUMBERS = st.floats(-1e6, 1e6).map("{:.4f}".format)


def test_text_stands_left_and_numbers_right() -> None:
    lines = table_lines(["model", "images", "top-1"], [["none", "5", "92.50 %"], ["HOGA", "1000", ""]])
    assert lines == ["model  images  top-1", "none        5  92.50 %", "HOGA     1000"]


def test_what_fits_is_not_broken() -> None:
    row = ["none", "run 1", "resnet20", "resnet20", "none", "10"]
    header = ["model", "run", "group", "backbone", "attention", "classes"]
    assert table_lines(header, [row])[1].split() == ["none", "run", "1", "resnet20", "resnet20", "none", "10"]
    assert len(table_lines(header, [row])) == 2


def test_numbers_that_do_not_fit_follow_in_a_block_with_the_same_labels() -> None:
    header = ["model", "layer", *(f"measure {number}" for number in range(9))]
    rows = [[name, "layer3", *(f"{number}.5000" for number in range(9))] for name in ("none", "HOGA")]
    first, second = " \n".join(table_lines(header, rows)).split(" \n \n")
    assert all(block.splitlines()[2].split()[:2] == ["HOGA", "layer3"] for block in (first, second))
    assert [*first.splitlines()[1].split()[2:], *second.splitlines()[1].split()[2:]] == rows[0][2:]


def test_a_long_name_is_broken_into_lines_and_its_numbers_stand_beside_the_first() -> None:
    name = "ResNet-20 with the attention of the second search, trained from the third seed"
    lines = table_lines(["model", "layer", "mean"], [[name, "layer3", "0.5000"]])
    assert lines[1].split()[-2:] == ["layer3", "0.5000"]
    assert " ".join(line.removesuffix("layer3  0.5000").strip() for line in lines[1:]) == name


@given(
    labels=st.lists(WORDS, min_size=1, max_size=3),
    numbers=st.lists(NUMBERS, max_size=12),
    ends=st.lists(WORDS, max_size=2),
)
def test_every_table_fits_and_loses_nothing(labels: list[str], numbers: list[str], ends: list[str]) -> None:
    row = [*labels, *numbers, *ends]
    lines = table_lines([f"{place}" for place in range(len(row))], [row])
    assert max(map(len, lines)) <= WIDTH
    printed = Counter("".join(lines).replace(" ", ""))
    assert not Counter("".join(row).replace(" ", "")) - printed
    assert all(any(number in line for line in lines) for number in numbers)


@pytest.mark.parametrize("name", registrations())
def test_what_an_analysis_prints_fits_the_terminal_and_has_its_accuracies_in_per_cent(
    written: StudyReport, name: str
) -> None:
    analysis = analysis_of(name)
    lines = analysis.lines(analysis.restore(read_stored(written.out, analysis.format)))
    assert lines is not None
    assert max(map(len, table_lines(lines.header, lines.rows))) <= WIDTH
    for column, heading in enumerate(lines.header):
        if heading.startswith(("top-", "accuracy", "kNN", "plane kNN", "probe")):
            assert all("%" in row[column] for row in lines.rows if row[column])


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.925,), "92.50 %"),
        ((0.5, 0.4, 0.6), "50.00 % [40.00, 60.00]"),
        ((None,), "not measured"),
        ((float("nan"),), "not measured"),
    ],
)
def test_an_accuracy_is_in_per_cent(numbers: tuple[float | None, ...], text: str) -> None:
    assert percent_text(*numbers) == text
