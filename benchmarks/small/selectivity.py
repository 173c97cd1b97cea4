"""Selectivity of ResNet-50 in one pass beside the bare eager forward: images in memory, and JPEG files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.selectivity.measure import measure_selectivity
from autola_analysis.analyses.variants import Variant
from autola_analysis.backbones import create_model
from autola_analysis.data import Preprocessing, open_source
from autola_analysis.data.source import ImageSource
from autola_analysis.inference.precision import precision_of
from autola_analysis.inference.run import Settings
from autola_analysis.inference.stream import SourceStream, Stream, open_stream
from benchmarks.small.measuring import Setting, alternate, print_rates, print_ratios

CLASSES = 10
MANY = 50_000
"""Images of ImageNet's validation set."""
DISTINCT = 16
"""JPEG files of different content; further ones repeat them."""
IMAGENET = Preprocessing(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def networks(setting: Setting) -> dict[str, nn.Module]:
    """Return the networks by name, on the device."""
    torch.manual_seed(0)
    found = {}
    for attention in ("none", "se" if setting.tiny else "hoga"):
        if setting.tiny:
            model = create_model("resnet20", attention, CLASSES, width=8)
        else:
            model = create_model("resnet50", attention, CLASSES)
        found[attention] = settled(model.to(setting.device), 32 if setting.tiny else 64)
    return found


def settled(model: nn.Module, side: int) -> nn.Module:
    """Bring a new network's numbers into the range of a trained one's, so that rounding stays rounding.

    Statistics of batch norms are those of some images, and residual branches are short. A new ResNet-50 with HOGA
    otherwise turns the last digit of an input into another class, and no faster copy of it puts out the same.
    """
    norms = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, norm in norms.items():
        norm.momentum = None  # the mean over all batches, here of one
        if name.endswith(("bn2", "bn3")):
            nn.init.constant_(norm.weight, 0.2)
    weight = next(model.parameters())
    images = torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.train()(images.to(weight.device))
    return model.eval()


class Labels(Dataset[Any]):
    """The labels of a number of images, in turn."""

    def __init__(self, length: int) -> None:
        self.targets = torch.arange(length) % CLASSES

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> int:
        return int(self.targets[index])


class InMemory(DataLoader[Any]):
    """One batch of random images ``(B, 3, H, W)`` again and again, contiguous, page-locked beside a GPU."""

    def __init__(self, batch_size: int, batches: int, side: int, pinned: bool) -> None:
        super().__init__(Labels(batch_size * batches), batch_size=batch_size)
        images = torch.randn(batch_size, 3, side, side, generator=torch.Generator().manual_seed(0))
        self.images = images.pin_memory() if pinned else images

    def __iter__(self) -> Iterator[Any]:
        size = len(self.images)
        for start in range(0, len(self.dataset.targets), size):
            yield self.images, self.dataset.targets[start : start + size]


def bare_forward(
    model: nn.Module, stream: Stream, preprocessing: Preprocessing, setting: Setting, precision: str = "float32"
) -> None:
    """Run the network as it is, channels first, over all batches."""
    device = torch.device(setting.device)
    with torch.inference_mode(), precision_of(precision, device):
        for batch in stream.batches():
            images = batch.images.to(device, non_blocking=True)
            model(preprocessing.normalize(images) if stream.raw else images)


def print_in_memory(setting: Setting) -> None:
    """Measure with images in memory, in a short and in a long run: what starting costs, and what an image adds."""
    batch, lengths, side = setting.size(tiny=(10, (1, 2), 32), cpu=(8, (2, 4), 224), cuda=(256, (2, 8), 224))
    precisions = ("float32", "tf32", "bfloat16") if setting.cuda else ("float32",)
    for name, model in networks(setting).items():  # a table each: what has no time left loses no other's
        calls: dict[str, Callable[[], Any]] = {}
        pairs = []
        for precision in precisions:
            ours, plain = f"selectivity, {name}, {precision}", f"bare forward, {name}, {precision}"
            reading = Reading(Settings(setting.device, precision, quiet=True))
            for batches in lengths:
                loader = InMemory(batch, batches, side, setting.cuda)
                calls[_at(ours, batches)] = lambda model=model, reading=reading, loader=loader: measure_selectivity(
                    model, loader, reading=reading, top_images=0
                )
                calls[_at(plain, batches)] = lambda model=model, precision=precision, loader=loader: bare_forward(
                    model, open_stream(loader, None), IMAGENET, setting, precision
                )
            pairs.append((ours, plain))
        seconds = alternate(calls, setting)
        longest = {name: seconds[_at(name, lengths[1])] for pair in pairs for name in pair}
        print_rates(f"ResNet-50, batch {batch} in memory, {side} px", longest, batch * lengths[1])
        print_ratios(longest, pairs)
        print_lines(seconds, pairs, batch, lengths)


def _at(name: str, batches: int) -> str:
    return f"{name}, {batches} batches"


def print_lines(
    seconds: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]], batch: int, lengths: tuple[int, int]
) -> None:
    """Print what a run costs apart from its images, what an image adds, and what both make of 50,000 images.

    Args:
        seconds: Per contender and length, see `_at`, a time per round.
        pairs: Ours, and the bare forward.
        batch: Images per batch.
        lengths: Batches of a short and of a long run.
    """
    print(f"| seconds = fixed + images / rate | fixed, s | images/s | slope over the bare one's | {MANY:,} images |")
    print("|---|---|---|---|---|")
    for ours, plain in pairs:
        fixed, slope = _line(seconds, ours, batch, lengths)
        plain_fixed, plain_slope = _line(seconds, plain, batch, lengths)
        many = (fixed + MANY * slope) / (plain_fixed + MANY * plain_slope)
        print(f"| {ours} | {fixed:.3f} | {1 / slope:,.0f} | {slope / plain_slope:.2f} | {many:.2f} |")
        print(f"| {plain} | {plain_fixed:.3f} | {1 / plain_slope:,.0f} | | |")
    print(flush=True)


def _line(
    seconds: Mapping[str, Sequence[float]], name: str, batch: int, lengths: tuple[int, int]
) -> tuple[float, float]:
    """Return the fixed seconds of a contender, and the seconds that an image adds."""
    short, long = (median(seconds[_at(name, batches)]) for batches in lengths)
    slope = (long - short) / (batch * (lengths[1] - lengths[0]))
    return short - slope * batch * lengths[0], slope


@contextmanager
def jpeg_folder(images: int) -> Iterator[Path]:
    """Write JPEG files of 500 x 375 pixels, smooth with some noise, a folder per class; remove them afterwards."""
    generator = torch.Generator().manual_seed(0)
    contents = []
    for _ in range(DISTINCT):
        coarse = torch.rand(1, 3, 12, 16, generator=generator)
        smooth = nn.functional.interpolate(coarse, (375, 500), mode="bicubic")[0]
        noisy = smooth + 0.03 * torch.randn(smooth.shape, generator=generator)
        pixels = (255 * noisy.clamp(0, 1)).byte().permute(1, 2, 0).contiguous().numpy()
        file = BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in range(images):
            path = folder / f"class{number % CLASSES}" / f"{number:05}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(contents[number % DISTINCT])
        yield folder


def files_reading(setting: Setting) -> tuple[Reading, Preprocessing, int]:
    """Return how JPEG files are read, what is done to them, and how many there are."""
    preprocessing = setting.size(tiny=Preprocessing(40, 32), cpu=IMAGENET, cuda=IMAGENET)
    batch, images = setting.size(tiny=(10, 20), cpu=(8, 16), cuda=(256, 2048))
    return Reading(Settings(setting.device, quiet=True), batch, None), preprocessing, images


def files_stream(source: ImageSource, reading: Reading, preprocessing: Preprocessing) -> SourceStream:
    """Return the stream that a pass would read."""
    stream = open_stream(source, preprocessing, reading.batch_size, reading.workers, reading.device)
    assert isinstance(stream, SourceStream)
    return stream


def print_files(setting: Setting) -> None:
    """Measure with JPEG files, decoded beside the forwards where the device is a GPU."""
    reading, preprocessing, images = files_reading(setting)
    with jpeg_folder(images) as folder:
        source = open_source(f"folder:{folder}")

        def stream() -> SourceStream:
            return files_stream(source, reading, preprocessing)

        for name, model in networks(setting).items():
            ours, plain, faster = f"selectivity, {name}", f"bare forward, {name}", f"selectivity, {name}, --decode gpu"
            variant = Variant(model, name, preprocessing=preprocessing)
            calls: dict[str, Callable[[], Any]] = {
                "decoding alone": lambda: list(islice((len(batch.images) for batch in stream().batches()), None)),
                ours: lambda variant=variant: measure_selectivity(variant, source, reading=reading, top_images=0),
                plain: lambda model=model: bare_forward(model, stream(), preprocessing, setting),
            }
            pairs = [(ours, plain), (ours, "decoding alone")]
            if setting.cuda:
                calls[faster] = lambda variant=variant: measure_selectivity(
                    variant, source, reading=decoded_by_gpu(reading), top_images=0
                )
                pairs.append((faster, ours))
            seconds = alternate(calls, setting)
            print_rates(f"ResNet-50, {images:,} JPEG files of 500 x 375, batch {reading.batch_size}", seconds, images)
            print_ratios(seconds, pairs)
            if setting.cuda:
                print_comparison(calls[faster]().settings["decoding"])


def decoded_by_gpu(reading: Reading) -> Reading:
    """Return a reading whose files the GPU decodes."""
    return replace(reading, settings=replace(reading.settings, decoder="gpu"))


def print_comparison(found: Mapping[str, Any]) -> None:
    """Print how far images that the GPU decoded are from the exact ones."""
    if found["refused"]:
        print(f"--decode gpu was refused: {found['refused']}.")
    print(
        f"--decode gpu: {found['on_gpu']:,} images by the GPU, {found['on_cpu']:,} by the CPU.\n"
        f"Over {found['compared']} images decoded both ways, pixels differ by {found['mean_levels']:.2f} levels of 255 "
        f"on average (at most {found['largest_levels']})."
    )
    for each in found["networks"]:
        print(
            f"Outputs of {each['name']} differ by {each['mean']:.4f} of their standard deviation on average (at most "
            f"{each['largest']:.3f}); {each['changed']} images get another class."
        )
    print(flush=True)
