import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autola_analysis.core.errors import ReportError
from autola_analysis.core.files import sha256_of, temporary_beside
from autola_analysis.report.directory import check_free, refuse_inputs_inside, report_directory
from autola_analysis.report.ownership import MANIFEST, TOOL
from autola_analysis.report.record import write_record

RECORD = {"tool": TOOL}


def write_report(out: Path, content: str, overwrite: bool = False) -> None:
    with report_directory(out, overwrite) as directory:
        (directory / "index.html").write_text(content)
        assert not (out / "index.html").exists() or (out / "index.html").read_text() != content
        write_record(directory, RECORD)


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
    with pytest.raises(ReportError, match=r"holds files and no report of autola-analysis .* choose another --out"):
        write_report(tmp_path / "folder", "new", overwrite=True)
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_report(tmp_path / "out", "new")
    assert (tmp_path / "out" / "index.html").read_text() == "new"


def test_what_a_killed_run_left_is_cleared_or_put_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    temporary_beside(out).mkdir()
    others = tmp_path / ".out.partial-mine"  # no name of ours
    others.mkdir()
    out.rename(tmp_path / ".out.replaced")  # killed between two renames
    with pytest.raises(ReportError, match="--overwrite"):
        write_report(out, "new")
    assert (out / "index.html").read_text() == "old"
    assert names(tmp_path) == [others.name, "out"]


def test_a_parent_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write a report into"):
        write_report(tmp_path / "file" / "out", "new")


def test_what_somebody_wrote_there_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def overtaken() -> None:
        with report_directory(out) as directory:
            write_record(directory, RECORD)
            theirs = tmp_path / "theirs"
            write_report(theirs, "theirs")
            theirs.rename(out)

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


def everything_in(folder: Path) -> dict[str, str]:
    """Return every file and link below a folder -> its text, or where it points to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = f"-> {path.readlink()}"
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_text()
    return found


def with_the_users_own(out: Path) -> dict[str, str]:
    """Put own things into a report and edit one of its files; return what has to survive."""
    (out / "index.html").write_text("edited")
    (out / "notes.md").write_text("mine")
    (out / ".hidden").write_text("mine too")
    (out / "figures").mkdir()
    (out / "figures" / "own.png").write_text("a figure")
    (out / "link").symlink_to("nowhere")
    (out / "empty").mkdir()
    return {
        "index.kept.html": "edited",
        "notes.md": "mine",
        ".hidden": "mine too",
        "figures/own.png": "a figure",
        "link": "-> nowhere",
    }


def test_what_no_run_wrote_survives_the_replacement_under_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    mine = with_the_users_own(out)
    write_report(out, "new", overwrite=True)
    found = everything_in(out)
    assert found.pop(MANIFEST)
    assert found == {"index.html": "new", **mine}
    assert (out / "empty").is_dir()
    assert "keeps what no run wrote: " in caplog.text
    assert " and 3 more." in caplog.text
    assert names(tmp_path) == ["out"]
    write_report(out, "newer", overwrite=True)
    assert everything_in(out).keys() == {"index.html", MANIFEST, *mine}


@pytest.mark.parametrize("mounted", [False, True])
def test_a_record_that_lists_files_outside_the_report_removes_none_of_them(
    mounted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    write_report(out, "old")
    (precious / "figures").mkdir(parents=True)
    (precious / "figures" / "a.png").write_text("mine")
    (out / "figures").symlink_to(precious / "figures")
    record = json.loads((out / MANIFEST).read_text())
    for name in ("figures/a.png", "../precious/figures/a.png", str(precious / "figures" / "a.png")):
        record["outputs"][name] = sha256_of(precious / "figures" / "a.png")
    (out / MANIFEST).write_text(json.dumps(record))
    monkeypatch.setattr(os.path, "ismount", lambda path: mounted and str(path) == str(out))
    write_report(out, "new", overwrite=True)
    assert everything_in(precious) == {"figures/a.png": "mine"}
    assert (out / "figures").readlink() == precious / "figures"


def test_an_interruption_while_own_files_move_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write_report(out, "old")
    mine = with_the_users_own(out)
    original, moved = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        moved.append(self)
        if len(moved) > 4:  # the two directories and two of the user's things have moved
            raise SystemExit(9)
        return original(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(SystemExit):
        write_report(out, "new", overwrite=True)
    monkeypatch.undo()
    with pytest.raises(ReportError, match="holds a report already"):
        write_report(out, "newer")
    found = everything_in(out)
    assert found.pop(MANIFEST)
    assert found == {"index.html": "new", **mine}
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "record",
    ['{"tool": "other", "outputs": {}}', '{"outputs": {}}', "[]", "{", '{"tool": "autola-analysis"}', "[" * 10**5],
    ids=["another tool", "no tool", "no record", "no JSON", "no outputs", "nested"],
)
def test_the_record_of_other_software_is_no_mark(record: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text(record)
    (out / "weights.bin").write_text("mine")
    before = everything_in(out)
    with pytest.raises(ReportError, match="holds files and no report of autola-analysis"):
        write_report(out, "new", overwrite=True)
    assert everything_in(out) == before


def test_a_record_that_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(ReportError, match="holds files and no report"):
        check_free(tmp_path, overwrite=True)


def test_a_second_process_that_writes_there_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hold = "import fcntl, sys, time; file = open(sys.argv[1], 'a'); fcntl.lockf(file, fcntl.LOCK_EX)\n"
    command = [sys.executable, "-c", f"{hold}print('held', flush=True); time.sleep(60)", tmp_path / ".out.lock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ReportError, match=r"is writing a report at .*out; wait until it has ended"):
            write_report(out, "new")
    finally:
        process.kill()
        process.communicate()
    write_report(out, "new")
    assert names(tmp_path) == ["out"]


def test_a_mount_point_is_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(out))
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) == str(out))  # nor may anything lie beside it
    write_report(out, "first")
    mine = with_the_users_own(out)
    write_report(out, "second", overwrite=True)
    found = everything_in(out)
    assert found.pop(MANIFEST)
    assert found == {"index.html": "second", **mine}
    with pytest.raises(ValueError, match="broken"), report_directory(out, overwrite=True):
        raise ValueError("broken")
    assert everything_in(out).keys() == {"index.html", MANIFEST, *mine}
    assert names(tmp_path) == ["out"]


def test_a_place_that_may_not_be_written_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ReportError, match="this user may not write there; choose another --out"):
        check_free(tmp_path / "not" / "there" / "out")


def test_inputs_inside_the_report_and_reports_among_the_images_are_refused(tmp_path: Path) -> None:
    out, images = tmp_path / "out", tmp_path / "images"
    (tmp_path / "linked").symlink_to(out)
    refuse_inputs_inside(out, {tmp_path / "output.pth": "the checkpoint", images: "the images' folder"}, {images: "it"})
    for path in (out, out / "net.pth", tmp_path / "linked" / "net.pth"):
        with pytest.raises(ReportError, match=r"^the checkpoint .* lies inside --out .*; choose another --out\.$"):
            refuse_inputs_inside(out, {path: "the checkpoint"}, {})
    for place in (images, images / "reports" / "one"):
        with pytest.raises(ReportError, match=r"lies inside the images' folder .*, where the next run would take it"):
            refuse_inputs_inside(place, {}, {images: "the images' folder"})
