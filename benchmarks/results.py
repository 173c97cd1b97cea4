"""What a benchmark prints, kept as a section of a Markdown file with the facts of the machine."""

from __future__ import annotations

import io
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "captum", "torchcam", "grad-cam", "scikit-learn", "numpy")


class _Both(io.TextIOBase):
    """A stream that also keeps what goes through it."""

    def __init__(self, shown: io.TextIOBase, kept: io.StringIO) -> None:
        self.shown, self.kept = shown, kept

    def write(self, text: str) -> int:
        self.kept.write(text)
        return self.shown.write(text)

    def flush(self) -> None:
        self.shown.flush()


@contextmanager
def recorded() -> Iterator[io.StringIO]:
    """Yield what is printed meanwhile; it is shown as well."""
    kept = io.StringIO()
    with redirect_stdout(_Both(sys.stdout, kept)):
        yield kept


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> str:
    """Return the versions of Python and of the packages that are compared."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def machine_facts(device: str) -> str:
    """Return one line: card, processor, threads, versions, date."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cuda = torch.device(device).type == "cuda"
    card = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}; " if cuda else ""
    threads = f"{processor()}, {cores} cores, {torch.get_num_threads()} threads"
    return f"{card}{threads}; {versions()}; {datetime.now():%Y-%m-%d %H:%M}."


def write_section(file: Path, name: str, text: str, facts: str, title: str = "Results") -> None:
    """Write a section of a results file below some facts; the others stay, an earlier one of its name is replaced."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    sections = dict(re.findall(r"^## ([^\n]+)\n\n(.*?)(?=^## |\Z)", before, re.MULTILINE | re.DOTALL))
    sections[name] = f"{facts}\n\n{text.strip()}\n\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = f"# {title}\n\n" + "".join(f"## {title}\n\n{body.strip()}\n\n" for title, body in sections.items())
    file.write_text(whole.rstrip() + "\n", encoding="utf-8")
