"""Objects in COCO's format: one JSON file of images, categories and annotations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.core.objects import COCO_SIGMAS, JointSet, Objects
from autola_analysis.core.reading import TextFault, json_of, read_text
from autola_analysis.core.text import apart, counted
from autola_analysis.data.decoding import bad_image, read_image
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.run_lengths import mask_of, unpack
from autola_analysis.data.source import hash_of

TOLERANCE = 1.0
"""Pixels by which a box may leave its image: COCO's own are rounded, and stay as they are"""
Entry = dict[str, Any]


class CocoObjects(ObjectSource):
    """A file in COCO's format and the images that it is about.

    Crowd annotations are kept and marked. Labels follow the order of category ids, which may have gaps.

    Args:
        annotations: The JSON file.
        images_root: Folder of the images; None looks beside the file.
        drop_bad_boxes: Leave annotations out whose box has no area or lies outside its image, of which COCO's own
            training file has two.

    Raises:
        DataError: If the file cannot be read, or contradicts itself.
    """

    def __init__(
        self, annotations: str | Path, images_root: str | Path | None = None, *, drop_bad_boxes: bool = False
    ) -> None:
        self.path = expanded(annotations)
        self.name, self.split = f"objects:{self.path}", self.path.stem
        self.roots = [expanded(images_root)] if images_root is not None else _beside(self.path)
        self._text, content = _read(self.path)
        images, categories = content["images"], sorted(content["categories"], key=lambda entry: int(entry["id"]))
        for kind, entries in (("image", images), ("category", categories), ("annotation", content["annotations"])):
            _check_unique(entries, kind, self.path)
        self.classes = apart([str(entry["name"]) for entry in categories])
        self.category_ids = tuple(int(entry["id"]) for entry in categories)
        self.image_ids = np.array([entry["id"] for entry in images], dtype=np.int64)
        self.ids = [str(entry["file_name"]) for entry in images]
        self.sizes = np.array([[entry["width"], entry["height"]] for entry in images], dtype=np.int64).reshape(-1, 2)
        self.joints = _joints(categories, self.path)
        self._images = images
        self._annotations = self._by_image(content["annotations"], drop_bad_boxes)

    def image(self, index: int) -> Image.Image:
        """Decode one image, in the orientation that its annotations mean.

        Raises:
            BadImageError: If it is not there, cannot be decoded, or has another size than the file says.
        """
        path = self._file(index)
        image, size = read_image(path), tuple(int(side) for side in self.sizes[index])
        if image.size == size:
            return image
        stored = read_image(path, turned=False)  # annotations of an image whose EXIF data turn it may mean it unturned
        if stored.size == size:
            return stored
        found = "{} x {}".format(*image.size)
        raise bad_image(path, f"it has {found} pixels where {self.path.name} says {size[0]} x {size[1]}")

    def objects(self, index: int) -> Objects:
        """Return the objects of one image."""
        entries = self._annotations[index]
        corners = np.array([entry["bbox"] for entry in entries], dtype=np.float64).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
        areas = [entry.get("area", box[2] * box[3]) for entry, box in zip(entries, corners, strict=True)]
        keypoints = None
        if self.joints is not None:
            nothing = [0.0] * 3 * len(self.joints.names)
            values = [entry.get("keypoints") or nothing for entry in entries]
            keypoints = np.array(values, dtype=np.float64).reshape(len(entries), len(self.joints.names), 3)
        return Objects(
            boxes,
            np.array([self.category_ids.index(entry["category_id"]) for entry in entries], dtype=np.int64),
            np.array(areas, dtype=np.float64),
            np.array([bool(entry.get("iscrowd", 0)) for entry in entries], dtype=np.bool_),
            np.array([entry["id"] for entry in entries], dtype=np.int64),
            keypoints,
        )

    def object_mask(self, index: int, number: int) -> NDArray[np.bool_] | None:
        """Return where an object is, from polygons or runs; None where only its box is annotated.

        Raises:
            DataError: If the mask does not fit the image.
        """
        entry = self._annotations[index][number]
        width, height = (int(side) for side in self.sizes[index])
        segmentation = entry.get("segmentation")
        if not segmentation:
            return None
        try:
            if isinstance(segmentation, Mapping):
                counts = segmentation["counts"]
                return mask_of(unpack(counts) if isinstance(counts, str) else counts, height, width)
            return _filled(segmentation, height, width)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise self._wrong(f"the mask of annotation {entry['id']} cannot be read ({error})") from error

    def fingerprint(self) -> str:
        """Return a hash of the annotations and of the images' names, sizes and times of change."""
        return hash_of(self._text, self.facts.fingerprint)

    def listing(self) -> str:
        """Return a hash of the annotations and of the images' names and sizes."""
        return hash_of(self._text, self.facts.listing)

    def origin(self) -> str:
        """Return where the images lie and when they last changed, hashed."""
        return self.facts.origin

    def check_unchanged(self) -> None:
        """Refuse to go on where an image has changed since `fingerprint` was first asked for."""
        self.facts.check_unchanged()

    def contents(self, index: int) -> bytes:
        """Return the bytes of the file of one image."""
        return self._file(index).read_bytes()

    @cached_property
    def facts(self) -> FileFacts:
        """What the file system says of the images, taken once."""
        return FileFacts(self.split, str(self.roots[0]), _Files(self))

    def _by_image(self, entries: Sequence[Entry], drop: bool) -> list[list[Entry]]:
        """Return the annotations of every image, after checking what they refer to."""
        places = {int(number): index for index, number in enumerate(self.image_ids)}
        found: list[list[Entry]] = [[] for _ in places]
        for entry in entries:
            if entry["image_id"] not in places:
                raise self._wrong(f"annotation {entry['id']} belongs to image {entry['image_id']}, which is not in it")
            if entry["category_id"] not in self.category_ids:
                raise self._wrong(f"annotation {entry['id']} has the unknown category {entry['category_id']}")
            for key, values in (("area", [entry.get("area", 0)]), ("keypoints", entry.get("keypoints") or [])):
                if not isinstance(values, list) or not all(map(_is_number, values)):
                    raise self._wrong(f"annotation {entry['id']} has the {key} {entry[key]!r}, and numbers are due")
            joints, numbers = len(self.joints.names) if self.joints else 0, len(entry.get("keypoints") or ())
            if joints and numbers not in (0, 3 * joints):
                raise self._wrong(f"annotation {entry['id']} has {numbers} numbers for {joints} joints")
            index = places[entry["image_id"]]
            fault = _fault(entry.get("bbox"), *self.sizes[index])
            if fault and not drop:
                raise self._wrong(
                    f"the box {entry.get('bbox')} of annotation {entry['id']} {fault}", "drop_bad_boxes=True"
                )
            if not fault:
                found[index].append(entry)
        return found

    def _file(self, index: int) -> Path:
        url = Path(str(self._images[index].get("coco_url", "")))
        names = [Path(self.ids[index]), *([Path(*url.parts[-2:])] if url.parts else [])]
        paths = [root / name for root in self.roots for name in names]
        for path in paths:
            with suppress(OSError):  # a name that no file can have
                if path.is_file():
                    return path
        raise bad_image(paths[0], "there is no such file; say where the images are with images_root")

    def _wrong(self, what: str, way: str = "") -> DataError:
        advice = f"mend it, or leave such annotations out with {way}" if way else "mend it or use the original file"
        return DataError(f"{self.path} contradicts itself: {what}; {advice}.")


class _Files:
    """Names and files of the images of a source, as often as they are asked for."""

    def __init__(self, source: CocoObjects) -> None:
        self._source = source

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, str(self._source._file(index))) for index, name in enumerate(self._source.ids))


def _read(path: Path) -> tuple[str, dict[str, list[Entry]]]:
    try:
        text = read_text(path)
        content = json_of(text, finite=False)
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}); check the path.") from error
    except TextFault as error:
        raise DataError(f"{path} cannot be used: {error}; use the original file.") from error
    needed: dict[str, tuple[str, ...]] = {
        "images": ("id", "file_name", "width", "height"),
        "categories": ("id", "name"),
        "annotations": ("id", "image_id", "category_id"),
    }
    for key, fields in needed.items():
        entries = content.get(key) if isinstance(content, Mapping) else None
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise DataError(f"{path} has no list of {key}, which COCO's format has; give a file of annotated objects.")
        lacking = [field for field in fields for entry in entries if field not in entry]
        if lacking:
            raise DataError(f"{path} holds {key} without {lacking[0]!r}, which COCO's format has; mend it.")
        for field in {*fields} - {"file_name", "name"}:
            if odd := [entry[field] for entry in entries if not isinstance(entry[field], int)]:
                raise DataError(
                    f"{path} holds {key} whose {field} is {odd[0]!r}, where a whole number is due; mend it."
                )
    return text, content


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _check_unique(entries: Sequence[Entry], kind: str, path: Path) -> None:
    seen: set[object] = set()
    for entry in entries:
        if entry["id"] in seen:
            raise DataError(f"{path} holds two entries for {kind} {entry['id']}; mend it or use the original file.")
        seen.add(entry["id"])


def _fault(box: object, width: int, height: int) -> str:
    """Return what is wrong with a box x, y, width, height; "" for a box that can be used."""
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, int | float) for value in box):
        return "is not four numbers"
    x, y, across, down = box
    if not (across > 0 and down > 0):
        return "has no area"
    inside = x >= -TOLERANCE and y >= -TOLERANCE and x + across <= width + TOLERANCE and y + down <= height + TOLERANCE
    return "" if inside else f"lies outside its image of {width} x {height} pixels"


def _joints(categories: Sequence[Entry], path: Path) -> JointSet | None:
    """Return the joints of the first category that has some; left and right are told from the names.

    Raises:
        DataError: If they are not as COCO's format has them, or it has another number of sigmas than of joints.
    """
    entry = next((entry for entry in categories if entry.get("keypoints")), None)
    if entry is None:
        return None
    try:
        names = tuple(str(name) for name in entry["keypoints"])
        skeleton = tuple((int(one) - 1, int(other) - 1) for one, other in entry.get("skeleton", ()))
        given = entry.get("sigmas", COCO_SIGMAS if len(names) == len(COCO_SIGMAS) else None)
        sigmas = None if given is None else tuple(float(each) for each in given)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{path} names joints, their skeleton or their sigmas otherwise than COCO's format ({error}); mend it."
        ) from error
    pairs = tuple(
        (index, names.index(name.replace("left", "right")))
        for index, name in enumerate(names)
        if "left" in name and name.replace("left", "right") in names
    )
    if sigmas is not None and len(sigmas) != len(names):
        raise DataError(f"{path} gives {len(sigmas)} sigmas for {counted(len(names), 'joint')}; give one per joint.")
    return JointSet(names, pairs, skeleton, sigmas)


def _filled(polygons: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels that polygons cover, each x, y, x, y, ..."""
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        draw.polygon([float(value) for value in polygon], fill=1)
    return np.array(image, dtype=np.bool_)


def _beside(path: Path) -> list[Path]:
    """Return the folders in which images of a file of annotations usually lie."""
    above = path.parent.parent
    return [path.parent, above, *(above / name for name in ("images", "train2017", "val2017"))]
