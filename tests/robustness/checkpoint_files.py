"""Damaged and odd checkpoint files, each a pure function of its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .odd_contents import CONTENTS
from .odd_files import WHOLE
from .sound_files import FOREIGN, OWN, state


def _truncated(content: bytearray, generator: np.random.Generator) -> bytes:
    return bytes(content[: int(generator.integers(1, len(content)))])


def _truncated_head(content: bytearray, generator: np.random.Generator) -> bytes:
    return bytes(content[: int(generator.integers(0, 600))])


def _flipped(content: bytearray, generator: np.random.Generator) -> bytes:
    for place in generator.integers(0, len(content), int(generator.integers(1, 30))):
        content[place] ^= int(generator.integers(1, 256))
    return bytes(content)


def _flipped_head(content: bytearray, generator: np.random.Generator) -> bytes:
    for place in generator.integers(0, min(4000, len(content)), int(generator.integers(1, 6))):
        content[place] ^= int(generator.integers(1, 256))
    return bytes(content)


def _flipped_tail(content: bytearray, generator: np.random.Generator) -> bytes:
    for place in generator.integers(len(content) - 600, len(content), int(generator.integers(1, 6))):
        content[place] ^= int(generator.integers(1, 256))
    return bytes(content)


def _zeroed(content: bytearray, generator: np.random.Generator) -> bytes:
    start = int(generator.integers(0, len(content)))
    length = min(int(generator.integers(1, 5000)), len(content) - start)
    content[start : start + length] = bytes(length)
    return bytes(content)


def _moved(content: bytearray, generator: np.random.Generator) -> bytes:
    start = int(generator.integers(0, len(content)))
    content[start:start] = generator.bytes(int(generator.integers(1, 40)))
    return bytes(content)


def _longer(content: bytearray, generator: np.random.Generator) -> bytes:
    return bytes(content) + generator.bytes(int(generator.integers(1, 5000)))


Bytes = Callable[[bytearray, np.random.Generator], bytes]
BYTES: dict[str, Bytes] = {
    "truncated": _truncated,
    "truncated head": _truncated_head,
    "flipped bytes": _flipped,
    "flipped head": _flipped_head,
    "flipped tail": _flipped_tail,
    "zeroed block": _zeroed,
    "bytes inserted": _moved,
    "bytes appended": _longer,
}
COUNTS = {
    "truncated": 4,
    "truncated head": 3,
    "flipped bytes": 5,
    "flipped head": 10,
    "flipped tail": 4,
    "zeroed block": 3,
    "bytes inserted": 3,
    "bytes appended": 1,
}


@dataclass(frozen=True)
class Case:
    """A file to make.

    Attributes:
        kind: Key of `BYTES`, `CONTENTS` or `WHOLE`.
        base: Name of the sound file that is changed; for contents the way they are written.
        seed: Tells cases of one kind and base apart.
    """

    kind: str
    base: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.base}-{self.seed}"

    def write(self, bases: Path, path: Path) -> Path:
        """Write the file; its name has the base's suffix."""
        path = path / f"case{Path(self.base).suffix}"
        generator = np.random.default_rng([self.seed, *str(self).encode()])
        if self.kind in BYTES:
            path.write_bytes(BYTES[self.kind](bytearray((bases / self.base).read_bytes()), generator))
        elif self.kind in CONTENTS:
            content = CONTENTS[self.kind](state(), generator)
            torch.save(content, path, _use_new_zipfile_serialization=self.base != "legacy.th")
        else:
            WHOLE[self.kind](bases, path, generator)
        return path


def cases() -> list[Case]:
    """Return all cases, in a fixed order."""
    changed = [
        Case(kind, base, seed) for kind, count in COUNTS.items() for base in (*OWN, *FOREIGN) for seed in range(count)
    ]
    contents = [Case(kind, base) for kind in CONTENTS for base in ("zip.pth", "legacy.th") if _can_write(kind, base)]
    return [*changed, *contents, *(Case(kind, "ours.safetensors") for kind in WHOLE)]


def _can_write(kind: str, base: str) -> bool:
    return not (base == "legacy.th" and kind in ("meta tensors", "float8", "sparse", "sparse compressed"))
