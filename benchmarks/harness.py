"""Contenders in processes of their own, interleaved; medians, ratios, peak memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measured:
    """Several runs of one contender.

    Attributes:
        seconds: Time of the work alone, per run, after one run that is not counted.
        peak_mib: Largest resident memory of the process, per run.
        values: A number that says how good the result is, per run; empty where none was asked for.
    """

    seconds: list[float]
    peak_mib: list[float]
    values: list[float] = field(default_factory=list)


def report_run(work: Callable[[], Any], warm_up: bool = True, value: Callable[[Any], float] | None = None) -> None:
    """Time some work in this process and print the figures as one JSON line, for `interleave` to read.

    Args:
        work: What to time.
        warm_up: Whether it runs once before.
        value: Rates what the work returned, outside the time.
    """
    if warm_up:
        work()
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    print_run(seconds, value(result) if value else None)


def print_run(seconds: float, value: float | None = None) -> None:
    """Print the time of some work in this process, its peak memory and how good it was, for `interleave` to read."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rated = {} if value is None else {"value": value}
    print(json.dumps({"seconds": seconds, "peak_mib": peak, **rated}))


def interleave(commands: dict[str, list[str]], runs: int) -> dict[str, Measured]:
    """Run ``python -m`` commands in turn, A B A B ..., each in a fresh process."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            process = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=True)
            found[name].append(json.loads(process.stdout.splitlines()[-1]))
    return {
        name: Measured(
            [run["seconds"] for run in each],
            [run["peak_mib"] for run in each],
            [run["value"] for run in each if "value" in run],
        )
        for name, each in found.items()
    }


def ratios(numerator: Measured, denominator: Measured) -> tuple[float, float, float]:
    """Return median, smallest and largest ratio of paired runs."""
    pairs = [a / b for a, b in zip(numerator.seconds, denominator.seconds, strict=True)]
    return median(pairs), min(pairs), max(pairs)
