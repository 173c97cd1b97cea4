"""Selectivity of all stages in one pass against the bare eager forward, and memory against the number of images.

python -m benchmarks.selectivity                    all tables
python -m benchmarks.selectivity --runs 3           fewer runs of each contender
python -m benchmarks.selectivity --tables ratios    one of: ratios, contenders, batches, growth, memory
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from captum.attr import LayerActivation
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import ClutteredDigits
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import open_stream
from benchmarks.harness import interleave, print_run, ratios, report_run

CASES = {
    "resnet20": ("resnet20", "none", 32, 256, 10, 0.70),
    "resnet20-hoga": ("resnet20", "hoga", 32, 256, 10, 0.80),
    "resnet50": ("resnet50", "none", 224, 8, 16, 0.90),
}
"""name -> backbone, attention, side of the images, batch size, batches, target ratio"""
COMPILED_TARGET = 0.65
STAGES = ["layer1", "layer2", "layer3"]
PLAIN = Reading(Settings(device="cpu", quiet=True))
COMPILED = Reading(Settings(device="cpu", quiet=True, compile=True))
MODULE = "benchmarks.selectivity"
GROWTH = {
    "images": ({"images": 2560}, {"images": 5120}),
    "classes": ({"classes": 100}, {"classes": 1000}),
    "layers": ({"layers": 1}, {"layers": 9}),
    "models": ({"models": 2}, {"models": 4}),
}
"""what grows -> what differs from 1280 images, 10 classes, 3 layers, 1 model"""


def images_of(side: int, count: int) -> TensorDataset:
    """Return random images ``(N, 3, side, side)``, contiguous, with labels of ten classes."""
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(count, 3, side, side, generator=generator), torch.arange(count) % 10)


def contender(name: str, case: str, threads: int) -> None:
    """Time one contender in this process."""
    torch.set_num_threads(threads)
    backbone, attention, side, batch_size, batches, _ = CASES[case]
    model = create_model(backbone, attention, num_classes=10).eval()
    loader = DataLoader(images_of(side, batch_size * batches), batch_size=batch_size)
    if name == "compiled":
        timed = TimedLoader(images_of(side, batch_size * (batches + 2)), batch_size=batch_size)
        measure_selectivity(model, timed, reading=COMPILED, top_images=0)
        print_run(time.perf_counter() - timed.start)
        return
    work: dict[str, Callable[[], Any]] = {
        "forward": lambda: forward_only(model, loader),
        "selectivity": lambda: measure_selectivity(model, loader, reading=PLAIN, top_images=0),
        "layer-activation": lambda: layer_activation(model, loader),
        "store-all": lambda: store_all(model, loader),
    }
    report_run(work[name])


class TimedLoader(DataLoader[Any]):
    """Notes when its second batch is done: from then on nothing is compiled or checked."""

    start = 0.0

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(super().__iter__()):
            yield batch
            if number == 1:
                self.start = time.perf_counter()


def forward_only(model: nn.Module, loader: DataLoader[Any]) -> None:
    """Run the bare eager forward."""
    with torch.inference_mode():
        for batch in open_stream(loader, None).batches():
            model(batch.images)


def layer_activation(model: nn.Module, loader: DataLoader[Any]) -> dict[str, Tensor]:
    """Measure selectivity with captum's LayerActivation: a forward for every layer."""
    sums = {stage: ClassMeans() for stage in STAGES}
    with torch.no_grad():
        for stage in STAGES:
            captum = LayerActivation(model, model.get_submodule(stage))
            for batch in open_stream(loader, None).batches():
                sums[stage].add(captum.attribute(batch.images).mean((2, 3)), batch.targets)
    return {stage: means.selectivity() for stage, means in sums.items()}


def store_all(model: nn.Module, loader: DataLoader[Any]) -> dict[str, Tensor]:
    """Measure selectivity by keeping every activation of every image until the end."""
    stored: dict[str, list[Tensor]] = {stage: [] for stage in STAGES}
    labels: list[Tensor] = []
    handles = [
        model.get_submodule(stage).register_forward_hook(lambda m, i, output, kept=kept: kept.append(output.clone()))
        for stage, kept in stored.items()
    ]
    with torch.inference_mode():
        for batch in open_stream(loader, None).batches():
            model(batch.images)
            labels.append(batch.targets)
    for handle in handles:
        handle.remove()
    found = {}
    for stage, kept in stored.items():
        means = ClassMeans()
        means.add(torch.cat(kept).mean((2, 3)), torch.cat(labels))
        found[stage] = means.selectivity()
    return found


class ClassMeans:
    """Class-conditional means of units, as a user would write them."""

    def __init__(self) -> None:
        self.sums: Tensor | float = 0.0
        self.counts: Tensor | float = 0.0

    def add(self, activity: Tensor, labels: Tensor) -> None:
        """Take in the activity ``(B, K)`` of some images."""
        which = torch.nn.functional.one_hot(labels, 10).double()
        self.sums = self.sums + which.T @ activity.double()
        self.counts = self.counts + which.sum(0)

    def selectivity(self) -> Tensor:
        """Return (mu_max - mu_rest) / (mu_max + mu_rest) per unit."""
        means = self.sums / self.counts[:, None]
        top = means.amax(0)
        rest = (means.sum(0) - top) / (len(means) - 1)
        return (top - rest) / (top + rest)


def growth(change: dict[str, int], threads: int) -> None:
    """Time selectivity of ResNet-20 on 1280 images with one thing larger."""
    torch.set_num_threads(threads)
    images, classes, layers, models = (
        change.get(name, usual) for name, usual in (("images", 1280), ("classes", 10), ("layers", 3), ("models", 1))
    )
    data = TensorDataset(images_of(32, images).tensors[0], torch.arange(images) % classes)
    loader = DataLoader(data, batch_size=256)
    blocks = [f"{stage}.{block}" for stage in STAGES for block in range(3)]
    names = {1: ["layer3"], 3: STAGES, 9: blocks}[layers]
    variants = [Variant(create_model("resnet20", num_classes=10).eval(), f"model {n}") for n in range(models)]
    report_run(lambda: measure_selectivity(variants, loader, reading=PLAIN, layers=names, top_images=0))


def memory(images: int, threads: int) -> None:
    """Measure selectivity on a number of images in this process."""
    torch.set_num_threads(threads)
    model = create_model("resnet20", num_classes=10)
    source = ClutteredDigits("test", images)
    report_run(lambda: measure_selectivity(model, source, reading=PLAIN, top_images=0), warm_up=False)


def of_size(batch: int, threads: int) -> None:
    """Time selectivity of ResNet-20 on 2048 images in batches of some size."""
    torch.set_num_threads(threads)
    model = create_model("resnet20", num_classes=10)
    loader = DataLoader(images_of(32, 2048), batch_size=batch)
    report_run(lambda: measure_selectivity(model, loader, reading=PLAIN, top_images=0))


def command(threads: int, *arguments: object) -> list[str]:
    """Return the command line of a contender."""
    return [MODULE, "--threads", str(threads), *map(str, arguments)]


def print_ratios(runs: int, threads: int) -> None:
    """Compare with the bare eager forward, eager and compiled."""
    print(
        f"| selectivity / bare eager forward, {threads} threads | ratio | target | compiled, warm | target | images/s |"
    )
    print("|---|---|---|---|---|---|")
    for case, (_, _, _, batch_size, batches, target) in CASES.items():
        names = ("selectivity", "forward", "compiled")
        found = interleave({name: command(threads, "--contender", name, case) for name in names}, runs)
        eager, compiled = (spread(ratios(found[name], found["forward"])) for name in ("selectivity", "compiled"))
        rates = [batch_size * batches / median(found[name].seconds) for name in ("selectivity", "compiled")]
        print(
            f"| {case}, batch {batch_size} | {eager} | at most {target:.2f} | {compiled} "
            f"| at most {COMPILED_TARGET:.2f} | {rates[0]:.0f}, compiled {rates[1]:.0f} |",
            flush=True,
        )


def print_contenders(runs: int, threads: int) -> None:
    """Compare with what a user would write, on ResNet-20."""
    names = ("selectivity", "layer-activation", "store-all")
    found = interleave({name: command(threads, "--contender", name, "resnet20") for name in names}, runs)
    print("\n| ResNet-20, 2560 images, three stages | time over ours | peak memory, MiB |\n|---|---|---|")
    for name, measured in found.items():
        print(f"| {name} | {spread(ratios(measured, found['selectivity']))} | {median(measured.peak_mib):.0f} |")


def print_batches(runs: int, threads: int) -> None:
    """Compare batch sizes."""
    sizes = (64, 128, 256, 512)
    found = interleave({str(size): command(threads, "--batch", size) for size in sizes}, runs)
    print("\n| batch size, ResNet-20 at 32 px | time over that of 256 |\n|---|---|")
    for size, measured in found.items():
        print(f"| {size} | {spread(ratios(measured, found['256']))} |")


def print_growth(runs: int, threads: int) -> None:
    """Show what more images, classes, layers and models cost."""
    changes = [{}, *(change for pair in GROWTH.values() for change in pair)]
    found = interleave({json.dumps(c): command(threads, "--growth", json.dumps(c)) for c in changes}, runs)
    print("\n| ResNet-20, 1280 images, 10 classes, 3 layers, 1 model, but | time over that |\n|---|---|")
    for change, measured in found.items():
        what = ", ".join(f"{count} {name}" for name, count in json.loads(change).items()) or "nothing"
        print(f"| {what} | {spread(ratios(measured, found['{}']))} |")


def print_memory(threads: int) -> None:
    """Show that memory does not grow with the number of images."""
    sizes = (10_000, 50_000)
    found = interleave({str(n): command(threads, "--memory", n) for n in sizes}, 1)
    few, many = (found[str(n)].peak_mib[0] for n in sizes)
    print("\n| peak memory, ResNet-20 | MiB |\n|---|---|")
    print(
        f"| 10,000 images | {few:.0f} |\n"
        f"| 50,000 images | {many:.0f}, {100 * (many / few - 1):+.1f}% (target: within 3%) |"
    )


def spread(found: tuple[float, float, float]) -> str:
    """Return a median with the smallest and the largest."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*found)


def print_table(runs: int, threads: int, tables: str = "ratios,contenders,batches,growth,memory") -> None:
    """Run everything and print Markdown tables."""
    printers: dict[str, Callable[[], None]] = {
        "ratios": lambda: print_ratios(runs, threads),
        "contenders": lambda: print_contenders(runs, threads),
        "batches": lambda: print_batches(runs, threads),
        "growth": lambda: print_growth(runs, threads),
        "memory": lambda: print_memory(threads),
    }
    for table in tables.split(","):
        printers[table]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tables", default="ratios,contenders,batches,growth,memory")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--growth", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contender(*arguments.contender, arguments.threads)
    elif arguments.memory:
        memory(arguments.memory, arguments.threads)
    elif arguments.batch:
        of_size(arguments.batch, arguments.threads)
    elif arguments.growth is not None:
        growth(arguments.growth, arguments.threads)
    else:
        print_table(arguments.runs, arguments.threads, arguments.tables)


if __name__ == "__main__":
    main()
