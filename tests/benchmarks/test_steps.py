"""Commands side by side: what begins when, what a failure and the end of the time do."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import steps as module
from benchmarks.steps import Step, last_line, run


def step(folder: Path, name: str, code: str, *needs: str) -> Step:
    """Return a step of Python code that knows its output as ``out``."""
    start = f"import sys, time, signal; from pathlib import Path; out = Path({str(folder / name)!r}); "
    return Step(name, folder / name, (sys.executable, "-c", start + code), needs)


def times(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]


def test_a_step_begins_when_what_it_needs_is_there_and_a_place_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """first and second wait for each other; the others note what lies there when they begin."""
    atonce: list[int] = []
    alive: list[subprocess.Popen[bytes]] = []
    original = module._start

    def start(*arguments: Any) -> subprocess.Popen[bytes]:
        alive.append(original(*arguments))
        atonce.append(sum(process.poll() is None for process in alive))
        return alive[-1]

    monkeypatch.setattr(module, "_start", start)
    there = "out.write_text(' '.join(sorted(path.name for path in out.parent.iterdir() if path.is_file())))"
    met = "(out.parent / '{}').mkdir()\nwhile not (out.parent / '{}').is_dir(): time.sleep(0.01)\nout.touch()"
    steps = [
        step(tmp_path, "first", met.format("a", "b")),
        step(tmp_path, "after", there, "first", "second"),
        step(tmp_path, "second", met.format("b", "a")),
        step(tmp_path, "last", there, "after"),
    ]
    assert run(steps, tmp_path, jobs=2) == []
    assert max(atonce) == 2
    after = (tmp_path / "after").read_text().split()
    assert {"first", "second"} <= set(after)
    assert "after" in (tmp_path / "last").read_text().split()
    assert all(row["done"] and row["status"] == 0 and row["jobs"] == 2 for row in times(tmp_path))
    assert len(times(tmp_path)) == 4


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    (tmp_path / "made").touch()
    assert run([step(tmp_path, "made", "sys.exit(3)"), step(tmp_path, "new", "out.touch()", "made")], tmp_path) == []
    assert [row["step"] for row in times(tmp_path)] == ["new"]


def test_a_failure_is_named_and_holds_up_only_what_needs_it(tmp_path: Path) -> None:
    steps = [
        step(tmp_path, "bad", "print('broken'); sys.exit(3)"),
        step(tmp_path, "behind", "out.touch()", "bad"),
        step(tmp_path, "good", "out.touch()"),
    ]
    assert run(steps, tmp_path) == ["bad"]
    assert [each.done for each in steps] == [False, False, True]
    assert last_line(tmp_path, "bad") == "broken"
    assert last_line(tmp_path, "good") == "it printed nothing"
    assert [row["status"] for row in times(tmp_path)] == [3, 0]


def test_the_end_of_the_time_ends_every_command_in_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cleans up and ends, one does not listen and is killed, and nothing more begins."""
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    ending = "signal.signal(signal.SIGTERM, lambda *_: (out.with_suffix('.kept').touch(), sys.exit(0)));"
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    wait = "out.with_suffix('.began').touch(); time.sleep(60)"
    steps = [step(tmp_path, name, how + wait) for name, how in (("kind", ending), ("deaf", deaf), ("idle", ""))]
    started = time.monotonic()
    assert run(steps, tmp_path, jobs=2, seconds=3) == []
    assert time.monotonic() - started < 30
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "deaf.began",
        "kind.began",
        "kind.kept",
        "times.jsonl",
    ]
    assert [row["status"] for row in times(tmp_path)] == [0, -9]


def test_an_error_ends_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    original = module._start

    def start(*arguments: Any) -> subprocess.Popen[bytes]:
        processes.append(original(*arguments))
        return processes[-1]

    monkeypatch.setattr(module, "_start", start)
    monkeypatch.setattr(module, "POLL", "not a number")
    with pytest.raises(TypeError):
        run([step(tmp_path, "endless", "time.sleep(60)")], tmp_path)
    assert [process.returncode for process in processes] == [-15]
