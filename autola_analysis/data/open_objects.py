"""From what a user writes after ``--data`` to a source of objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from autola_analysis.core.bad_boxes import BadBoxes, checked_bad_boxes
from autola_analysis.core.errors import DataError, OptionError
from autola_analysis.core.files import expanded
from autola_analysis.core.registry import Registry
from autola_analysis.data.cluttered_scenes import ClutteredScenes
from autola_analysis.data.coco import CocoObjects, check_images_folder
from autola_analysis.data.digit_puppets import DigitPuppets
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.subset import limit as limited


@dataclass(frozen=True)
class CocoOptions:
    """What a user says of data in COCO's format beside their path; see `CocoObjects`.

    Attributes:
        images_root: Folder of the images.
        bad_boxes: What is done with boxes that leave their image.

    Raises:
        OptionError: If bad boxes cannot be treated so.
    """

    images_root: str | Path | None = None
    bad_boxes: BadBoxes | None = None

    def __post_init__(self) -> None:
        checked_bad_boxes(self.bad_boxes)

    def refuse_for(self, name: str) -> None:
        """Refuse what was given for a source that is not in COCO's format.

        Raises:
            OptionError: Naming it.
        """
        for flag, value in {"--images-root": self.images_root, "--bad-boxes": self.bad_boxes}.items():
            if value is not None:
                raise OptionError(
                    f"{flag} is for data in COCO's format, coco:ROOT and objects:FILE.json say, and {name} is not; "
                    "leave it out."
                )


NOTHING_SAID = CocoOptions()

ObjectOpener = Callable[[str, str | None, CocoOptions], ObjectSource]
"""Takes what follows the colon, and the split, "" and None where they were not given, and what else was said."""

OBJECT_SOURCES: Registry[ObjectOpener] = Registry("source of objects")


def open_objects(
    spec: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    images_root: str | Path | None = None,
    bad_boxes: BadBoxes | None = None,
) -> ObjectSource:
    """Open the source of objects that a user asks for.

    Args:
        spec: ``cluttered-scenes``, ``digit-puppets``, ``coco:ROOT``, ``coco-keypoints:ROOT`` or ``objects:FILE.json``.
        split: Which part of the data; by default the one to evaluate on.
        limit: Keep this many images; None keeps all.
        seed: Of the limit's sample. The data set itself does not depend on it.
        images_root: Folder of the images of data in COCO's format; None looks where they usually lie.
        bad_boxes: Whether boxes that have no area or reach more than a pixel beyond their image are cut ("clip"), or
            their annotations left out ("drop"); None refuses such data, but for COCO's own training file, which has
            two and is read without them.

    Raises:
        UnknownNameError: If the source is not known; the message names the nearest.
        OptionError: If an argument is missing or superfluous, or the limit is not possible.
        DataError: If the data are not there or contradict themselves.
    """
    name, _, argument = spec.partition(":")
    source = OBJECT_SOURCES.get(name)(argument, split, CocoOptions(images_root, bad_boxes))
    return source if limit is None else limited(source, limit, seed)


@OBJECT_SOURCES.register("cluttered-scenes")
def _open_scenes(argument: str, split: str | None, options: CocoOptions) -> ObjectSource:
    """Handwritten digits, one to four on a photograph, with box and mask, made on the spot: cluttered-scenes."""
    _refuse_files(ClutteredScenes.name, argument, options)
    return ClutteredScenes(split or "test")


@OBJECT_SOURCES.register("digit-puppets")
def _open_puppets(argument: str, split: str | None, options: CocoOptions) -> ObjectSource:
    """Figures of nine joints on a photograph, one or two, with box and mask, made on the spot: digit-puppets."""
    _refuse_files(DigitPuppets.name, argument, options)
    return DigitPuppets(split or "test")


@OBJECT_SOURCES.register("coco")
def _open_coco(argument: str, split: str | None, options: CocoOptions) -> ObjectSource:
    """COCO 2017 as published, boxes and masks of 80 classes: coco:ROOT."""
    return _coco(argument, split, options, "coco", "instances")


@OBJECT_SOURCES.register("coco-keypoints")
def _open_coco_keypoints(argument: str, split: str | None, options: CocoOptions) -> ObjectSource:
    """COCO 2017 as published, people with 17 joints: coco-keypoints:ROOT."""
    return _coco(argument, split, options, "coco-keypoints", "person_keypoints")


@OBJECT_SOURCES.register("objects")
def _open_file(argument: str, split: str | None, options: CocoOptions) -> ObjectSource:
    """Objects of your own in COCO's format: objects:FILE.json."""
    if not argument or split is not None:
        raise OptionError("a file of objects is one part of the data: write objects:FILE.json, and leave --split out.")
    return _read(expanded(argument), options)


def _refuse_files(name: str, argument: str, options: CocoOptions) -> None:
    if argument:
        raise OptionError(f"{name} is made on the spot and takes no path; found {argument}, leave it out.")
    options.refuse_for(name)


def _coco(argument: str, split: str | None, options: CocoOptions, name: str, prefix: str) -> CocoObjects:
    """Open COCO of 2017 below a folder, images in ``val2017`` or ``images/val2017``."""
    if not argument:
        raise OptionError(f"{name} needs the folder that holds annotations; write {name}:ROOT.")
    root, year = expanded(argument), f"{split or 'val'}2017"
    annotations = root / "annotations" / f"{prefix}_{year}.json"
    if not annotations.is_file():
        raise DataError(f"{root} holds no annotations/{annotations.name}; give the folder of COCO 2017.")
    folders = [root / year, root / "images" / year]
    images = next((each for each in folders if each.is_dir()), folders[0])
    if split == "train" and options.bad_boxes is None:
        options = replace(options, bad_boxes="drop")  # COCO's own training file has two
    source = _read(annotations, options, images)
    source.name, source.split = f"{name}:{root}", split or "val"
    return source


def _read(annotations: Path, options: CocoOptions, usual: Path | None = None) -> CocoObjects:
    """Read a file; its images lie in a folder that the user names, and must be there, else in the usual one."""
    if options.images_root is not None:
        check_images_folder(expanded(options.images_root), annotations)
    source = CocoObjects(annotations, options.images_root or usual, bad_boxes=options.bad_boxes)
    if options.images_root is not None:
        source.check_images_found()
    return source
