"""Contenders in processes of their own, interleaved; medians, ratios, peak memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measured:
    """Several runs of one contender.

    Attributes:
        seconds: Time of the work alone, per run, after one run that is not counted.
        peak_mib: Largest resident memory of the process, per run.
    """

    seconds: list[float]
    peak_mib: list[float]


def report_run(work: Callable[[], object], warm_up: bool = True) -> None:
    """Time some work in this process and print the figures as one JSON line, for `interleave` to read."""
    if warm_up:
        work()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


def interleave(commands: dict[str, list[str]], runs: int) -> dict[str, Measured]:
    """Run ``python -m`` commands in turn, A B A B ..., each in a fresh process."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            process = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=True)
            found[name].append(json.loads(process.stdout.splitlines()[-1]))
    return {
        name: Measured([run["seconds"] for run in each], [run["peak_mib"] for run in each])
        for name, each in found.items()
    }


def ratios(numerator: Measured, denominator: Measured) -> tuple[float, float, float]:
    """Return median, smallest and largest ratio of paired runs."""
    pairs = [a / b for a, b in zip(numerator.seconds, denominator.seconds, strict=True)]
    return median(pairs), min(pairs), max(pairs)
