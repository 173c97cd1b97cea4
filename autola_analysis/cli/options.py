"""Options that several commands share, in groups: checkpoints, images, machine, output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autola_analysis.core.bad_boxes import checked_bad_boxes
from autola_analysis.core.bounds import LARGEST_SEED
from autola_analysis.core.decoder import DECODER, checked_decoder
from autola_analysis.core.errors import OptionError
from autola_analysis.core.files import expanded

if TYPE_CHECKING:
    from autola_analysis.analyses.observation import Reading
    from autola_analysis.study.file import AnalysisRequest, DataTable, StudyFile

Trust = Annotated[
    bool, typer.Option("--trust-checkpoint", help="Let checkpoint files execute code. Only for files you trust.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress; the summary is printed.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to run.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, max=LARGEST_SEED, help="Of everything that is drawn at random.")]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="AUTOLA_CACHE",
        parser=expanded,
        help="Where finished passes, features and neighbours are kept and found again. Default: the user's cache.",
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep nothing, and use nothing that was kept.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in a browser.")]
Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="Leave paths, host and user out of everything written, for reviewers.")
]
ImagesRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where the images of coco:ROOT or objects:FILE.json lie, if not beside the annotations: the folder "
        "that their names start from.",
    ),
]
BadBoxesOption = Annotated[
    str | None,
    typer.Option(
        metavar="clip|drop",
        help="Cut annotated boxes that reach more than a pixel beyond their images at the border, or leave their "
        "annotations out; also those without area. Default: refuse the file.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report at --out.")]


@dataclass(frozen=True)
class ArchitectureFlags:
    """How a checkpoint is read when the file alone does not say."""

    arch: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]ARCH",
            help="Network to build: a backbone, timm:NAME, torchvision:NAME, package.module:function, "
            "or FILE.py:function.",
        ),
    ] = field(default_factory=list)
    genotype: Annotated[
        list[str], typer.Option(metavar="[NAME=]FILE", help="JSON file with the genotype of a HOGA checkpoint.")
    ] = field(default_factory=list)
    attention: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]ATTENTION",
            help="Attention module in a known backbone: FILE.py:CLASS, timm:NAME, or a name, as of simam, which has no "
            "parameters that show it.",
        ),
    ] = field(default_factory=list)
    weights: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]KEY",
            help="Which of several sets of weights in a file: model_ema beside model, student beside teacher.",
        ),
    ] = field(default_factory=list)
    normalize: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]imagenet|cifar10|cifar100|none|MEAN/STD",
            help="Mean and standard deviation of training, by name or as 0.5,0.5,0.5/0.2,0.2,0.2. Default: what the "
            "file records, else the images' own.",
        ),
    ] = field(default_factory=list)
    resize: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]N|none",
            help="Pixels of the shorter side of an image, up to 8192. Default: what the file records, else what is "
            "customary for the images or the network's first layer.",
        ),
    ] = field(default_factory=list)
    crop: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]N|none", help="Pixels of the central square that is kept, up to 8192. Default: as --resize."
        ),
    ] = field(default_factory=list)
    classes: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]FILE|imagenet",
            help="Names of the head's outputs, one per line. Default: what the file records, else the images' own.",
        ),
    ] = field(default_factory=list)
    output: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]softmax|sigmoid|probabilities",
            help="What the outputs are: logits of a softmax, logits of a sigmoid each (several labels per image), or "
            "probabilities. Default: what the first images show.",
        ),
    ] = field(default_factory=list)
    trust_checkpoint: Trust = False

    def values(self) -> dict[str, list[str]]:
        """Return the texts that were given, by option."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "trust_checkpoint"}


@dataclass(frozen=True)
class CheckpointFlags:
    """Which checkpoints."""

    ckpt: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]PATH",
            help="Checkpoint file; NAME labels the variant. Repeat for more; the same NAME again adds a training run.",
        ),
    ] = field(default_factory=list)
    wirings: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]mixed",
            help="The files of a variant have HOGA with several wirings, one run each, and stand for more.",
        ),
    ] = field(default_factory=list)
    runs: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]trainings|searches|draws",
            help="What the files of a variant with HOGA are; searches: each trains what a search of its own has found, "
            "and the verdict is about searching; draws: their wirings were drawn at random.",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class ImageFlags:
    """Which images, and the seed of everything that is drawn."""

    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="cluttered-digits, cifar10[:ROOT], cifar100[:ROOT], imagenet[:ROOT], folder:PATH or "
            "object-crops:SOURCE; for detectors coco:ROOT, objects:FILE.json or cluttered-scenes, "
            "for joints coco-keypoints:ROOT or digit-puppets. "
            "Default: what the checkpoint suggests, under $AUTOLA_DATA.",
        ),
    ] = None
    split: Annotated[str | None, typer.Option(help="Split of the images. Default: validation or test.")] = None
    class_order: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of the images' classes in the order of the head's outputs, one per line. Default: sorted.",
        ),
    ] = None
    images_root: ImagesRoot = None
    bad_boxes: BadBoxesOption = None
    skip_bad_images: Annotated[
        bool, typer.Option("--skip-bad-images", help="Leave out images that cannot be decoded, and list them.")
    ] = False

    hash_data: Annotated[
        bool, typer.Option("--hash-data", help="Record a hash of the images' contents; reads every file once more.")
    ] = False

    seed: Seed = 0

    def table(self, limit: int | None = None) -> DataTable:
        """Return them as a study has them.

        Raises:
            OptionError: If something is said of annotations, and no data are given.
        """
        from autola_analysis.study.file import DataTable

        if self.data is None and (self.images_root or self.bad_boxes):
            flag = "--images-root" if self.images_root else "--bad-boxes"
            raise OptionError(f"{flag} goes with --data coco:ROOT or objects:FILE.json, and no --data was given.")
        return DataTable(
            source=self.data,
            split=self.split,
            limit=limit,
            class_order=None if self.class_order is None else str(self.class_order),
            images_root=None if self.images_root is None else str(self.images_root),
            bad_boxes=checked_bad_boxes(self.bad_boxes),
            skip_bad_images=self.skip_bad_images,
            hash_contents=self.hash_data,
        )


@dataclass(frozen=True)
class MachineFlags:
    """How the machine is used."""

    device: Device = "auto"
    precision: Annotated[
        str, typer.Option(metavar="float32|tf32|bfloat16|float16", help="Arithmetic of the forward passes.")
    ] = "float32"
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Images per batch. Default: by their size and the device's memory."),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Processes that decode images; 0 decodes in this one. Default: 0 on a CPU, up to 16 beside a GPU.",
        ),
    ] = None
    decode: Annotated[
        str,
        typer.Option(
            metavar="cpu|gpu",
            help="What decodes JPEG files of images with labels: Pillow on the CPU, or the GPU's own decoder, which is "
            "faster and differs by a few levels; both are compared on up to 256 images first.",
        ),
    ] = DECODER
    cache: Cache = None
    no_cache: NoCache = False
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the networks: takes a minute each, pays from some hundred thousand images on."
        ),
    ] = False
    channel_axis: Annotated[
        str | None,
        typer.Option(
            metavar="first|last", help="Axis of a layer's maps that holds the channels, where the network does not say."
        ),
    ] = None
    no_progress: NoProgress = False
    quiet: Quiet = False

    @property
    def silent(self) -> bool:
        """Whether no progress is shown."""
        return self.quiet or self.no_progress

    def reading(self) -> Reading:
        """Return what a pass needs of them."""
        from autola_analysis.analyses.observation import Reading
        from autola_analysis.core.cache import user_cache
        from autola_analysis.inference.channels import axis_of
        from autola_analysis.inference.run import Settings

        settings = Settings(
            self.device,
            self.precision,
            quiet=self.silent,
            compile=self.compile,
            channel_axis=axis_of(self.channel_axis),
            decoder=checked_decoder(self.decode),
        )
        cache = None if self.no_cache else self.cache or user_cache()
        return Reading(settings, self.batch_size, self.workers, cache)


@dataclass(frozen=True)
class OutputFlags:
    """Where the report goes and how it looks."""

    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=expanded, help="Report directory. Default: reports/COMMAND-TIME."),
    ] = None
    overwrite: Overwrite = False
    anonymous: Anonymous = False
    width: Annotated[str, typer.Option(metavar="neurips|cvpr|INCHES", help="Width of the figures.")] = "neurips"

    def directory(self, command: str) -> Path:
        """Return the report directory, ``reports/<command>-<time>-<process>`` where none was given."""
        return self.out or Path("reports") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"


def command_of(
    title: str,
    analyses: Sequence[AnalysisRequest],
    checkpoints: CheckpointFlags,
    images: ImageFlags,
    architecture: ArchitectureFlags,
    output: OutputFlags,
    *,
    limit: int | None = None,
    candidate: str | None = None,
    group: str | None = None,
) -> StudyFile:
    """Return the study of a command; see `autola_analysis.study.command.command_study`."""
    from autola_analysis.study.command import command_study

    return command_study(
        title,
        checkpoints.ckpt,
        analyses,
        images.table(limit),
        {**architecture.values(), "wirings": checkpoints.wirings, "runs": checkpoints.runs},
        trust=architecture.trust_checkpoint,
        seed=images.seed,
        width=output.width,
        candidate=candidate,
        group=group,
    )


def split_commas(text: str | None) -> list[str] | None:
    """Return the comma-separated parts of an option, None where it was not given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def overrides(texts: Sequence[str]) -> dict[str, str]:
    """Return the overridden values of a recipe by key, of ``KEY=VALUE`` texts.

    Raises:
        OptionError: If an equals sign is missing.
    """
    values = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise OptionError(f"--set takes KEY=VALUE; found {text!r}.")
        values[key.replace("-", "_")] = value
    return values
