"""Cells that a spreadsheet would run are quoted in CSV files, and read as they were."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.core.columns import number, text
from autola_analysis.core.tables import Table, inert, read_inert, read_table, write_table

FORMULAS = ("=cmd|' /C calc'!A0", "+SUM(A1)", "-2+3", "@x", "\tx", "\r=x", "'=x", "''+x")
TABLE = Table("cells", (text("name", "a name"), number("value", "a value")))


@given(st.text(alphabet="'=+-@\t\rab1."))
def test_every_text_comes_back(cell: str) -> None:
    assert read_inert(inert(cell)) == cell


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_quoted(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-", "1=2", "a", "", "'quoted'", "it's"])
def test_what_is_no_formula_stays(cell: str) -> None:
    assert inert(cell) == cell


def test_a_table_is_read_as_it_was_written_and_holds_no_formula(tmp_path: Path) -> None:
    frame = TABLE.frame([(cell, -1.5) for cell in FORMULAS if "\r" not in cell])
    frame["=1+1"] = 2.0
    write_table(tmp_path, TABLE, frame)
    assert read_table(tmp_path, TABLE).equals(frame)
    written = (tmp_path / "tables" / "cells.csv").read_text()
    assert written.startswith("name,value,'=1+1\n")
    assert all(line.lstrip('"').startswith("'") for line in written.splitlines()[1:])
