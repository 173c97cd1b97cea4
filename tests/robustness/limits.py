"""What a call may cost: the peak of this process's memory over what it was before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 2**20


@dataclass
class Growth:
    """Bytes by which the resident memory rose at its peak; known when the context has ended."""

    bytes: int = 0


@contextmanager
def memory_growth() -> Iterator[Growth]:
    """Measure by how much resident memory rises at its peak while the context is open."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew at the present size
    before = _status("VmRSS")
    growth = Growth()
    try:
        yield growth
    finally:
        growth.bytes = _status("VmHWM") - before


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc/self/status has no {name}")
