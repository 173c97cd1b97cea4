"""Commands that users get wrong end in one sentence and status 2, or in a report, within seconds."""

import shutil
import time
from pathlib import Path

import pytest

from autola_analysis.cli import main as entry

from .conftest import chosen
from .hostile_commands import CommandCase, cases, write_networks

SECONDS = 60


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_networks(folder)
    return folder


def test_there_are_many_cases_of_every_kind() -> None:
    names = [str(case) for case in cases()]
    assert len(names) == len(set(names)) > 250


@pytest.mark.parametrize("case", chosen(cases(), 29), ids=str)
def test_a_command_ends_in_a_report_or_in_one_sentence(
    case: CommandCase,
    networks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autola_analysis.core.interrupts._watching", True)  # as the command line does
    folder = Path(shutil.copytree(networks, tmp_path / "files"))
    arguments = [*case.prepare(folder), "--out", str(tmp_path / "out"), "--quiet"]
    start = time.monotonic()
    status = entry._run(arguments, debug=False)
    assert time.monotonic() - start < SECONDS
    said = capsys.readouterr().err
    assert status in (0, 2), said
    if status == 0:
        assert (tmp_path / "out" / "index.html").exists()
    else:
        sentences = [line for line in said.splitlines() if line.startswith("autola-analyze: ")]
        assert len(sentences) == 1, said
        assert sentences[0].isprintable()
        assert len(sentences[0]) < 2000
        assert "Traceback" not in said
        assert not (tmp_path / "out").exists()
