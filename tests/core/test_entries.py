import json
import logging
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from autola_analysis.core.cache import cache_folder
from autola_analysis.core.entries import RECORD, content_of, forget_unused, found_entry, is_sound, new_entry, seal
from autola_analysis.core.files import temporary_beside

CONTENT = {"of": "a pass", "number": 0.25}


def entry(cache: Path) -> Path:
    path = cache_folder(cache, "passes") / "some"
    with new_entry(path) as folder:
        (folder / "sums").mkdir()
        (folder / "sums" / "a.bin").write_bytes(bytes(range(40)))
        (folder / "empty").write_bytes(b"")
        seal(folder, CONTENT)
    return path


def test_a_sound_entry_is_found_as_it_was_sealed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = entry(tmp_path)
    assert found_entry(path, "the pass") == CONTENT
    assert found_entry(path.with_name("other"), "the pass") is None
    assert caplog.text == ""


def test_a_flipped_bit_anywhere_is_never_another_content(tmp_path: Path) -> None:
    path = entry(tmp_path)
    draw = random.Random(0)
    for file in (path / RECORD, path / "sums" / "a.bin"):
        whole = file.read_bytes()
        for bit in draw.sample(range(8 * len(whole)), 100):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            file.write_bytes(damaged)
            found = found_entry(path, "the pass")
            # Space between the parts of a record may change and means nothing.
            assert found is None or (found == CONTENT and file.name == RECORD)
        file.write_bytes(whole)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", "{}", '{"sha256": 1}', "[" * 100_000, '{"a":' * 100_000, "\x00", "1" * 10_000]
)
def test_any_text_in_place_of_a_record_is_no_entry(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = entry(tmp_path)
    (path / RECORD).write_text(text)
    with caplog.at_level(logging.WARNING, "autola_analysis"):
        assert found_entry(path, "the pass") is None
    assert caplog.messages == [f"the pass in {path} is not complete or damaged; it is made again."]


def test_a_pipe_in_place_of_a_record_is_no_entry_and_does_not_block(tmp_path: Path) -> None:
    path = entry(tmp_path)
    (path / RECORD).unlink()
    os.mkfifo(path / RECORD)
    assert content_of(path) is None
    assert found_entry(path, "the pass") is None


def test_files_more_or_less_are_damage(tmp_path: Path) -> None:
    path = entry(tmp_path)
    (path / "more").write_text("x")
    assert not is_sound(path)
    (path / "more").unlink()
    assert is_sound(path)
    (path / "empty").unlink()
    assert not is_sound(path)


def test_an_entry_that_another_process_has_finished_is_left(tmp_path: Path) -> None:
    path = entry(tmp_path)
    before = path.stat().st_ino
    entry(tmp_path)
    assert path.stat().st_ino == before
    (path / "empty").unlink()
    entry(tmp_path)
    assert path.stat().st_ino != before
    assert is_sound(path)
    seal(path, {"of": "something else"})
    entry(tmp_path)
    assert content_of(path) == CONTENT


def test_a_record_is_json_with_a_hash_of_every_file(tmp_path: Path) -> None:
    record = json.loads((entry(tmp_path) / RECORD).read_text())
    assert record["files"].keys() == {"empty", "sums/a.bin"}
    assert record["content"] == CONTENT


def month_old(path: Path) -> Path:
    then = time.time() - 31 * 86400
    os.utime(path, (then, then))
    return path


def test_entries_that_were_not_used_for_a_month_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    unused = month_old(entry(tmp_path))
    folder = unused.parent
    used, damaged, noted = (Path(shutil.copytree(unused, folder / name)) for name in ("used", "damaged", "noted"))
    os.utime(used)
    (damaged / RECORD).write_text("{")
    (noted / "sums" / "note").write_text("mine")
    (folder / "own").mkdir()
    (folder / "own" / "file").write_text("mine")
    (folder / "note").write_text("mine")
    for name in ("damaged", "noted", "own", "note"):
        month_old(folder / name)
    (folder / temporary_beside(folder / "dead").name).mkdir()
    forget_unused(folder)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    of_entry = {RECORD, "empty", "sums/a.bin"}
    assert left == {f"{whole}/{name}" for whole in ("used", "damaged") for name in of_entry} | {
        "noted/sums/note",
        "own/file",
        "note",
    }
    assert {path.name for path in folder.iterdir()} == {"used", "damaged", "noted", "own", "note"}
    forget_unused(tmp_path / "not there")


def test_what_no_record_lists_makes_way_for_an_entry_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = entry(tmp_path)
    (path / "note").write_text("mine")
    entry(tmp_path)
    assert is_sound(path)
    kept = path.with_name("some.kept")
    assert [each.name for each in kept.iterdir()] == ["note"]
    assert f"{path} holds what no record lists; it is some.kept now." in caplog.text
