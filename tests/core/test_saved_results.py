"""Results of their own in a directory: saved again over another one, and not at all when the disk is full."""

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autola_analysis.core.columns import count
from autola_analysis.core.errors import CacheError
from autola_analysis.core.results import Arrays, Format, Stored, load_result, save_result
from autola_analysis.core.tables import Table

NUMBERS = Table("numbers", (count("n"),), optional=True)
FORMAT = Format("thing", (NUMBERS,), ("some",), ("many",))


def thing(value: float, rows: int = 0) -> Stored:
    tables = {"numbers": pd.DataFrame({"n": range(rows)})} if rows else {}
    return Stored(tables, {"some": Arrays({"x": np.full(3, value)}, {"value": value})}, {"many": np.full(500, value)})


def test_a_result_takes_the_place_of_one_with_more_files(tmp_path: Path) -> None:
    save_result(tmp_path, FORMAT, thing(1.0, rows=2))
    assert len(load_result(tmp_path, FORMAT).tables["numbers"]) == 2
    save_result(tmp_path, FORMAT, thing(2.0))
    found = load_result(tmp_path, FORMAT)
    assert found.tables == {}
    assert found.arrays["some"].about == {"value": 2.0}
    np.testing.assert_array_equal(found.large["many"], 2.0)


def test_the_old_result_stays_where_the_new_one_does_not_fit(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    save_result(tmp_path, FORMAT, thing(1.0))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(CacheError, match="cannot write the thing result into"):
            save_result(tmp_path, FORMAT, thing(2.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_result(tmp_path, FORMAT).arrays["some"].about == {"value": 1.0}
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
