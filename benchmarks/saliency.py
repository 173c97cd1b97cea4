"""Grad-CAM and guided backpropagation side by side with other libraries, on networks with the same weights.

Each contender lives in a process of its own, so that its peak memory is its own; the processes take turns, one call
each per round (A B C A B C ...), so that whatever else the machine does falls on all alike. Ratios are medians of the
ratios within rounds.

    python -m benchmarks.saliency                                     # ResNet-50, batch 8 at 224, 2 threads
    python -m benchmarks.saliency --backbone resnet18 --side 64 --batch 2 --threads 1 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

GRAD_CAM = ["plain", "ours", "ours-many", "captum", "torch-cam", "pytorch-grad-cam"]
BOTH = ["ours-both", "ours-both-many", "captum-both"]
"""Ours is a single call of `explain`, ours-many a batch of many, as the command runs them."""
LIMITS = [
    # what, over what, largest ratio
    ("ours", "plain", 1.05),
    ("ours", "captum", 1.0),
    ("ours", "torch-cam", 1.0),
    ("ours", "pytorch-grad-cam", 0.35),
    ("ours-many", "plain", 0.75),
    ("ours-many", "captum", 1.0),
    ("ours-many", "torch-cam", 1.0),
    ("ours-many", "pytorch-grad-cam", 1.0),
    ("ours-both", "captum-both", 0.62),
    ("ours-both-many", "captum-both", 0.62),
    ("ours-both", "plain", 2.2),
]
LEAST_MEMORY = 0.36
"""Largest peak of a single call over that of the leanest other"""
ALL_BATCHES = ExitStack()
"""What lasts for all batches of a run lasts here as long as the process."""


class Setting(NamedTuple):
    """What is measured."""

    backbone: str
    side: int
    batch: int
    threads: int
    device: str = "cpu"


def contender(name: str, setting: Setting) -> Callable[[], Any]:
    """Return the call that a contender is measured by; the network has the same weights for all.

    Maps end in the host's memory, where they are drawn and written, as ours and pytorch-grad-cam's do by themselves.
    """
    import torch

    from autola_analysis import create_model

    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    model = create_model(setting.backbone).eval().to(setting.device)
    images = torch.randn(setting.batch, 3, setting.side, setting.side).to(setting.device)  # contiguous NCHW
    targets = torch.arange(setting.batch).to(setting.device)
    size = (setting.side, setting.side)
    layer = "layer4"
    last = model.get_submodule(layer)
    if name == "plain":

        def plain() -> Any:
            with torch.no_grad():
                return model(images)

        return plain
    if name.startswith("ours"):
        methods = ("grad-cam", "guided-backprop") if "both" in name else ("grad-cam",)
        return ours(model, images, methods, layer, targets, many=name.endswith("many"))
    if name.startswith("captum"):
        from captum.attr import GuidedBackprop, LayerAttribution, LayerGradCam

        grad_cam, guided = LayerGradCam(model, last), GuidedBackprop(model)

        def captum() -> Any:
            small = grad_cam.attribute(images, target=targets, relu_attributions=True)
            maps = LayerAttribution.interpolate(small, size, "bilinear")
            if name == "captum":
                return maps.cpu()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return maps.cpu(), guided.attribute(images.clone().requires_grad_(), target=targets).cpu()

        return captum
    if name == "torch-cam":
        from torchcam.methods import GradCAM

        extractor = GradCAM(model, last)

        def torch_cam() -> Any:
            (maps,) = extractor(class_idx=targets.tolist(), scores=model(images), normalized=False)
            return torch.nn.functional.interpolate(maps[:, None], size, mode="bilinear").cpu()

        return torch_cam
    from pytorch_grad_cam import GradCAM as PytorchGradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = PytorchGradCAM(model, [last])
    chosen = [ClassifierOutputTarget(int(target)) for target in targets]
    return lambda: cam(images, chosen)


def ours(model: Any, images: Any, methods: tuple[str, ...], layer: str, targets: Any, many: bool) -> Callable[[], Any]:
    """Return a call of ours: a single one, or one batch of many, for which the network is prepared once."""
    from autola_analysis.analyses.saliency.explain import explain, explained
    from autola_analysis.analyses.saliency.plan import Plan
    from autola_analysis.analyses.variants import Variant
    from autola_analysis.core.allocator import freed_memory_kept
    from autola_analysis.inference.trunk import faster_trunk

    if not many:
        return lambda: explain(model, images, methods, layer, target=targets)
    variant = Variant(model)
    plan = Plan.of(variant, methods, layer, True, None, {})
    ALL_BATCHES.enter_context(freed_memory_kept())

    @cache  # at the first call, so that its memory is counted
    def trunk() -> Any:
        return faster_trunk(model, [layer], images[:4]) if plan.begins_at_layers else None

    return lambda: explained(variant, plan, images, targets.cpu(), trunk=trunk())


def work(name: str, setting: Setting) -> None:
    """Answer every line on standard input with the seconds of one call, and the last with the peak memory."""
    call = contender(name, setting)
    before = memory("VmRSS")
    call()  # the first call pays for what is set up once
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start = time.perf_counter()
        call()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    print(json.dumps({"before": before, "peak": memory("VmHWM")}), flush=True)


def memory(field: str) -> float:
    """Return a field of this process's memory in MB: VmRSS now, VmHWM at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not tell {field}; run the benchmark on Linux.")


def measure(names: list[str], setting: Setting, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of each contender's rounds, and its peak memory above what it held before, in MB."""
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.saliency", "--work", name, *map(str, setting[:4])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    }
    try:
        for process in processes.values():
            ask(process, None)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, process in processes.items():
                seconds[name].append(ask(process, "go")["seconds"])
        peaks = {}
        for name, process in processes.items():
            answer = ask(process, "end")
            peaks[name] = answer["peak"] - answer["before"]
        return seconds, peaks
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def ask(process: subprocess.Popen[str], line: str | None) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"a contender ended early: {process.args}")
    return json.loads(answer)


def report(seconds: dict[str, list[float]], peaks: dict[str, float]) -> bool:
    """Print times, memory and ratios; return whether all limits hold."""
    print(f"{'contender':18} {'median s':>9} {'best s':>9} {'peak MB':>9}")
    for name, values in seconds.items():
        print(f"{name:18} {statistics.median(values):9.3f} {min(values):9.3f} {peaks[name]:9.0f}")
    print()
    fine = True
    for what, over, limit in LIMITS:
        ratio = statistics.median(a / b for a, b in zip(seconds[what], seconds[over], strict=True))
        fine &= ratio <= limit
        print(f"time {what} / {over}: {ratio:.3f} (limit {limit}) {'ok' if ratio <= limit else 'MISSED'}")
    leanest = min(("captum", "torch-cam", "pytorch-grad-cam"), key=lambda name: peaks[name])
    ratio = peaks["ours"] / peaks[leanest]
    fine &= ratio <= LEAST_MEMORY
    verdict = "ok" if ratio <= LEAST_MEMORY else "MISSED"
    print(f"peak memory ours / {leanest}: {ratio:.3f} (limit {LEAST_MEMORY}) {verdict}")
    print(f"peak memory ours-many / {leanest}: {peaks['ours-many'] / peaks[leanest]:.3f}")
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, backbone, *numbers = arguments.work
        work(name, Setting(backbone, *map(int, numbers)))
        return
    setting = Setting(arguments.backbone, arguments.side, arguments.batch, arguments.threads)
    sys.exit(0 if print_table(arguments.rounds, setting) else 1)


def print_table(rounds: int = 9, setting: Setting = Setting("resnet50", 224, 8, 2)) -> bool:  # noqa: B008
    """Measure and print everything; return whether all limits hold."""
    print(
        f"\nSaliency: {setting.backbone}, batch {setting.batch} at {setting.side}, {setting.threads} threads, ", end=""
    )
    print(f"{rounds} rounds\n")
    return report(*measure(GRAD_CAM + BOTH, setting, rounds))


if __name__ == "__main__":
    main()
