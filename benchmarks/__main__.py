"""All benchmarks, on networks and images that need no download.

python -m benchmarks                          tables of CPUs, contenders in processes of their own: about an hour
python -m benchmarks --quick                  every comparison in this process, small: under five minutes
python -m benchmarks --quick --device cuda    the same on a GPU; without --quick with more rounds
python -m benchmarks --only hoga --only saliency --out results.md
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.results import machine_facts, recorded, write_section
from benchmarks.small.measuring import MissingPackageError, Setting, need

Part = Callable[[Setting], None]
SKIPPED = 77
"""Exit status where nothing could be run for lack of a package, as test runners have it."""
FAST_ROUNDS, MANY_ROUNDS = 3, 15


def in_memory(setting: Setting) -> None:
    need("pydantic", "torchmetrics")
    from benchmarks.small import selectivity

    selectivity.print_in_memory(setting)


def files(setting: Setting) -> None:
    need("pydantic", "torchmetrics")
    from benchmarks.small import selectivity

    selectivity.print_files(setting)


def maps(setting: Setting) -> None:
    need("pydantic")
    from benchmarks.small import saliency

    saliency.print_table(setting)


def neighbours(setting: Setting) -> None:
    need("pydantic")
    from benchmarks.small import neighbours

    neighbours.print_table(setting)


def tsne(setting: Setting) -> None:
    need("pydantic", "openTSNE")
    from benchmarks.small import tsne

    tsne.print_table(setting)


def hoga_step(setting: Setting) -> None:
    from benchmarks.small import hoga

    hoga.print_table(setting)


def training(setting: Setting) -> None:
    need("pytorch_lightning")
    from benchmarks.small import training

    training.print_table(setting)


def profile(setting: Setting) -> None:
    need("pydantic", "torchmetrics")
    from benchmarks.small import profile

    profile.print_table(setting)


SMALL: dict[str, Part] = {
    "selectivity": in_memory,
    "selectivity-files": files,
    "saliency": maps,
    "neighbours": neighbours,
    "tsne": tsne,
    "hoga": hoga_step,
    "training": training,
    "profile": profile,
}
"""In this process, on any device."""


def full_hoga(setting: Setting) -> None:
    from benchmarks import hoga

    hoga.print_table(runs=5, threads=2)


def full_selectivity(setting: Setting) -> None:
    from benchmarks import selectivity

    selectivity.print_table(runs=5, threads=2)


def full_saliency(setting: Setting) -> None:
    from benchmarks import saliency

    saliency.print_table()


def full_processes(setting: Setting) -> None:
    from benchmarks import processes

    processes.print_table(runs=5)


def full_embedding(setting: Setting) -> None:
    from benchmarks import embedding

    embedding.print_table(embedding.made_up(10_000), runs=3, threads=2)


FULL: dict[str, Part] = {
    "hoga": full_hoga,
    "selectivity": full_selectivity,
    "saliency": full_saliency,
    "processes": full_processes,
    "embedding": full_embedding,
}
"""Contenders in processes of their own, on the CPU."""


def run_part(name: str, part: Part, setting: Setting, out: Path | None) -> int:
    """Run a part and print it as it goes; return 0, or `SKIPPED` where a package that it needs is missing."""
    start = time.perf_counter()
    with recorded() as text:
        try:
            part(setting)
        except MissingPackageError as error:
            print(f"skipped: {error}\n")
            return SKIPPED
    if out is not None:
        write_section(out, name, text.getvalue(), machine_facts(setting.device))
    print(f"({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)
    return 0


def chosen_parts(known: dict[str, Part], asked: Sequence[str]) -> dict[str, Part]:
    """Return the parts that were asked for; all where none were."""
    unknown = [name for name in asked if name not in known]
    if unknown:
        sys.exit(f"there is no part {unknown[0]!r}; there are {', '.join(known)}.")
    return {name: known[name] for name in asked} if asked else known


def default_out(device: str, small: bool) -> Path:
    """Return where results are written where no file was named: under $OUT or beside this file.

    RESULTS.md is written by hand, from RESULTS-full.md and from what needs data or a machine of one's own.
    """
    kind = "gpu" if torch.device(device).type == "cuda" else "quick" if small else "full"
    return Path(os.environ.get("OUT") or Path(__file__).parent) / f"RESULTS-{kind}.md"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--quick", action="store_true", help="every comparison in this process, small")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a part by name; repeat for more")
    parser.add_argument("--out", type=Path, metavar="FILE", help="Markdown file to write, section by section")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cuda = torch.device(arguments.device).type == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device here; leave --device out.")
    small = arguments.quick or arguments.tiny or cuda
    rounds = 1 if arguments.tiny else FAST_ROUNDS if arguments.quick else MANY_ROUNDS
    setting = Setting(arguments.device, rounds, arguments.tiny)
    parts = chosen_parts(SMALL if small else FULL, arguments.only)
    # A test shows that everything starts; its figures are nobody's.
    out = arguments.out or (None if arguments.tiny and not cuda else default_out(arguments.device, small))
    statuses = []
    for number, (name, part) in enumerate(parts.items(), start=1):
        left = ", ".join(list(parts)[number:]) or "nothing"
        print(f"## {name} ({number} of {len(parts)}; left: {left})\n", flush=True)
        statuses.append(run_part(name, part, setting, out))
    if out is not None:
        print(f"written: {out}")
    return SKIPPED if all(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
