import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autola_analysis import analyses, report
from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.core.columns import INTERVAL, count, number, text
from autola_analysis.core.tables import Table
from autola_analysis.report.anonymous import Cleaner, short_names
from autola_analysis.report.latex import escape, latex_table
from autola_analysis.report.methods import networks_paragraph
from autola_analysis.report.references import FILE, bibliography, read_references
from autola_analysis.report.section import Section
from autola_analysis.statistics.claims import CLAIMS_TABLE
from autola_analysis.study.networks import ACCURACY_TABLE


@pytest.fixture(scope="module")
def whole(make_report: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(tmp_path_factory.mktemp("report") / "out")


def test_the_methods_cite_works_that_the_bibliography_holds_and_no_others(whole: Path) -> None:
    methods = (whole / "methods.md").read_text()
    entries = re.findall(r"^@\w+\{(\w+),", (whole / "references.bib").read_text(), re.MULTILINE)
    assert set(re.findall(r"@(\w+)", methods)) == set(entries)
    assert {"morcos2018", "hu2018", "ma2020"} <= set(entries)
    for said in (
        "plain (1 training run), HOGA <i> (2 training runs), on cluttered-digits, test split",
        "measured on 30 images of 10 classes",
        "under one permutation of the labels",
        "over 2 folds of images",
        "below 0.05 and above 0.95",
    ):
        assert said in methods
    if "saliency" in registrations():
        assert {"selvaraju2017", "adebayo2018"} <= set(entries)
        assert "all networks explain the label of the image" in methods
    if "embedding" in registrations():
        assert "rousseeuw1987" in entries
        assert "vandermaaten2013" not in entries  # the plane is of principal components


BIBLIOGRAPHIES = [
    path for package in (report, analyses) for path in sorted(Path(next(iter(package.__path__))).rglob(FILE))
]


@pytest.mark.parametrize("path", BIBLIOGRAPHIES, ids=lambda path: path.parent.name)
def test_every_reference_is_one_balanced_entry_under_its_key(path: Path) -> None:
    entries = read_references(path.parent)
    assert len(entries) == path.read_text().count("\n@") + path.read_text().startswith("@") > 0
    for key, entry in entries.items():
        assert entry.startswith(("@inproceedings", "@article", "@misc", "@book"))
        assert re.match(r"@\w+\{(\w+),", entry).group(1) == key
        assert entry.count("{") == entry.count("}")
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) = ", entry, re.MULTILINE))


def test_names_that_look_like_citations_are_no_citations() -> None:
    assert bibliography("a network called [@nobody1999]", []) == ""


def test_a_work_is_cited_once_whoever_cites_it() -> None:
    both = [{"a2000": "@misc{a2000,\n}", "b2001": "@misc{b2001,\n}"}, {"a2000": "@misc{a2000,\n}"}]
    assert bibliography("[@a2000] and [@a2000]", both) == "@misc{a2000,\n}\n\n"
    assert Section("one", "One").references == {}


def test_latex_tables_escape_names_and_join_intervals() -> None:
    columns = (text("model"), number("mean"), *INTERVAL, count("units"), text("quote"))
    table = Table("t", columns, latex=True, not_printed=("quote",))
    frame = pd.DataFrame(
        {
            "model": [r"a_b & 50% {x} \y $", "<i>"],
            "mean": [0.5, float("nan")],
            "ci_low": [0.4, float("nan")],
            "ci_high": [0.6, float("nan")],
            "units": [1200, 3],
            "quote": ["long", "long"],
        }
    )
    found = latex_table(frame, table)
    assert r"a\_b \& 50\% \{x\} \textbackslash{}y \$ & 0.5000 & [0.4000, 0.6000] & 1,200 \\" in found
    assert r"\textless{}i\textgreater{} &  &  & 3 \\" in found
    assert r"model & mean & 95\% interval & units \\" in found
    assert r"\begin{tabular}{lrrr}" in found
    assert escape("two\nlines") == "two lines"


def test_summary_tables_are_there_for_a_paper(whole: Path) -> None:
    declared = [table for name in registrations() for table in analysis_of(name).format.tables]
    short = {table.name for table in [ACCURACY_TABLE, CLAIMS_TABLE, *declared] if table.latex}
    of_joints = {"evaluation_keypoints", "evaluation_joints", "saliency_joint_metrics"}
    elsewhere = {"evaluation_detection", "saliency_object_metrics", *of_joints, "search_ranking_summary"}  # --rank
    assert {path.stem for path in (whole / "tables").glob("*.tex")} == short - elsewhere
    assert {"accuracy", "claims", "selectivity_summary"} <= short


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
        "data": {"pets": {"name": "folder:/d/ann/x", "left_out": ["/d/ann/x/1.png"], "fingerprint": "f"}},
        "warnings": ["/scratch/ann/y.png cannot be read", "top-1 is 3/4 and/or 1/2"],
        "study": {"models": {"se": {"paths": ["nets/ann/se.pth"], "name": "SE"}}, "data": {"d": {"source": "cifar10"}}},
        "machine": {"system": "Linux", "host": "annpc", "user": "ann"},
    }
    found = Cleaner(record, Path()).record(record)
    assert "ann" not in re.sub("cannot", "", str(found))
    assert found["command"] == ["autola-analyze", "study", "--ckpt", "SE=se.pth", "--data", "folder:x"]
    assert found["models"][0] == {"model": "SE", "path": "se.pth", "evidence": [], "warnings": []}
    assert found["data"] == {"pets": {"name": "folder:x", "left_out": ["1.png"], "fingerprint": "f"}}
    assert found["warnings"] == ["y.png cannot be read", "top-1 is 3/4 and/or 1/2"]
    assert found["study"]["models"] == {"se": {"paths": ["se.pth"], "name": "SE"}}
    assert found["study"]["data"] == {"d": {"source": "cifar10"}}
    assert found["machine"] == {"system": "Linux"}
    assert record["machine"]["user"] == "ann"


def test_images_are_called_by_the_names_of_their_files_equal_ones_numbered() -> None:
    names = ["/a/x.png", "/b/x.png", "/b/y.png", "test/000001"]
    assert short_names(names) == {
        "/a/x.png": "x.png (1)", "/b/x.png": "x.png (2)", "/b/y.png": "y.png", "test/000001": "000001",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([("resnet20", "none")], "one network, a ("),
        ([("resnet20", "none"), ("resnet20", "se")], "networks that differ in their attention module, a ("),
        ([("resnet20", "none"), ("resnet32", "none")], "networks that differ in their backbone, a ("),
        (
            [("resnet20", "none"), ("resnet32", "se")],
            "networks that differ in their attention module and their backbone",
        ),
        ([None, None], "several networks, a ("),
    ],
)
def test_the_methods_say_what_tells_the_networks_apart(specs: list[tuple[str, str] | None], expected: str) -> None:
    names = "ab"[: len(specs)]
    described = [spec and dict(zip(("backbone", "attention"), spec, strict=True)) for spec in specs]
    models = [{"model": name, "spec": spec} for name, spec in zip(names, described, strict=True)]
    detectors = [
        {"model": name, "spec": spec and {"kind": "ssd300", "backbone": spec}}
        for name, spec in zip(names, described, strict=True)
    ]
    accuracy = pd.DataFrame({"model": list(names), "run": ["1"] * len(specs)})
    for each in (models, detectors):
        assert networks_paragraph(accuracy, "digits", {}, {}, each).startswith(f"We analysed {expected}")
