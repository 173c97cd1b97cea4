"""From what a user writes after ``--data`` to a source of objects."""

from __future__ import annotations

from collections.abc import Callable

from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.registry import Registry
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.coco import CocoObjects
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.subset import limit as limited

ObjectOpener = Callable[[str, str | None], ObjectSource]
"""Takes what follows the colon, and the split; "" and None where they were not given."""

OBJECT_SOURCES: Registry[ObjectOpener] = Registry("source of objects")


def open_objects(spec: str, *, split: str | None = None, limit: int | None = None, seed: int = 0) -> ObjectSource:
    """Open the source of objects that a user asks for.

    Args:
        spec: ``cluttered-scenes``, ``digit-puppets``, ``coco:ROOT``, ``coco-keypoints:ROOT`` or ``objects:FILE.json``.
        split: Which part of the data; by default the one to evaluate on.
        limit: Keep this many images; None keeps all.
        seed: Of the limit's sample. The data set itself does not depend on it.

    Raises:
        UnknownNameError: If the source is not known; the message names the nearest.
        OptionError: If a path or a split is missing or superfluous, or the limit is not possible.
        DataError: If the data are not there or contradict themselves.
    """
    name, _, argument = spec.partition(":")
    source = OBJECT_SOURCES.get(name)(argument, split)
    return source if limit is None else limited(source, limit, seed)


@OBJECT_SOURCES.register("cluttered-scenes")
def _open_scenes(argument: str, split: str | None) -> ObjectSource:
    """Handwritten digits, one to four on a photograph, with box and mask, made on the spot: cluttered-scenes."""
    if argument:
        raise OptionError(f"cluttered-scenes is made on the spot and takes no path; found {argument}, leave it out.")
    return ClutteredScenes(split or "test")


@OBJECT_SOURCES.register("digit-puppets")
def _open_puppets(argument: str, split: str | None) -> ObjectSource:
    """Figures of nine joints on a photograph, one or two, with box and mask, made on the spot: digit-puppets."""
    if argument:
        raise OptionError(f"digit-puppets is made on the spot and takes no path; found {argument}, leave it out.")
    return DigitPuppets(split or "test")


@OBJECT_SOURCES.register("coco")
def _open_coco(argument: str, split: str | None) -> ObjectSource:
    """COCO 2017 as published, boxes and masks of 80 classes: coco:ROOT."""
    return _coco(argument, split, "coco", "instances")


@OBJECT_SOURCES.register("coco-keypoints")
def _open_coco_keypoints(argument: str, split: str | None) -> ObjectSource:
    """COCO 2017 as published, people with 17 joints: coco-keypoints:ROOT."""
    return _coco(argument, split, "coco-keypoints", "person_keypoints")


@OBJECT_SOURCES.register("objects")
def _open_file(argument: str, split: str | None) -> ObjectSource:
    """Objects of your own in COCO's format: objects:FILE.json."""
    if not argument or split is not None:
        raise OptionError("a file of objects is one part of the data: write objects:FILE.json, and leave --split out.")
    return CocoObjects(expanded(argument))


def _coco(argument: str, split: str | None, name: str, prefix: str) -> CocoObjects:
    """Open COCO of 2017 below a folder, images in ``val2017`` or ``images/val2017``."""
    if not argument:
        raise OptionError(f"{name} needs the folder that holds annotations; write {name}:ROOT.")
    root, year = expanded(argument), f"{split or 'val'}2017"
    annotations = root / "annotations" / f"{prefix}_{year}.json"
    if not annotations.is_file():
        raise DataError(f"{root} holds no annotations/{annotations.name}; give the folder of COCO 2017.")
    folders = [root / year, root / "images" / year]
    images = next((each for each in folders if each.is_dir()), folders[0])
    source = CocoObjects(annotations, images, drop_bad_boxes=split == "train")  # COCO's own training file has two
    source.name, source.split = f"{name}:{root}", split or "val"
    return source
