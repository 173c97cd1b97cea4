"""From what a user writes after ``--data`` to an image source."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from autola_analysis.core.bad_boxes import BadBoxes
from autola_analysis.core.errors import DataError, OptionError, UnknownNameError
from autola_analysis.core.files import expanded
from autola_analysis.core.registry import Registry
from autola_analysis.data.cifar import Cifar10Source, Cifar100Source, CifarSource
from autola_analysis.data.cluttered_digits import ClutteredDigits
from autola_analysis.data.folder import ImageFolderSource
from autola_analysis.data.imagenet import DEFAULT_SPLIT, ImageNetSource
from autola_analysis.data.object_crops import ObjectCrops
from autola_analysis.data.open_objects import CocoOptions, open_objects
from autola_analysis.data.source import ImageSource
from autola_analysis.data.subset import limit as limit_source

DATA_VARIABLE = "AUTOLA_DATA"
"""Environment variable: the folder that holds the data sets, ``$AUTOLA_DATA/cifar10`` and so on, or one of them."""

SourceOpener = Callable[[Path | None, str | None], ImageSource]
"""Takes the path behind the colon, and the split; None where they were not given."""

FullOpener = Callable[[str, str | None, CocoOptions], ImageSource]
"""Takes what follows the colon as it is, and what was said of data in COCO's format, as openers of objects do."""

SOURCES: Registry[FullOpener] = Registry("data source")
"""What ``--data`` accepts before the colon; the first line of an opener's docstring describes it."""

OBJECT_CROPS = "object-crops"
"""The source that takes another one behind its colon"""

SOURCE_BY_CLASSES = {10: "cifar10", 100: "cifar100", 1000: "imagenet"}


def register_source(name: str) -> Callable[[SourceOpener], SourceOpener]:
    """Return a decorator that makes a function available as ``--data NAME[:PATH]``.

    The function is called with the path behind the colon and the split, each None where it was not given, and returns
    an `ImageSource`; the first line of its docstring describes it.

    Raises:
        OptionError: If the name is taken.
    """

    def register(opener: SourceOpener) -> SourceOpener:
        @wraps(opener)
        def open_path(argument: str, split: str | None, options: CocoOptions) -> ImageSource:
            options.refuse_for(name)
            return opener(expanded(argument) if argument else None, split)

        SOURCES.register(name)(open_path)
        return opener

    return register


def open_source(
    spec: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    images_root: str | Path | None = None,
    bad_boxes: BadBoxes | None = None,
) -> ImageSource:
    """Open the image source that a user asks for.

    Args:
        spec: ``cluttered-digits``, ``cifar10[:ROOT]``, ``cifar100[:ROOT]``, ``imagenet[:ROOT]``, ``folder:PATH`` or
            ``object-crops:SOURCE`` with a source of objects, see `open_objects`.
            Everything after the first colon is the path, colons included.
        split: Which part of the data; by default the one to evaluate on, validation or test.
        limit: Keep this many images, every class in proportion; None keeps all.
        seed: Of the limit's sample. The data set itself does not depend on it.
        images_root: Of ``object-crops:SOURCE``, as `open_objects` takes it.
        bad_boxes: Of ``object-crops:SOURCE``, as `open_objects` takes it.

    Raises:
        UnknownNameError: If the source is not known; the message names the nearest.
        OptionError: If the split or the limit is not possible, or an argument is missing or superfluous.
        DataError: If the data are not there or not complete.
    """
    name, colon, argument = spec.partition(":")
    if name not in SOURCES and expanded(spec).is_dir():
        raise UnknownNameError(f"--data {spec} names a folder but no kind of source; write --data folder:{spec}.")
    opener = SOURCES.get(name)
    if colon and not argument:
        raise OptionError(f"--data {spec} has no path after its colon; write --data {name}:PATH.")
    if split is not None and split != Path(split).name:
        raise OptionError(f"--split is the name of a folder, without a path; found {split!r}.")
    source = opener(argument, split, CocoOptions(images_root, bad_boxes))
    return source if limit is None else limit_source(source, limit, seed)


def default_source_for(num_classes: int) -> str | None:
    """Return the source that a number of classes suggests: 10 cifar10, 100 cifar100, 1000 imagenet; else None."""
    return SOURCE_BY_CLASSES.get(num_classes)


@register_source("cluttered-digits")
def open_cluttered_digits(root: Path | None, split: str | None) -> ImageSource:
    """Handwritten digits on photographs with the mask of each digit, made on the spot: cluttered-digits."""
    if root is not None:
        raise OptionError(f"cluttered-digits is made on the spot and takes no path; found {root}, leave it out.")
    return ClutteredDigits(split or "test")


def _open_cifar(kind: type[CifarSource], root: Path | None, split: str | None) -> ImageSource:
    def is_there(folder: Path) -> bool:
        return kind.parent_of_files(folder) is not None

    root = root or _find_in_data_folder(kind.name, kind.dataset.base_folder, is_there)
    return kind(root, split or "test")


@register_source("cifar10")
def open_cifar10(root: Path | None, split: str | None) -> ImageSource:
    """CIFAR-10 as published, the folder cifar-10-batches-py: cifar10[:ROOT]."""
    return _open_cifar(Cifar10Source, root, split)


@register_source("cifar100")
def open_cifar100(root: Path | None, split: str | None) -> ImageSource:
    """CIFAR-100 as published, the folder cifar-100-python: cifar100[:ROOT]."""
    return _open_cifar(Cifar100Source, root, split)


@register_source("imagenet")
def open_imagenet(root: Path | None, split: str | None) -> ImageSource:
    """ImageNet-1k or some of its classes, one folder per WordNet id below val, no devkit: imagenet[:ROOT]."""

    def is_there(folder: Path) -> bool:
        return ImageNetSource.split_folder(folder, split) is not None

    root = root or _find_in_data_folder("imagenet", f"{split or DEFAULT_SPLIT}/n01440764", is_there)
    return ImageNetSource(root, split)


@register_source("folder")
def open_folder(root: Path | None, split: str | None) -> ImageSource:
    """Images of your own, one folder per class: folder:PATH."""
    if root is None:
        raise OptionError("--data folder needs the path of the images; write --data folder:PATH.")
    if split is None:
        return ImageFolderSource(root)
    if not (root / split).is_dir():
        raise OptionError(f"--split {split} looked for the folder {root / split} and found none; leave --split out.")
    source = ImageFolderSource(root / split, split)
    source.name = f"folder:{root}"
    return source


@SOURCES.register(OBJECT_CROPS)
def open_object_crops(argument: str, split: str | None, options: CocoOptions) -> ImageSource:
    """Objects as images, the square around each, labelled with its class: object-crops:coco:ROOT."""
    if not argument:
        raise OptionError(
            "object-crops needs a source of objects; write object-crops:coco:ROOT, object-crops:objects:FILE.json or "
            "object-crops:cluttered-scenes."
        )
    return ObjectCrops(
        open_objects(argument, split=split, images_root=options.images_root, bad_boxes=options.bad_boxes)
    )


def _find_in_data_folder(name: str, wanted: str, is_there: Callable[[Path], bool]) -> Path:
    """Return the folder of a data set below ``$AUTOLA_DATA``."""
    parent = os.environ.get(DATA_VARIABLE)
    if not parent:
        raise DataError(
            f"{name} needs to know where {wanted} is, but {DATA_VARIABLE} is not set; "
            f"give --data {name}:ROOT or set {DATA_VARIABLE} to the folder that holds {name}."
        )
    places = [expanded(parent) / name, expanded(parent)]
    for place in places:
        if is_there(place):
            return place
    raise DataError(
        f"{name} looked for {wanted} in {places[0]} and {places[1]} (from {DATA_VARIABLE}) and found none; "
        f"put it there or give --data {name}:ROOT."
    )
