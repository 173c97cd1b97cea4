"""Which images a command runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autola_analysis.core.errors import OptionError
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.bad_images import drop_unreadable
from autola_analysis.data.open import default_source_for, open_source
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import limit as limited
from autola_analysis.study.models import StudyModel


@dataclass(frozen=True)
class DataOptions:
    """Which images to take.

    Attributes:
        data: As ``--data`` takes it; None leaves it to the checkpoints.
        split: Split of the source; None takes its validation or test split.
        limit: Number of images, drawn by class; None for all.
        seed: Of that draw.
        skip_bad_images: Whether images that cannot be decoded are left out rather than stopping the run.
        hash_contents: Whether the run record holds a hash of the images' contents, not only of names, sizes and times.
        quiet: Whether to leave out the progress bar of checking images.
    """

    data: str | None = None
    split: str | None = None
    limit: int | None = None
    seed: int = 0
    skip_bad_images: bool = False
    hash_contents: bool = False
    quiet: bool = False


def source_for(models: Sequence[StudyModel], options: DataOptions) -> tuple[ImageSource, tuple[str, ...]]:
    """Open the images for some models.

    Returns:
        The source, and the paths of images that were left out because they cannot be decoded.

    Raises:
        OptionError: If no source was given and the checkpoints do not suggest one and the same.
        DataError: If the source is not where it should be.
    """
    source = open_source(options.data or suggested_source(models), split=options.split)
    if options.limit is not None:
        source = limited(source, options.limit, options.seed)
    if not options.skip_bad_images:
        return source, ()
    with progress_bar(len(source), "checking images", quiet=options.quiet) as bar:
        return drop_unreadable(source, bar.update)


def title_of(source: ImageSource) -> str:
    """Return how captions call a source: without the path of anybody's machine."""
    kind, _, root = source.name.partition(":")
    folder = Path(root).parent if Path(root).name == source.split else Path(root)
    return f"{kind} {folder.name}, {source.split} split" if root else f"{kind}, {source.split} split"


def suggested_source(models: Sequence[StudyModel]) -> str:
    """Return the source recorded in the checkpoints, or the one that the number of classes suggests.

    Raises:
        OptionError: If there is none, or the checkpoints differ.
    """
    found: dict[str, str] = {}
    for model in models:
        classes = model.loaded.spec.num_classes if model.loaded.spec else None
        source = model.loaded.source or (default_source_for(classes) if classes else None)
        if source is None:
            raise OptionError(f"nothing in {model.loaded.path} suggests which images to use; give --data SOURCE.")
        found[source] = model.variant.title
    if len(found) > 1:
        each = ", ".join(f"{source} ({title})" for source, title in found.items())
        raise OptionError(f"the checkpoints suggest different images: {each}; give --data SOURCE.")
    return next(iter(found))
