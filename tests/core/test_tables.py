"""Tables come back from CSV as they were, to the last bit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autola_analysis.core.columns import Column, count, number, text
from autola_analysis.core.errors import ReportError
from autola_analysis.core.tables import Table, has_table, read_table, rows_of, side_by_side, write_table

EVERYTHING = Table(
    "everything",
    (
        text("model", "name"),
        Column("image", "image"),
        number("value"),
        count("images"),
        Column("label", "whole"),
        Column("dead", "flag"),
    ),
)
ODD_TEXTS = ["", "None", "NA", "nan", "NaN", "null", "1", "01", "1.0", "True", " a ", 'a "b", c', "a/b", "é\n<i>", "-"]
ODD_NUMBERS = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, float("nan"), float("inf"), -1e-9, 1.0]


def everything() -> pd.DataFrame:
    rows = len(ODD_TEXTS)
    return pd.DataFrame(
        {
            "model": ODD_TEXTS,
            "image": ODD_TEXTS[::-1],
            "value": np.resize(np.array(ODD_NUMBERS), rows),
            "images": np.arange(rows, dtype="int64") + 2**60,
            "label": pd.array([None if row % 3 == 0 else row for row in range(rows)], dtype="Int64"),
            "dead": np.arange(rows) % 2 == 0,
        }
    )


def test_every_kind_of_column_comes_back_exactly(tmp_path: Path) -> None:
    frame = everything()
    write_table(tmp_path, EVERYTHING, frame)
    assert has_table(tmp_path, "everything")
    found = read_table(tmp_path, EVERYTHING)
    pd.testing.assert_frame_equal(found, frame, check_exact=True)
    assert np.signbit(found["value"][4])


def test_an_empty_table_keeps_its_types(tmp_path: Path) -> None:
    write_table(tmp_path, EVERYTHING, everything().iloc[:0])
    pd.testing.assert_frame_equal(read_table(tmp_path, EVERYTHING), everything().iloc[:0], check_index_type=False)
    assert EVERYTHING.frame().columns.tolist() == EVERYTHING.names


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_numbers_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    folder = tmp_path_factory.mktemp("table")
    table = Table("t", (number("value"),))
    write_table(folder, table, pd.DataFrame({"value": values}))
    np.testing.assert_array_equal(read_table(folder, table)["value"].to_numpy(), np.array(values))


def test_further_columns_hold_numbers(tmp_path: Path) -> None:
    table = Table("t", (text("model"),))
    write_table(tmp_path, table, pd.DataFrame({"model": ["a", "b"], "energy": [0.5, float("nan")], "further": [1, 2]}))
    found = read_table(tmp_path, table)
    assert found.columns.tolist() == ["model", "energy", "further"]
    np.testing.assert_array_equal(found["energy"], [0.5, np.nan])
    assert found["further"].tolist() == [1.0, 2.0]


def test_a_frame_without_a_declared_column_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="the table 'everything' lacks its declared column 'value'"):
        write_table(tmp_path, EVERYTHING, everything().drop(columns=["value", "dead"]))
    assert not has_table(tmp_path, "everything")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no tables/t.csv in the report; run the analysis again."),
        ("model\na\n", "tables/t.csv has no column 'value'; run the analysis again."),
        ("model,value\na,b\n", "tables/t.csv, column 'value': could not convert string to float: 'b'; run"),
        ("model,value,images\na,1,1.5\n", "tables/t.csv, column 'images': "),
        ("model,value,images\na,1,\n", "tables/t.csv, column 'images': "),
        ("model,value,images,dead\na,1,1,yes\n", "tables/t.csv, column 'dead': a flag is True or False; run"),
        ("", "tables/t.csv is damaged"),
        ("model,value\na,1,2,3\nb,1\n", "tables/t.csv"),
        (b"model,value\n\xff\xfe,1\n", "tables/t.csv is damaged"),
    ],
)
def test_what_is_missing_or_damaged_is_one_sentence(tmp_path: Path, content: str | bytes | None, message: str) -> None:
    columns = {"images": count("images"), "dead": Column("dead", "flag")}
    head = (content.decode("latin1") if isinstance(content, bytes) else content or "").partition("\n")[0].split(",")
    table = Table("t", (text("model"), number("value"), *(columns[name] for name in head if name in columns)))
    (tmp_path / "tables").mkdir()
    if content is not None:
        (tmp_path / "tables" / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReportError) as raised:
        read_table(tmp_path, table)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_rows_are_chosen_by_all_values_and_numbered_anew() -> None:
    frame = pd.DataFrame({"model": ["a", "b", "a", "a"], "run": ["1", "1", "2", "1"], "x": [0, 1, 2, 3]})
    found = rows_of(frame, model="a", run="1")
    assert found["x"].tolist() == [0, 3]
    assert found.index.tolist() == [0, 1]


def test_a_long_table_becomes_a_wide_one_of_text() -> None:
    frame = pd.DataFrame(
        {
            "model": ["A", "A", "B"],
            "metric": ["energy", "other", "energy"],
            "mean": [0.5, 0.25, float("nan")],
            "ci_low": [0.4, float("nan"), float("nan")],
            "ci_high": [0.6, float("nan"), float("nan")],
        }
    )
    wide = side_by_side(frame, ["model"], "metric", "mean").fillna("")
    assert wide.to_dict("records") == [
        {"model": "A", "energy": "0.5000 [0.4000, 0.6000]", "other": "0.2500"},
        {"model": "B", "energy": "", "other": ""},
    ]
