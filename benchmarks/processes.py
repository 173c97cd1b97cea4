"""Selectivity of a folder of JPEG images by one process and by several, one thread each.

python -m benchmarks.processes                          a network of the demo on cluttered digits
python -m benchmarks.processes --folder cifar10-jpeg/test --ckpt resnet20-12fca82f.th --normalize imagenet
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median

import numpy as np
import torch

import autola_analysis
from autola_analysis.analyses.observation import Reading, observe, passes_of
from autola_analysis.analyses.selectivity.measure import SelectivityWatcher, selectivity_result
from autola_analysis.analyses.selectivity.options import SelectivityOptions
from autola_analysis.analyses.variants import as_variant
from autola_analysis.checkpoints import load_model
from autola_analysis.core.distributed import current
from autola_analysis.data import ClutteredDigits, limit, open_source
from autola_analysis.inference.distributed import joined
from autola_analysis.inference.run import Settings

MODULE = "benchmarks.processes"
DEMO = Path(autola_analysis.__file__).parent / "study" / "checkpoints" / "resnet20_none_seed0.safetensors"
TARGET = 1.7
"""Times as fast with two processes."""


def work(folder: Path, ckpt: Path, normalize: str | None, images: int, out: Path) -> None:
    """Measure selectivity in this process, alone or with the others; the first writes seconds and class means."""
    torch.set_num_threads(1)
    with joined() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else nullcontext():
        source = limit(open_source(f"folder:{folder}"), images)
        variant = as_variant(load_model(ckpt, normalize=normalize))
        reading = Reading(Settings(device="cpu", quiet=True))
        options = SelectivityOptions()
        observations = observe([variant], source, SelectivityWatcher(options), reading)
        (record,) = passes_of(observations)
        if current().first:
            result = selectivity_result(observations[0], options)
            np.savez(out.with_suffix(".npz"), **result.class_means)
            out.write_text(json.dumps({"seconds": record.seconds, "images": record.images}))


def measure(processes: int, arguments: list[str], out: Path) -> tuple[float, float]:
    """Return the seconds of the pass, and of everything from start to end."""
    launcher = ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    command = [sys.executable, "-m", *launcher, MODULE, "--work", str(out), *arguments]
    start = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return json.loads(out.read_text())["seconds"], time.perf_counter() - start


def write_digits(folder: Path, images: int) -> None:
    """Write cluttered digits as JPEG files, a folder per class."""
    source = ClutteredDigits("test", images)
    for index, label in enumerate(source.labels):
        path = folder / source.classes[label] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        source.image(index).save(path, quality=95)


def print_table(
    runs: int = 3,
    processes: int = 2,
    images: int = 4000,
    folder: Path | None = None,
    ckpt: Path = DEMO,
    normalize: str | None = None,
) -> None:
    """Run everything and print a Markdown table."""
    with tempfile.TemporaryDirectory() as temporary:
        if folder is None:
            folder = Path(temporary) / "digits"
            write_digits(folder, images)
        arguments = ["--folder", str(folder), "--ckpt", str(ckpt), "--images", str(images)]
        arguments += ["--normalize", normalize] if normalize else []
        found: dict[int, list[tuple[float, float]]] = {1: [], processes: []}
        for _ in range(runs):
            for count, seconds in found.items():
                seconds.append(measure(count, arguments, Path(temporary) / str(count)))
        one, several = (np.load(Path(temporary) / f"{count}.npz") for count in found)
        difference = max(float(np.abs(one[layer] / several[layer] - 1).max()) for layer in one.files)
    print(f"\n| {images:,} JPEG images, processes of 1 thread | pass, s | images/s | with start-up, s |")
    print("|---|---|---|---|")
    for count, seconds in found.items():
        alone, whole = (median(each) for each in zip(*seconds, strict=True))
        print(f"| {count} process{'es' if count > 1 else ''} | {alone:.2f} | {images / alone:.0f} | {whole:.1f} |")
    pairs = [a[0] / b[0] for a, b in zip(*found.values(), strict=True)]
    print(f"\nPass {median(pairs):.2f} times as fast ({min(pairs):.2f} to {max(pairs):.2f}; target {TARGET} for two).")
    print(f"Largest relative difference of a class mean: {difference:.1e}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ckpt", type=Path, default=DEMO)
    parser.add_argument("--normalize")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.folder, chosen.ckpt, chosen.normalize, chosen.images, chosen.work)
    else:
        print_table(chosen.runs, chosen.processes, chosen.images, chosen.folder, chosen.ckpt, chosen.normalize)


if __name__ == "__main__":
    main()
