import os
from pathlib import Path

import pytest

from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import temporary_beside
from autola_analysis.report.directory import MANIFEST, report_directory


def write_report(out: Path, content: str, overwrite: bool = False) -> None:
    with report_directory(out, overwrite) as directory:
        (directory / "index.html").write_text(content)
        assert not (out / "index.html").exists() or (out / "index.html").read_text() != content
        (directory / MANIFEST).write_text("{}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_report_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "deep" / "out", "new")
    assert (tmp_path / "deep" / "out" / "index.html").read_text() == "new"
    assert names(tmp_path / "deep") == ["out"]


def test_after_an_exception_nothing_is_left(tmp_path: Path) -> None:
    def breaks() -> None:
        with report_directory(tmp_path / "out") as directory:
            (directory / "index.html").write_text("half")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        breaks()
    assert names(tmp_path) == []


def test_a_report_without_its_record_is_not_finished(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"must end with run\.json"), report_directory(tmp_path / "out") as directory:
        (directory / "index.html").write_text("half")
    assert names(tmp_path) == []


def test_an_earlier_report_is_replaced_only_when_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    with pytest.raises(ReportError, match="holds a report already; give --overwrite"):
        write_report(out, "new")
    assert (out / "index.html").read_text() == "old"
    write_report(out, "new", overwrite=True)
    assert (out / "index.html").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_an_earlier_report_survives_a_failed_replacement(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    with pytest.raises(ValueError, match="broken"), report_directory(out, overwrite=True):
        raise ValueError("broken")
    assert (out / "index.html").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_files_and_folders_that_are_no_report_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with pytest.raises(ReportError, match="is a file; --out names a directory"):
        write_report(tmp_path / "file", "new", overwrite=True)
    with pytest.raises(ReportError, match=r"holds files and no report .* choose another --out"):
        write_report(tmp_path / "folder", "new", overwrite=True)
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_report(tmp_path / "out", "new")
    assert (tmp_path / "out" / "index.html").read_text() == "new"


def test_what_a_killed_run_left_is_cleared_or_put_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    dead = next(number for number in range(400_000, 500_000) if not Path(f"/proc/{number}").exists())
    own = temporary_beside(out).name.rpartition("-")[0]
    (tmp_path / f"{own}-{dead}").mkdir()
    mine = tmp_path / f"{own}-{os.getppid()}"
    mine.mkdir()
    out.rename(tmp_path / ".out.replaced")  # killed between two renames
    with pytest.raises(ReportError, match="--overwrite"):
        write_report(out, "new")
    assert (out / "index.html").read_text() == "old"
    assert names(tmp_path) == [mine.name, "out"]


def test_a_parent_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write a report into"):
        write_report(tmp_path / "file" / "out", "new")


def test_what_somebody_wrote_there_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def overtaken() -> None:
        with report_directory(out) as directory:
            (directory / MANIFEST).write_text("{}")
            write_report(out, "theirs")

    with pytest.raises(ReportError, match="holds a report already"):
        overtaken()
    assert (out / "index.html").read_text() == "theirs"
    assert names(tmp_path) == ["out"]


def test_odd_names_are_names_and_made_parents_are_removed_after_an_error(tmp_path: Path) -> None:
    write_report(tmp_path / "a**b[1]", "new")
    assert names(tmp_path) == ["a**b[1]"]
    with pytest.raises(ReportError, match="not finished"), report_directory(tmp_path / "x" / "y" / "out"):
        pass
    assert names(tmp_path) == ["a**b[1]"]


def test_a_link_stays_a_link_to_the_report(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "report"
    elsewhere.mkdir(parents=True)
    link = tmp_path / "out"
    link.symlink_to(elsewhere)
    for content in ("first", "second"):
        write_report(link, content, overwrite=True)
        assert link.is_symlink()
        assert (elsewhere / "index.html").read_text() == content
    assert names(tmp_path) == ["disk", "out"]
    assert names(tmp_path / "disk") == ["report"]
