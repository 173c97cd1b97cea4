"""Programs in processes of their own that are under way at once.

They are forked from a process that has imported the package and all that it needs, which takes ten seconds on a slow
machine. What a test shows about imports, or about a fresh interpreter, it starts by itself.
"""

import atexit
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, set_start_method
from pathlib import Path

from autola_analysis.analyses.registry import registrations

ROOT = Path(__file__).parents[1]
PRELOADED = [
    "tests.surroundings",  # the first
    "autola_analysis.cli.main",
    "autola_analysis.study.demo",
    "autola_analysis.study.run",
    *(each.analysis.partition(":")[0] for each in registrations().values()),
    "autola_analysis.training.trainer",
    "tests.robustness.commands",
    "tests.forked",  # the last
]

context = get_context("forkserver")
context.set_forkserver_preload(PRELOADED)

Finished = subprocess.CompletedProcess[str]


class Program:
    """``python -m ARGUMENTS`` under way.

    Args:
        arguments: Of Python, from the module on.
        folder: Working directory.
        variables: Of the environment, beside this process's own. With ``PYTHONPATH`` the package is imported anew, so
            that a copy of it can be run.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        folder: Path = ROOT,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = [str(each) for each in arguments]
        self._streams = Path(tempfile.mkdtemp())
        given = (["-m", *self._arguments], str(folder), dict(variables or {}), dict(os.environ))
        streams = (f"{self._streams}/out", f"{self._streams}/err")
        self._process = context.Process(target=run_python, args=(*given, *streams))
        self._process.start()

    def finished(self, patience: float = 300) -> Finished:
        """Wait for the end."""
        self._process.join(patience)
        status = self._process.exitcode
        self.kill()
        assert status is not None, f"{self._arguments} was not done after {patience:g} s"
        texts = [(self._streams / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")]
        shutil.rmtree(self._streams)
        return Finished(self._arguments, status, *texts)

    def kill(self) -> None:
        """End it if it has not ended."""
        self._process.kill()
        self._process.join()


def run(arguments: Sequence[object], folder: Path = ROOT, variables: Mapping[str, str] | None = None) -> Finished:
    """Run ``python -m ARGUMENTS`` to its end, see `Program`."""
    return Program(arguments, folder, variables).finished()


def become(folder: str, environment: Mapping[str, str], out: str, err: str) -> None:
    """Be in a folder, with an environment and with files as the streams, as a process that was started anew."""
    set_start_method("fork", force=True)  # for its own processes: what a program has that nobody forked
    os.chdir(folder)
    for stream, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)


def run_python(
    arguments: Sequence[str],
    folder: str,
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    out: str,
    err: str,
) -> None:
    """Be ``python ARGUMENTS``, which begin with ``-m`` or ``-c``; see `become` and `Program`."""
    become(folder, {**environment, **variables}, out, err)
    kind, what, *others = arguments
    sys.argv = [what if kind == "-m" else kind, *others]
    sys.path.insert(0, folder)
    if "PYTHONPATH" in variables:
        sys.path[1:1] = variables["PYTHONPATH"].split(os.pathsep)
        for name in [name for name in sys.modules if name.partition(".")[0] == "autola_analysis"]:
            del sys.modules[name]
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()  # which a forked process leaves out
