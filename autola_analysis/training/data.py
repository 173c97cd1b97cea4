"""The images of a training: both splits, and the statistics that standardise them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.progress import progress_bar
from autola_analysis.data.folder import SPLIT_NAMES
from autola_analysis.data.open import open_source
from autola_analysis.data.open_objects import NOTHING_SAID, CocoOptions
from autola_analysis.data.preprocessing import NORMALIZATIONS, Preprocessing
from autola_analysis.data.source import ImageSource, Source
from autola_analysis.data.workers import SupervisedLoader, leave_process_group
from autola_analysis.training.images import PreprocessedImages
from autola_analysis.training.recipes import MEASURE, Recipe

logger = logging.getLogger(__name__)
TRAIN = "train"
S = TypeVar("S", bound=Source)


def opened(opener: Callable[..., S], data: str, split: str | None, coco: CocoOptions) -> S:
    """Open one split with what was said of data in COCO's format, and say what that did to their boxes.

    Args:
        opener: `open_source` or `open_objects`.
        data: As ``--data`` takes it.
        split: Name of the split; None for a file that is one.
        coco: What was said.
    """
    source = opener(data, split=split, images_root=coco.images_root, bad_boxes=coco.bad_boxes)
    if source.box_changes:
        logger.warning("%s, %s split: %s", source.name, source.split, source.box_changes.sentence())
    return source


def open_splits(data: str, test_split: str, coco: CocoOptions = NOTHING_SAID) -> tuple[ImageSource, ImageSource]:
    """Open the split to train on and the split to test on.

    Args:
        data: As ``--data`` takes it; of a folder, the one that holds both splits.
        test_split: Name of the split to test on.
        coco: What was said of data in COCO's format.

    Raises:
        OptionError: If a folder does not hold both splits.
        DataError: If the data are not there, or the splits have other classes.
    """
    kind, _, argument = data.partition(":")
    if kind == "folder" and argument:
        _check_folder(expanded(argument), test_split)
    train, test = (opened(open_source, data, split, coco) for split in (TRAIN, test_split))
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))
        raise DataError(
            f"the splits {TRAIN} and {test_split} of {train.name} have different classes ({odd[0]} is only in one of "
            "them); give both the same folders."
        )
    return train, test


def _check_folder(root: Path, test_split: str) -> None:
    wanted = (TRAIN, test_split)
    missing = [split for split in wanted if not (root / split).is_dir()]
    if not missing:
        return
    parent = (root if root.name else root.absolute()).parent
    others = [split for split in SPLIT_NAMES if split not in wanted and (root / split).is_dir()]
    if all((parent / split).is_dir() for split in wanted):
        advice = f"give the folder that holds both, --data folder:{parent}"
    elif missing == [test_split] and others:
        advice = f"name the split to test on with --set test_split={others[0]}"
    else:
        advice = f"give --data folder:ROOT with ROOT/{TRAIN}/CLASS and ROOT/{test_split}/CLASS"
    raise OptionError(
        f"training reads the splits {TRAIN} and {test_split} of one folder, but there is no {root / missing[0]}; "
        f"{advice}."
    )


def preprocessing_of(recipe: Recipe, source: ImageSource, workers: int, quiet: bool) -> Preprocessing:
    """Return what is done to the images of a training: the source's geometry, the recipe's statistics.

    Args:
        recipe: Names the statistics, or asks for measured ones.
        source: The training split.
        workers: Processes that decode images where statistics are measured.
        quiet: Whether to show no progress.

    Raises:
        OptionError: If the recipe names no statistics and the source has none of its own, or if a measured standard
            deviation is zero.
    """
    geometry = source.preprocessing or Preprocessing()
    if recipe.normalize == MEASURE:
        return measured(geometry, source, workers, quiet)
    if recipe.normalize:
        return geometry.with_statistics_of(NORMALIZATIONS.get(recipe.normalize))
    if source.preprocessing is None:
        known = f"{recipe.data} where these are its images, " if recipe.data in NORMALIZATIONS else ""
        others = ", ".join(name for name in NORMALIZATIONS if name != recipe.data)
        raise OptionError(
            f"{source.name} has no statistics of its own; give --set normalize={known or MEASURE + ', '}"
            f"{MEASURE + ' to measure them, ' if known else ''}or one of {others}."
        )
    return source.preprocessing


def measured(geometry: Preprocessing, source: ImageSource, workers: int = 0, quiet: bool = True) -> Preprocessing:
    """Return a geometry with the mean and standard deviation per channel over all pixels that it leaves of a source.

    Pixels are counted by value, so that both numbers are exact up to their last rounding and need no second pass.

    Raises:
        OptionError: If a channel has the same value everywhere.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    images = PreprocessedImages(source, geometry)
    loader = SupervisedLoader(images, batch_size=None, num_workers=workers, worker_init_fn=leave_process_group)
    with progress_bar(len(images), "measuring mean and standard deviation", quiet=quiet) as bar:
        for image, _ in loader:
            counts += [np.bincount(channel.ravel(), minlength=256) for channel in image.numpy()]
            bar.update()
    moments = [_moments(channel.tolist()) for channel in counts]
    if min(std for _, std in moments) == 0:
        raise OptionError(
            f"a channel of the images in {source.name} has the same value everywhere, so that there is no standard "
            "deviation to divide by; give --set normalize=none."
        )
    (red, green, blue), (red_std, green_std, blue_std) = zip(*moments, strict=True)
    return replace(geometry, mean=(red, green, blue), std=(red_std, green_std, blue_std))


def _moments(counts: list[int]) -> tuple[float, float]:
    """Return mean and standard deviation, in [0, 1], of pixels that are counted by their value from 0 to 255."""
    pixels = sum(counts)
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    return total / pixels / 255, math.sqrt(pixels * squares - total * total) / pixels / 255
