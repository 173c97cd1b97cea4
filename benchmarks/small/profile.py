"""Where the time of a pass over JPEG files goes: decoding, copies, forward, reduction."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.selectivity.observer import SelectivityObserver
from autola_analysis.analyses.variants import Variant
from autola_analysis.data import open_source
from autola_analysis.inference import running
from autola_analysis.inference.stream import Batch, SourceStream
from benchmarks.small.measuring import Setting, wait_for_gpu
from benchmarks.small.selectivity import files_reading, jpeg_folder, networks

WAITING = "waiting for decoded images"
FORWARD = "forward with its reductions"
REDUCTION = "reduction of tapped layers"
SUMS = "sums per class and labeling"
RANGES = (WAITING, FORWARD, REDUCTION, SUMS)
OPERATIONS = 8
"""Operations that are shown by themselves."""


def named(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that shows under a name in a profile."""

    def run(*arguments: Any, **options: Any) -> Any:
        with record_function(name):
            return method(*arguments, **options)

    return run


def named_waiting(batches: Callable[..., Generator[Batch, None, None]]) -> Callable[..., Iterator[Batch]]:
    """Return a stream's method whose waiting shows in a profile."""

    def run(*arguments: Any, **options: Any) -> Iterator[Batch]:
        waiting = batches(*arguments, **options)
        try:
            while True:
                with record_function(WAITING):
                    batch = next(waiting, None)
                if batch is None:
                    return
                yield batch
        finally:
            waiting.close()

    return run


@contextmanager
def named_stages() -> Iterator[None]:
    """Let the stages of a pass show by name in a profile."""
    with ExitStack() as stack:
        for owner, attribute, name in (
            (running.Running, "_forward", FORWARD),
            (SelectivityObserver, "reduce", REDUCTION),
            (SelectivityObserver, "update", SUMS),
        ):
            stack.enter_context(patch.object(owner, attribute, named(name, getattr(owner, attribute))))
        stack.enter_context(patch.object(SourceStream, "batches", named_waiting(SourceStream.batches)))
        yield


def print_table(setting: Setting) -> None:
    """Profile one pass of the first network, after one that is not counted."""
    reading, preprocessing, images = files_reading(setting)
    name, model = next(iter(networks(setting).items()))
    variant = Variant(model, name, preprocessing=preprocessing)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if setting.cuda else [])]
    with jpeg_folder(images) as folder:
        source = open_source(f"folder:{folder}")

        def run() -> None:
            measure_selectivity(variant, source, reading=reading, top_images=0)
            wait_for_gpu(setting)

        run()
        with profile(activities=activities) as profiler, named_stages(), record_function("all"):
            run()
    print_stages(profiler, setting, images)


def print_stages(profiler: Any, setting: Setting, images: int) -> None:
    """Print the time of the stages, of the copies, and of the operations that take longest."""
    averages = profiler.key_averages()
    on_cpu = {event.key: event for event in averages if event.device_type == DeviceType.CPU}
    whole = on_cpu["all"].cpu_time_total
    print(f"A pass over {images:,} JPEG files took {whole / 1e6:.2f} s with the profiler.\n")
    print("| stage | ms on the CPU | share | ms of its kernels on the GPU |\n|---|---|---|---|")
    for name in RANGES:
        event = on_cpu[name]
        gpu = f"{event.device_time_total / 1e3:.1f}" if setting.cuda else ""
        print(f"| {name} | {event.cpu_time_total / 1e3:.1f} | {event.cpu_time_total / whole:.0%} | {gpu} |")
    for event in averages:
        if event.key.startswith("Memcpy"):
            print(f"| {event.key} | | | {event.self_device_time_total / 1e3:.1f} |")
    kind = DeviceType.CUDA if setting.cuda else DeviceType.CPU
    where = "GPU" if setting.cuda else "CPU"

    def own(event: Any) -> float:
        return event.self_device_time_total if setting.cuda else event.self_cpu_time_total

    names = {*RANGES, "all"}
    rest = [event for event in averages if event.device_type == kind and event.key not in names]
    print(f"\n| operation | times | ms on the {where} |\n|---|---|---|")
    for event in sorted(rest, key=own, reverse=True)[:OPERATIONS]:
        print(f"| {event.key[:80].replace('|', '/')} | {event.count} | {own(event) / 1e3:.1f} |")
    print(flush=True)
