"""Files of users: pipes do not block, and text that would break what takes it is refused by a sentence."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from autola_analysis.attention import Genotype
from autola_analysis.checkpoints.class_names import read_class_names
from autola_analysis.core.errors import AutolaError
from autola_analysis.core.files import sha256_of
from autola_analysis.core.reading import DEEPEST, TextFault, json_of, open_ordinary, read_bytes, read_text, toml_of
from autola_analysis.data.boxes import read_boxes
from autola_analysis.data.coco import CocoObjects
from autola_analysis.report.record import read_record
from autola_analysis.study.file import read_study

DEEP = 100_000
LONG = "9" * 5000
BAD_JSON = {
    "lists": ("[" * DEEP + "]" * DEEP, "nested more than"),
    "tables": ('{"a":' * DEEP + "1" + "}" * DEEP, "nested more than"),
    "a little too deep": ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested more than 64 levels"),
    "integer of 5,000 digits": (f'{{"a": [{LONG}]}}', "a number or a date that cannot be read: Exceeds the limit"),
    "integer of 400 digits": (f"[1{'0' * 400}]", "integer of 1329 bits"),
    "float": ("[1e999]", "the number 1e999 is too large"),
    "NaN": ("[NaN]", "has the value NaN"),
    "infinity": ("[-Infinity]", "has the value -Infinity"),
    "null character": (r'["a\u0000b"]', "null character"),
    "null character in a key": (r'{"\u0000": 1}', "null character"),
    "cut off": ('{"a": ', "it is no JSON: Expecting value"),
    "nothing": ("", "it is no JSON"),
}
BAD_TOML = {
    "lists": (f"a = {'[' * DEEP}{']' * DEEP}", "nested more than"),
    "tables": (f"a = {'{b = ' * 3000}1{'}' * 3000}", "nested more than"),
    "dotted key": (".".join("a" * DEEP) + " = 1", "line 1 has more than 1,000 dots"),
    "integer of 5,000 digits": (f"a = {LONG}", "a number or a date that cannot be read"),
    "integer of 20 digits": ("a = 99999999999999999999", "integer of 67 bits"),
    "null character": (r'a = "x\u0000"', "null character"),
    "no date": ("a = 2020-13-01", "it is no TOML|a number or a date"),
    "no TOML": ("a = = 1", "it is no TOML"),
}
BAD_BYTES = {
    "UTF-16": ("[1]".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
    "UTF-16 the other way": (b"\xfe\xff\0[", "it is UTF-16 text"),
    "Latin-1": ('["é"]'.encode("latin-1"), r"it is no UTF-8 text \(byte 2 is 0xe9\)"),
    "null bytes": (b"[1]\0", "null characters"),
}
READERS = {
    "classes": read_class_names,
    "genotype": Genotype.from_json,
    "boxes": read_boxes,
    "objects": CocoObjects,
    "study": read_study,
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_is_out_of_bounds_is_refused(name: str) -> None:
    text, sentence = BAD_JSON[name]
    with pytest.raises(TextFault, match=sentence):
        json_of(text)


@pytest.mark.parametrize("name", BAD_TOML)
def test_toml_that_is_out_of_bounds_is_refused(name: str) -> None:
    text, sentence = BAD_TOML[name]
    with pytest.raises(TextFault, match=sentence):
        toml_of(text)


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bytes_that_are_no_text_are_refused(name: str, tmp_path: Path) -> None:
    content, sentence = BAD_BYTES[name]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TextFault, match=sentence):
        read_text(tmp_path / "x")


def test_what_is_within_bounds_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": [1, -2.5, true, null, "\xc3\xa9"]}')
    assert json_of(read_text(tmp_path / "x.json")) == {"a": [1, -2.5, True, None, "é"]}
    assert json_of("[" * DEEPEST + "]" * DEEPEST)
    assert json_of(str(2**63 - 1)) == 2**63 - 1
    assert toml_of("a.b = 1\r\nc = [2, 3]") == {"a": {"b": 1}, "c": [2, 3]}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_only_ordinary_files_are_read(reader: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        socket.socket(socket.AF_UNIX).bind(str(path))
    with pytest.raises(AutolaError, match=r"(?i)(no ordinary file|directory|no such device|holds no \.xml)"):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", [BAD_JSON["lists"][0], BAD_JSON["integer of 5,000 digits"][0], "[1e999", "\0"])
def test_every_reader_makes_a_sentence_of_it(reader: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(AutolaError) as caught:
        READERS[reader](path)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_pipe_in_a_report_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(AutolaError, match="No ordinary file"):
        read_record(tmp_path)
    with pytest.raises(OSError, match="No ordinary file"):
        sha256_of(tmp_path / "run.json")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_bytes(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="It has 5 bytes, and up to 4 are read"):
        read_bytes(tmp_path / "x", 4)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="No ordinary file"):
        open_ordinary(tmp_path / "pipe")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("reader", READERS)
def test_the_home_of_nobody_is_named(reader: str) -> None:
    with pytest.raises(AutolaError, match=r"~nosuchuser/x\.json begins with the home of a user that is not known here"):
        READERS[reader]("~nosuchuser/x.json")


def interrupted_at(step: int, path: Path) -> bool:
    """Open a file and interrupt that before a bytecode instruction; return whether there are so many."""
    left = step

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        open_ordinary(path).close()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_while_a_file_is_opened_stays_an_interrupt(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    steps = 1
    while interrupted_at(steps, tmp_path / "a"):  # else: a bad file descriptor, or another thread's file closed
        steps += 1
    assert steps > 10
