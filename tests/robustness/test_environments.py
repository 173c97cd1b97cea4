"""Surroundings that a command may meet: it writes the report of a clean run, or says one sentence."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import EVERYTHING, chosen

ROOT = Path(__file__).parents[2]
SECONDS = 600  # on a very busy machine; a quiet one takes ten


@dataclass(frozen=True)
class Surroundings:
    """What is odd about a run.

    Attributes:
        name: Of the case.
        variables: Of the environment; an empty one is taken away.
        redirected: Streams, as a shell has them.
        before: What a shell does in the working directory first.
        matplotlibrc: Settings of matplotlib there.
        startup: What Python runs before anything else.
    """

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    redirected: str = ""
    before: str = ":"
    matplotlibrc: str = ""
    startup: str = ""

    def __str__(self) -> str:
        return self.name


NO_HOME = {"HOME": "", "USER": "", "LOGNAME": "", "XDG_CACHE_HOME": "", "AUTOLA_CACHE": ""}
RC = "text.usetex: True\nbackend: nonsense\nfont.family: nothing\nsavefig.dpi: 3\nlines.linewidth: 40\n"
CP1252 = {"PYTHONIOENCODING": "cp1252", "LC_ALL": "C"}
UNKNOWN = """
import pwd
def nobody(*_):
    raise KeyError("getpwuid(): uid not found: 54321")
pwd.getpwuid = pwd.getpwnam = nobody
"""
CASES = [
    Surroundings(
        "all at once",
        {**NO_HOME, **CP1252, "MPLBACKEND": "nonsense"},
        "<&- >&- 2>&-",
        matplotlibrc=RC,
        startup=UNKNOWN,
    ),
    Surroundings("a user that the system does not know", NO_HOME, startup=UNKNOWN),
    Surroundings("no home", NO_HOME),
    Surroundings("a backend that is none", {"MPLBACKEND": "nonsense"}),
    Surroundings("settings of matplotlib", matplotlibrc=RC),
    Surroundings("a console of cp1252", CP1252),
    Surroundings("no streams", redirected="<&- >&- 2>&-"),
    Surroundings("no standard error", redirected="2>&-"),
    Surroundings("no standard output", redirected=">&-"),
    Surroundings("leftovers of a launcher", {"RANK": "3", "WORLD_SIZE": "4"}),
    Surroundings("one process of a launcher", {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "x", "MASTER_PORT": "y"}),
]


def run_in(case: Surroundings, checkpoint: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder of its own."""
    folder.mkdir()
    if case.matplotlibrc:
        (folder / "matplotlibrc").write_text(case.matplotlibrc)
    command = [sys.executable, "-m", "autola_analysis", "embed", "--ckpt", f"注意={checkpoint}", "--method", "pca"]
    command += ["--data", "cluttered-digits", "--limit", "20", "--no-cache", "--device", "cpu"]
    command += ["--out", str(folder / "out")]
    (folder / "startup").mkdir()
    (folder / "startup" / "sitecustomize.py").write_text(case.startup)
    paths = os.pathsep.join([str(folder / "startup"), str(ROOT)])
    changed = {**os.environ, "PYTHONPATH": paths, **case.variables}
    variables = {name: value for name, value in changed.items() if value}
    script = f'{case.before}; exec "$@" {case.redirected}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS,
    )


def numbers(report: Path) -> dict[str, str]:
    """Return the hashes of everything that holds numbers or shows them."""
    files = [*(report / "tables").iterdir(), *(report / "arrays").iterdir(), *(report / "figures").glob("*.png")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A checkpoint, and what a run in usual surroundings writes."""
    from autola_analysis.backbones import ModelSpec
    from autola_analysis.checkpoints import save_model
    from autola_analysis.data import Preprocessing

    folder = tmp_path_factory.mktemp("clean")
    spec = ModelSpec("resnet20", "se", 10, {"width": 4})
    checkpoint = save_model(folder / "net.safetensors", spec.build(), spec, preprocessing=Preprocessing())
    process = run_in(Surroundings("clean"), checkpoint, folder / "run")
    assert process.returncode == 0, process.stderr
    return checkpoint, numbers(folder / "run" / "out")


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("case", chosen(CASES, len(CASES)), ids=str)
def test_the_report_is_that_of_a_clean_run(
    case: Surroundings, clean: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    checkpoint, expected = clean
    process = run_in(case, checkpoint, tmp_path / "run")
    assert process.returncode == 0, process.stderr
    assert numbers(tmp_path / "run" / "out") == expected
    assert "Traceback" not in process.stderr
    if case.name == "leftovers of a launcher":
        assert "RANK, WORLD_SIZE of the environment are ignored" in process.stderr


def test_a_deleted_working_directory_is_one_sentence(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    case = Surroundings("deleted", before='mkdir gone; cd gone; rmdir "$PWD"')
    process = run_in(case, checkpoint(), tmp_path / "run")
    assert process.returncode == 2
    assert process.stderr == "autola-analyze: the working directory has been deleted; change to one that exists (cd).\n"


@pytest.mark.parametrize("kilobytes", [600_000, 1_200_000] if EVERYTHING else [1_200_000])
def test_too_little_address_space_is_one_sentence(
    kilobytes: int, checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    process = run_in(Surroundings("small", before=f"ulimit -v {kilobytes}"), checkpoint(), tmp_path / "run")
    assert process.returncode == 2, process.stderr
    assert process.stderr.splitlines()[-1].startswith("autola-analyze: memory has run out (")
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run" / "out").exists()


def test_programs_that_are_started_have_the_streams_too(tmp_path: Path) -> None:
    started = "import os; open('found', 'w').write(str([os.fstat(number).st_rdev for number in range(3)]))"
    script = (
        "import subprocess, sys; from autola_analysis.cli.environment import mend_streams; mend_streams(); "
        f"sys.exit(subprocess.run([sys.executable, '-c', {started!r}]).returncode)"
    )
    closed = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", script]
    subprocess.run(closed, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=SECONDS)
    assert (tmp_path / "found").read_text() == str([Path(os.devnull).stat().st_rdev] * 3)
