"""Selectivity of all stages in one pass against the bare eager forward, and memory against the number of images.

python -m benchmarks.selectivity            the whole table
python -m benchmarks.selectivity --runs 3   fewer runs of each contender
"""

from __future__ import annotations

import argparse
from statistics import median

import torch
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses.selectivity import measure_selectivity
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import open_stream
from benchmarks.harness import interleave, ratios, report_run

CASES = {
    "resnet20": ("resnet20", "none", 32, 256, 10, 0.90),
    "resnet20-hoga": ("resnet20", "hoga", 32, 256, 5, None),
    "resnet50": ("resnet50", "none", 224, 8, 16, 1.00),
}
"""name -> backbone, attention, side of the images, batch size, batches, target ratio"""
SETTINGS = Settings(device="cpu", quiet=True)
MODULE = "benchmarks.selectivity"


def images_of(side: int, count: int) -> TensorDataset:
    """Return random images ``(N, 3, side, side)``, contiguous, with labels of ten classes."""
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(count, 3, side, side, generator=generator), torch.arange(count) % 10)


def contender(name: str, case: str, threads: int) -> None:
    """Time one contender in this process."""
    torch.set_num_threads(threads)
    backbone, attention, side, batch_size, batches, _ = CASES[case]
    model = create_model(backbone, attention, num_classes=10)
    loader = DataLoader(images_of(side, batch_size * batches), batch_size=batch_size)

    def forward() -> None:
        model.eval()
        with torch.inference_mode():
            for batch in open_stream(loader, None).batches():
                model(batch.images)

    def selectivity() -> None:
        measure_selectivity(model, loader, settings=SETTINGS)

    report_run({"forward": forward, "selectivity": selectivity}[name])


def memory(images: int, threads: int) -> None:
    """Measure selectivity on a number of images in this process."""
    torch.set_num_threads(threads)
    model = create_model("resnet20", num_classes=10)
    source = ClutteredDigits("test", images)
    report_run(lambda: measure_selectivity(model, source, settings=SETTINGS), warm_up=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contender(*arguments.contender, arguments.threads)
    elif arguments.memory:
        memory(arguments.memory, arguments.threads)
    else:
        print_table(arguments.runs, arguments.threads)


def print_table(runs: int, threads: int) -> None:
    """Run everything and print Markdown tables."""
    print(f"| selectivity / bare eager forward, {threads} threads | ratio (min to max) | target | images/s |")
    print("|---|---|---|---|")
    for case, (_, _, _, batch_size, batches, target) in CASES.items():
        commands = {
            name: [MODULE, "--threads", str(threads), "--contender", name, case] for name in ("selectivity", "forward")
        }
        found = interleave(commands, runs)
        middle, low, high = ratios(found["selectivity"], found["forward"])
        rate = batch_size * batches / median(found["selectivity"].seconds)
        goal = "" if target is None else f"at most {target:.2f}"
        print(
            f"| {case}, batch {batch_size} | {middle:.2f} ({low:.2f} to {high:.2f}) | {goal} | {rate:.0f} |", flush=True
        )
    sizes = (10_000, 50_000)
    found = interleave({str(n): [MODULE, "--threads", str(threads), "--memory", str(n)] for n in sizes}, 1)
    few, many = (found[str(n)].peak_mib[0] for n in sizes)
    print("\n| peak memory, ResNet-20 | MiB |\n|---|---|")
    print(
        f"| 10,000 images | {few:.0f} |\n"
        f"| 50,000 images | {many:.0f}, {100 * (many / few - 1):+.1f}% (target: within 3%) |"
    )


if __name__ == "__main__":
    main()
