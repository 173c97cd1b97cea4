"""What is taken out of a report for reviewers: each kind of text that names a place or a person, wherever it stands."""

import getpass
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autola_analysis.core.results import Arrays, Stored
from autola_analysis.report.anonymous import Cleaner

NETWORK = "nets of zqgroup/own.pth"
RECORD: dict[str, Any] = {
    "command": ["/zqtools/bin/autola-analyze", "evaluate", f"--ckpt=SE={NETWORK}"],
    "study": {"title": "A / B", "models": {"SE": {"paths": [NETWORK]}}},
    "models": [{"path": NETWORK, "evidence": ["zqkey: 7"], "warnings": ["left over: zqkey"]}],
    "warnings": [f"{NETWORK} is old"],
    "machine": {"system": "Linux", "host": "zqhost", "user": "zquser"},
}


@pytest.fixture
def cleaner(monkeypatch: pytest.MonkeyPatch) -> Cleaner:
    monkeypatch.setattr(getpass, "getuser", lambda: "zqlogin")
    monkeypatch.setattr(socket, "gethostname", lambda: "zqnode.zqsite.org")
    return Cleaner(RECORD, Path("/zqbase dir"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("written by zquser on zqhost", "written by ... on ..."),
        ("zqlogin@zqnode.zqsite.org", "...@..."),
        ("zquserland", "zquserland"),
        (f"{NETWORK} has no classes", "own.pth has no classes"),
        ("/zqbase dir/nets of zqgroup/own.pth", "own.pth"),
        ("found /mnt/zqdisk/pets/cat.png twice", "found cat.png twice"),
        ("../zqproject/att.py:Scale", "att.py:Scale"),
        (r"C:\zqhome\cat.png", "cat.png"),
        ("cat / dog, 3/4", "cat / dog, 3/4"),
    ],
)
def test_a_text_keeps_the_names_of_files_alone(cleaner: Cleaner, text: str, left: str) -> None:
    assert cleaner.text(text) == left


def test_a_record_keeps_the_system_and_neither_machine_nor_keys_of_weights(cleaner: Cleaner) -> None:
    record = cleaner.record(RECORD)
    assert record["machine"] == {"system": "Linux"}
    assert record["command"] == ["autola-analyze", "evaluate", "--ckpt=SE=own.pth"]
    assert record["study"] == {"title": "A / B", "models": {"SE": {"paths": ["own.pth"]}}}
    assert record["models"] == [{"path": "own.pth", "evidence": [], "warnings": []}]
    assert record["warnings"] == ["own.pth is old"]


def test_texts_of_tables_and_arrays_are_cleaned_and_numbers_are_not(cleaner: Cleaner) -> None:
    numbers = np.array([0.1, 2.5])
    table = pd.DataFrame({"id": [NETWORK, "3"], "share": numbers})
    arrays = Arrays({"ids": np.array([[NETWORK], ["of zquser"]]), "values": numbers}, {NETWORK: [NETWORK]})
    found = cleaner.stored(Stored({"a": table}, {"b": arrays}))
    assert found.tables["a"]["id"].tolist() == ["own.pth", "3"]
    assert found.tables["a"]["share"].tolist() == numbers.tolist()
    assert found.arrays["b"].values["ids"].tolist() == [["own.pth"], ["of ..."]]
    assert found.arrays["b"].values["values"] is numbers
    assert found.arrays["b"].about == {"own.pth": ["own.pth"]}
