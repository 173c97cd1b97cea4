"""Objects in COCO's format: one JSON file of images, categories and annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from autola_analysis.core.bad_boxes import BadBoxes
from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.core.objects import Objects
from autola_analysis.core.text import apart, counted
from autola_analysis.data.bad_boxes import BoxChanges, box_fault, clipped
from autola_analysis.data.coco_file import Entry, check_unique, joint_set, number_fault, read_entries
from autola_analysis.data.decoding import bad_image, read_image
from autola_analysis.data.file_facts import FileFacts
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.run_lengths import mask_of, unpack
from autola_analysis.data.source import hash_of


class CocoObjects(ObjectSource):
    """A file in COCO's format and the images that it is about.

    Crowd annotations are kept and marked. Labels follow the order of category ids, which may have gaps.

    Args:
        annotations: The JSON file.
        images_root: Folder of the images; None looks beside the file.
        bad_boxes: What is done with boxes that have no area or reach more than a pixel beyond their image: "clip" cuts
            them at the border, and leaves the annotations out of which nothing remains; "drop" leaves all of them
            out. None refuses the file.

    Raises:
        DataError: If the file cannot be read, or contradicts itself.
    """

    def __init__(
        self, annotations: str | Path, images_root: str | Path | None = None, *, bad_boxes: BadBoxes | None = None
    ) -> None:
        self.path = expanded(annotations)
        self.name, self.split = f"objects:{self.path}", self.path.stem
        self.roots = [expanded(images_root)] if images_root is not None else _beside(self.path)
        self._text, content = read_entries(self.path)
        images, categories = content["images"], sorted(content["categories"], key=lambda entry: int(entry["id"]))
        for kind, entries in (("image", images), ("category", categories), ("annotation", content["annotations"])):
            check_unique(entries, kind, self.path)
        self.classes = apart([str(entry["name"]) for entry in categories])
        self.category_ids = tuple(int(entry["id"]) for entry in categories)
        self.image_ids = np.array([entry["id"] for entry in images], dtype=np.int64)
        self.ids = [str(entry["file_name"]) for entry in images]
        self.sizes = np.array([[entry["width"], entry["height"]] for entry in images], dtype=np.int64).reshape(-1, 2)
        self.joints = joint_set(categories, self.path)
        self._images = images
        self._bad_boxes = bad_boxes
        self._annotations, self.box_changes = self._by_image(content["annotations"])

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
        return hash_of(*self._annotated, self.facts.fingerprint)

    def listing(self) -> str:
        """Return a hash of the annotations and of the images' names and sizes."""
        return hash_of(*self._annotated, self.facts.listing)

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

    @property
    def _annotated(self) -> Sequence[str]:
        """What the objects are made of: the text of the file, and what was done with its bad boxes."""
        return [self._text, str(self._bad_boxes)] if self.box_changes else [self._text]

    def check_images_found(self) -> None:
        """Refuse a folder of images in which none of them is.

        Raises:
            DataError: Saying what was looked for, and where.
        """
        root = self.roots[0]
        if self.ids and all(self._found(index) is None for index in range(len(self.ids))):
            names = " or ".join(map(str, self._names(0)))
            raise DataError(
                f"{root} holds none of the images that {self.path} lists, of which {names} was looked for first; "
                f"{_meant(self.path)}, where the names in the file start."
            )

    def _by_image(self, entries: Sequence[Entry]) -> tuple[list[list[Entry]], BoxChanges]:
        """Return the annotations of every image, after checking what they refer to, and what became of bad boxes."""
        places = {int(number): index for index, number in enumerate(self.image_ids)}
        found: list[list[Entry]] = [[] for _ in places]
        faults: list[str] = []
        mended = 0
        for entry in entries:
            if entry["image_id"] not in places:
                raise self._wrong(f"annotation {entry['id']} belongs to image {entry['image_id']}, which is not in it")
            if entry["category_id"] not in self.category_ids:
                raise self._wrong(f"annotation {entry['id']} has the unknown category {entry['category_id']}")
            if fault := number_fault(entry, len(self.joints.names) if self.joints else 0):
                raise self._wrong(f"annotation {entry['id']} {fault}")
            index = places[entry["image_id"]]
            kept: Entry | None = entry
            if fault := box_fault(entry.get("bbox"), *self.sizes[index]):
                faults.append(f"the box {entry.get('bbox')} of annotation {entry['id']} {fault}")
                kept = _clipped(entry, *self.sizes[index]) if self._bad_boxes == "clip" else None
                mended += kept is not None
            if kept is not None:
                found[index].append(kept)
        if faults and self._bad_boxes is None:
            more = f", and so it is with {counted(len(faults) - 1, 'more box')}" if faults[1:] else ""
            raise self._wrong(
                faults[0] + more,
                "give --bad-boxes clip to cut such boxes at the border, or --bad-boxes drop to leave their annotations "
                "out",
            )
        return found, BoxChanges(mended, len(faults) - mended)

    def _file(self, index: int) -> Path:
        if (path := self._found(index)) is not None:
            return path
        looked = ", ".join(str(root) for root in self.roots)
        raise bad_image(
            self.roots[0] / self.ids[index],
            f"there is no such file in any of {looked}; put the images, or a link to their folder, there, or say with "
            "--images-root where they are",
        )

    def _found(self, index: int) -> Path | None:
        """Return the file of an image; None where it is not there."""
        for path in (root / name for root in self.roots for name in self._names(index)):
            with suppress(OSError):  # a name that no file can have
                if path.is_file():
                    return path
        return None

    def _names(self, index: int) -> list[Path]:
        """Return what the file of an image may be called in the folder of the images."""
        url = Path(str(self._images[index].get("coco_url", "")))
        return [Path(self.ids[index]), *([Path(*url.parts[-2:])] if url.parts else [])]

    def _wrong(self, what: str, advice: str = "mend it or use the original file") -> DataError:
        return DataError(f"{self.path} contradicts itself: {what}; {advice}.")


def check_images_folder(root: Path, annotations: Path) -> None:
    """Refuse a folder of images that is none, before any annotation is read.

    Raises:
        DataError: Saying what it is.
    """
    if not root.is_dir():
        found = f"{root} is a file" if root.exists() else f"there is no folder {root}"
        raise DataError(f"{found}, and {_meant(annotations)}; check the path.")


def _meant(annotations: Path) -> str:
    return f"--images-root names the folder that holds the images of {annotations.name}"


class _Files:
    """Names and files of the images of a source that are there, as often as they are asked for.

    One that is not is met with when it is read, which a run that leaves bad images out does not.
    """

    def __init__(self, source: CocoObjects) -> None:
        self._source = source

    def __iter__(self) -> Iterator[tuple[str, str]]:
        paths = (self._source._found(index) for index in range(len(self._source.ids)))
        return ((name, str(path)) for name, path in zip(self._source.ids, paths, strict=True) if path is not None)


def _clipped(entry: Entry, width: int, height: int) -> Entry | None:
    """Return an annotation with its box cut at the border of the image; None where nothing of it remains.

    Its area is no larger than its box.
    """
    if (box := clipped(entry.get("bbox"), width, height)) is None:
        return None
    within = box[2] * box[3]
    return {**entry, "bbox": box, "area": min(entry.get("area", within), within)}


def _filled(polygons: Sequence[Sequence[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels that polygons cover, each x, y, x, y, ..."""
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        draw.polygon([float(value) for value in polygon], fill=1)
    return np.array(image, dtype=np.bool_)


def _beside(path: Path) -> list[Path]:
    """Return the folders in which images of a file of annotations usually lie."""
    names = ("", "images", "train2017", "val2017")
    return [folder / name for folder in (path.parent, path.parent.parent) for name in names]
