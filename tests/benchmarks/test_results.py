"""The Markdown file that benchmarks leave."""

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import SKIPPED, default_out, run_part
from benchmarks.results import machine_facts, recorded, write_section
from benchmarks.small.measuring import Setting, alternate, installed, need, print_ratios


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "results.md"
    for name, text in (("hoga", "| a |\n"), ("saliency", "| b |\n\n| c |\n"), ("hoga", "| d |\n")):
        write_section(file, name, text, machine_facts("cpu"))
    lines = file.read_text().splitlines()
    assert [line for line in lines if line.startswith(("#", "|"))] == [
        "# Results",
        "## hoga",
        "| d |",
        "## saliency",
        "| b |",
        "| c |",
    ]
    (facts,) = {line.rpartition(";")[0] for line in lines if "threads" in line}
    assert "torch" in facts


def test_results_are_written_without_being_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OUT", raising=False)
    files = [default_out("cpu", small=True), default_out("cpu", small=False), default_out("cuda", small=True)]
    assert [file.name for file in files] == ["RESULTS-quick.md", "RESULTS-full.md", "RESULTS-gpu.md"]
    assert {file.parent.name for file in files} == {"benchmarks"}
    monkeypatch.setenv("OUT", str(tmp_path))
    assert default_out("cpu", small=True) == tmp_path / "RESULTS-quick.md"


def test_what_is_printed_is_shown_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with recorded() as kept:
        sys.stdout.write("| 1 |\n")
    assert kept.getvalue() == capsys.readouterr().out == "| 1 |\n"


def test_a_part_without_its_packages_is_skipped_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.md"
    status = run_part("saliency", lambda setting: need("torch", "no_such_package"), Setting(), out)
    assert status == SKIPPED
    assert capsys.readouterr().out == "skipped: no_such_package not installed here\n\n"
    assert not out.exists()


def test_contenders_without_their_packages_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert installed({"ours": "", "torch": "torch", "theirs": "no_such_package"}) == ["ours", "torch"]
    assert capsys.readouterr().out == "left out: no_such_package is not installed here\n\n"


def test_contenders_take_turns_after_a_call_that_is_not_counted() -> None:
    called: list[str] = []
    seconds = alternate({name: lambda name=name: called.append(name) for name in "ab"}, Setting(rounds=2))
    assert "".join(called) == "ababab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_ratios_are_of_pairs_within_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    print_ratios({"a": [1.0, 2.0, 9.0], "b": [2.0, 2.0, 3.0]}, [("a", "b"), ("a", "not run")])
    assert capsys.readouterr().out.splitlines()[2:] == ["| a | b | 1.00 (0.50 to 3.00) |", ""]
