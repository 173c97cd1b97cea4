"""Study files: every fault is one sentence with the key, what was found and what is allowed."""

import copy
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from autola_analysis.core.errors import OptionError
from autola_analysis.study.file import AnalysisRequest, parse_study, read_study

GOOD: dict[str, Any] = {
    "data": {"digits": {"source": "cluttered-digits"}},
    "models": {"a": {"path": "a.pth"}},
    "analyses": [{"kind": "selectivity"}],
}


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        'title = "T"\n[data.d]\nsource = "cluttered-digits"\n[models.a]\npaths = ["x", "y"]\n'
        '[[analyses]]\nkind = "selectivity"\nlayers = ["layer3"]\n[[analyses]]\nkind = "embedding"\nperplexity = 5\n'
    )
    study = read_study(path)
    assert study.title == "T"
    assert study.models["a"].files == ["x", "y"]
    assert study.analyses[0] == AnalysisRequest.of("selectivity", layers=["layer3"])
    assert study.analyses[1].options.model_dump()["perplexity"] == 5.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["data"]["digits"].update(sorce="x"), r"unknown key data\.digits\.sorce; did you mean source\?"),
        (lambda s: s["data"]["digits"].update(zzz="x"), r"unknown key data\.digits\.zzz; known are source, split"),
        (lambda s: s.update(titel="x"), r"unknown key titel; did you mean title\?"),
        (lambda s: s["analyses"][0].update(layer="x"), r"unknown key analyses\.0\.layer; did you mean layers\?"),
        (
            lambda s: s["analyses"][0].update(kind="selectivty"),
            r"analyses\.0\.kind is one of evaluate, selectivity, .* found 'sel",
        ),
        (lambda s: s["analyses"][0].pop("kind"), r"analyses\.0\.kind is one of evaluate, selectivity, .* found None"),
        (lambda s: s["analyses"][0].update(folds="x"), r"analyses\.0\.folds should be a valid integer; found 'x'"),
        (lambda s: s["analyses"][0].update(folds=-1), r"analyses\.0\.folds is a number from 0 on; found -1\."),
        (lambda s: s["analyses"].append({"kind": "selectivity"}), "two analyses of kind 'selectivity'"),
        (lambda s: s["analyses"][0].update(models=["b"]), "models names 'b', and there is no such table; there are a"),
        (lambda s: s["analyses"][0].update(data="b"), "data names 'b', and there is no such table; there are digits"),
        (lambda s: s["models"]["a"].update(paths=["b"]), "models.a: give either path, or paths"),
        (lambda s: s["models"]["a"].pop("path"), "models.a: give either path, or paths"),
        (lambda s: s.pop("models"), "models is missing"),
        (lambda s: s.update(models=3), "models should be a valid dictionary; found '3'"),
    ],
)
def test_a_fault_is_one_sentence_with_the_key_and_what_is_allowed(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    values = copy.deepcopy(GOOD)
    parse_study(values)
    change(values)
    with pytest.raises(OptionError, match=message) as raised:
        parse_study(values, "s.toml")
    assert str(raised.value).startswith("s.toml: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"a = ", "is no TOML"), (b"\xff\xfe", "is UTF-16 text")],
)
def test_what_is_no_file_or_no_toml_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(OptionError, match=message):
        read_study(tmp_path / "s.toml")


def test_the_supplement_is_a_study_whose_paths_alone_are_to_fill_in() -> None:
    study = read_study(str(files("autola_analysis.study") / "supplement.toml"))
    assert [table.kind for table in study.analyses] == [
        "selectivity",
        "embedding",
        "saliency",
        "gates",
        "evaluate",
        "ablation",
        "similarity",
    ]
    assert len(study.models) == 16
    assert all("PATH/TO" in table.files[0] for table in study.models.values())
