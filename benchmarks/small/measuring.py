"""Contenders that take turns in one process, and a table of their ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any, TypeVar

import torch

T = TypeVar("T")
Calls = Mapping[str, Callable[[], Any]]


@dataclass(frozen=True)
class Setting:
    """Where and how much is measured.

    Attributes:
        device: "cpu", "cuda", "cuda:1".
        rounds: How often every contender runs.
        tiny: Whether the sizes are those of a test, which shows that everything starts.
    """

    device: str = "cpu"
    rounds: int = 3
    tiny: bool = False

    @property
    def cuda(self) -> bool:
        """Whether the device is a GPU."""
        return torch.device(self.device).type == "cuda"

    def size(self, *, tiny: T, cpu: T, cuda: T) -> T:
        """Return what fits the device."""
        return tiny if self.tiny else cuda if self.cuda else cpu


class MissingPackageError(Exception):
    """A part needs a package that is not installed here."""


def need(*packages: str) -> None:
    """Raise `MissingPackageError` where one of some packages is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"{', '.join(missing)} not installed here")


def installed(contenders: Mapping[str, str]) -> list[str]:
    """Return the contenders whose package is installed, and print which are left out.

    Args:
        contenders: Name -> package, empty for none.
    """
    missing = {package for package in contenders.values() if package and find_spec(package) is None}
    for package in sorted(missing):
        print(f"left out: {package} is not installed here\n", flush=True)
    return [name for name, package in contenders.items() if package not in missing]


def alternate(calls: Calls, setting: Setting) -> dict[str, list[float]]:
    """Return the seconds of every contender: all run once uncounted, then in turn, A B A B ...

    A GPU has finished what was asked of it before and after each.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(setting.rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call, setting))
    return seconds


def timed(call: Callable[[], Any], setting: Setting) -> float:
    """Return the seconds of a call."""
    wait_for_gpu(setting)
    start = time.perf_counter()
    call()
    wait_for_gpu(setting)
    return time.perf_counter() - start


def wait_for_gpu(setting: Setting) -> None:
    """Return when the GPU has nothing more to do."""
    if setting.cuda:
        torch.cuda.synchronize()


def print_rates(title: str, seconds: Mapping[str, Sequence[float]], images: int, unit: str = "images/s") -> None:
    """Print how many images a second every contender takes in."""
    print(f"| {title} | {unit} | seconds |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {images / median(values):,.0f} | {median(values):.4f} |")
    print(flush=True)


def print_ratios(seconds: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]]) -> None:
    """Print medians of the ratios of contenders within the rounds, with the smallest and the largest.

    Args:
        seconds: Per contender, a time per round.
        pairs: Which over which; pairs of which one was not run are left out.
    """
    print("| time of | over that of | ratio (min to max) |\n|---|---|---|")
    for one, other in pairs:
        if one in seconds and other in seconds:
            found = [a / b for a, b in zip(seconds[one], seconds[other], strict=True)]
            print(f"| {one} | {other} | {median(found):.2f} ({min(found):.2f} to {max(found):.2f}) |")
    print(flush=True)
