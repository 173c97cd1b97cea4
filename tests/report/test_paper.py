import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis.report.anonymous import anonymous_images, anonymous_record
from autola_analysis.report.latex import escape, latex_table
from autola_analysis.report.references import BIBTEX, bibliography
from tests.report.conftest import Results


@pytest.fixture(scope="module")
def whole(make_report: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(tmp_path_factory.mktemp("report") / "out")


def test_the_methods_cite_works_that_the_bibliography_holds_and_no_others(whole: Path) -> None:
    methods = (whole / "methods.md").read_text()
    entries = re.findall(r"^@\w+\{(\w+),", (whole / "references.bib").read_text(), re.MULTILINE)
    assert set(re.findall(r"@(\w+)", methods)) == set(entries)
    assert {"morcos2018", "selvaraju2017", "rousseeuw1987", "hu2018", "adebayo2018", "ma2020"} <= set(entries)
    assert "vandermaaten2013" not in entries  # the plane is of principal components
    for said in (
        "None (1 training run), HOGA <i> (2 training runs), on cluttered-digits, test split",
        "measured on 30 images of 10 classes",
        "under one permutation of the labels",
        "over 2 folds of images",
        "all networks explain the label of the image",
        "below 0.05 and above 0.95",
    ):
        assert said in methods


def test_every_reference_is_one_balanced_entry_under_its_key() -> None:
    for key, entry in BIBTEX.items():
        assert entry.startswith(("@inproceedings", "@article", "@misc", "@book"))
        assert re.match(r"@\w+\{(\w+),", entry).group(1) == key
        assert entry.count("{") == entry.count("}")
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) = ", entry, re.MULTILINE))


def test_names_that_look_like_citations_are_no_citations() -> None:
    assert bibliography("a network called [@nobody1999]") == ""


def test_latex_tables_escape_names_and_join_intervals() -> None:
    table = pd.DataFrame(
        {
            "model": [r"a_b & 50% {x} \y $", "<i>"],
            "mean": [0.5, float("nan")],
            "ci_low": [0.4, float("nan")],
            "ci_high": [0.6, float("nan")],
            "units": [1200, 3],
        }
    )
    text = latex_table(table)
    assert r"a\_b \& 50\% \{x\} \textbackslash{}y \$ & 0.5000 & [0.4000, 0.6000] & 1,200 \\" in text
    assert r"\textless{}i\textgreater{} &  &  & 3 \\" in text
    assert r"model & mean & 95\% interval & units \\" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert escape("two\nlines") == "two lines"


def test_summary_tables_are_there_for_a_paper(whole: Path) -> None:
    assert {path.stem for path in (whole / "tables").glob("*.tex")} == {
        "accuracy", "selectivity_summary", "saliency_metrics", "embedding_quality", "sanity", "claims",
    }  # fmt: skip


def test_an_anonymous_record_holds_no_path_no_host_and_no_user() -> None:
    record = {
        "command": [
            "/home/ann/bin/autola-analyze",
            "study",
            "--ckpt",
            "SE=runs/ann/se.pth",
            "--data",
            "folder:/d/ann/x",
        ],
        "models": [{"model": "SE", "path": "/lab/my nets/ann/se.pth", "evidence": ["read /lab/my nets/ann/se.pth"]}],
        "data": {"name": "folder:/d/ann/x", "left_out": ["/d/ann/x/1.png"], "fingerprint": "f"},
        "warnings": ["/scratch/ann/y.png cannot be read", "top-1 is 3/4 and/or 1/2"],
        "study": {"models": {"se": {"paths": ["nets/ann/se.pth"], "name": "SE"}}, "data": {"d": {"source": "cifar10"}}},
        "machine": {"system": "Linux", "host": "annpc", "user": "ann"},
    }
    found = anonymous_record(record)
    assert "ann" not in re.sub("cannot", "", str(found))
    assert found["command"] == ["autola-analyze", "study", "--ckpt", "SE=se.pth", "--data", "folder:x"]
    assert found["models"][0] == {"model": "SE", "path": "se.pth", "evidence": ["read se.pth"]}
    assert found["data"] == {"name": "folder:x", "left_out": ["1.png"], "fingerprint": "f"}
    assert found["warnings"] == ["y.png cannot be read", "top-1 is 3/4 and/or 1/2"]
    assert found["study"]["models"] == {"se": {"paths": ["se.pth"], "name": "SE"}}
    assert found["study"]["data"] == {"d": {"source": "cifar10"}}
    assert found["machine"] == {"system": "Linux"}
    assert record["machine"]["user"] == "ann"


def test_anonymous_images_are_called_by_the_names_of_their_files(results: Results) -> None:
    result = results.saliency
    first, second, *_ = dict.fromkeys(result.images["image"])
    renamed = {first: "/a/x.png", second: "/b/x.png"}
    result = replace(
        result,
        images=result.images.assign(image=result.images["image"].replace(renamed)),
        pictures=[replace(result.pictures[0], image="/b/x.png")],
    )
    found = anonymous_images(result)
    names = list(dict.fromkeys(found.images["image"]))
    assert names[:2] == ["x.png (1)", "x.png (2)"]
    assert len(names) == 30
    assert found.pictures[0].image == "x.png (2)"
