"""Where objects are: bounding boxes from masks, COCO-style JSON and VOC or ImageNet XML, and boxes as masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autola_analysis.core.errors import DataError
from autola_analysis.core.files import expanded
from autola_analysis.core.reading import LARGEST_TEXT, TextFault, json_of, read_bytes, text_of
from autola_analysis.data.files import is_left_out
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.data.source import ImageSource

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright image: ``left <= x < right``, ``top <= y < bottom``.

    Raises:
        DataError: If it is empty or not finite.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        sides = (self.left, self.top, self.right, self.bottom)
        if not np.isfinite(sides).all() or self.right <= self.left or self.bottom <= self.top:
            raise DataError(f"a box is (left, top, right, bottom) with left < right and top < bottom; found {sides}.")


def box_of(mask: Mask) -> Box | None:
    """Return the smallest box around a mask ``(H, W)``; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def mask_of(boxes: Iterable[Box], height: int, width: int) -> Mask:
    """Return the union of some boxes as a mask ``(height, width)``: the pixels whose centre lies in one."""
    mask = np.zeros((height, width), dtype=bool)
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    for box in boxes:
        inside_rows = (rows >= box.top) & (rows < box.bottom)
        inside_columns = (columns >= box.left) & (columns < box.right)
        mask |= inside_rows[:, None] & inside_columns
    return mask


def preprocessed_mask(mask: Mask, preprocessing: Preprocessing) -> Mask:
    """Take a mask through the geometry of its image: what is then covered to at least a half stays covered."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    result: Mask = preprocessing.geometry(picture)[0].numpy() >= 128
    return result


def read_boxes(path: str | Path) -> dict[str, list[Box]]:
    """Read boxes from a COCO-style JSON file, a VOC or ImageNet XML file, or a folder of such XML files.

    Returns:
        Boxes by image: its file name in COCO, else the path of its XML file in the folder, without the suffix;
        `beside_images` finds those of a source's images.

    Raises:
        DataError: If it cannot be read, or holds no annotation.
    """
    path = expanded(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.xml") if not any(map(is_left_out, file.relative_to(path).parts)))
        if not files:
            raise DataError(f"{path} holds no .xml file; boxes come from VOC or ImageNet XML or a COCO-style JSON.")
        return {file.relative_to(path).with_suffix("").as_posix(): read_voc(file) for file in files}
    if path.suffix.lower() == ".xml":
        return {path.stem: read_voc(path)}
    if path.suffix.lower() == ".json":
        return read_coco(path)
    raise DataError(f"boxes come from a COCO-style .json, a VOC or ImageNet .xml or a folder of them; found {path}.")


def object_mask(source: ImageSource, index: int, boxes: Mapping[str, Sequence[Box]]) -> Mask | None:
    """Return where the object of an image is, ``(H, W)``: by the source's mask, else by its boxes; None for neither.

    Args:
        source: The images.
        index: Number of the image.
        boxes: By id of the image, as `beside_images` returns them.
    """
    mask = source.mask(index)
    if mask is None and (found := boxes.get(source.ids[index])):
        width, height = source.image(index).size
        mask = mask_of(found, height, width)
    return mask


def read_coco(path: str | Path) -> dict[str, list[Box]]:
    """Read a COCO-style file: ``images`` with id and file_name, ``annotations`` with image_id and bbox (x, y, w, h).

    Crowd annotations are left out. An image without annotation has an empty list.

    Raises:
        DataError: If the file cannot be read or is built otherwise.
    """
    path = Path(path)
    try:
        content = json_of(text_of(_read(path)))
    except TextFault as error:
        raise DataError(f"the boxes of {path} cannot be used: {error}.") from error
    try:
        names: dict[Any, str] = {}
        ids: dict[str, Any] = {}
        for image in content["images"]:
            name = str(image["file_name"])
            if name in ids:
                raise DataError(
                    f"the images {ids[name]} and {image['id']} are both called {name!r}; give them their paths."
                )
            names[image["id"]], ids[name] = name, image["id"]
        boxes: dict[str, list[Box]] = {name: [] for name in names.values()}
        for annotation in content["annotations"]:
            if annotation.get("iscrowd"):
                continue
            x, y, width, height = (float(value) for value in annotation["bbox"])
            boxes[names[annotation["image_id"]]].append(Box(x, y, x + width, y + height))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is not built as COCO has it, with images (id, file_name) and annotations (image_id, bbox): "
            f"{type(error).__name__} {error}."
        ) from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return boxes


def read_voc(path: str | Path) -> list[Box]:
    """Read the boxes of one image from VOC or ImageNet XML: ``object/bndbox`` with xmin, ymin, xmax, ymax.

    Their pixels are counted from 1 and both ends belong to the box (Everingham et al., VOC development kit).

    Raises:
        DataError: If the file cannot be read, is no XML, declares entities, or a box is incomplete.
    """
    path = Path(path)
    boxes = []
    for element in _parse_xml(path).iter("bndbox"):
        try:
            left, top, right, bottom = (float(element.findtext(side, "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError as error:
            raise DataError(f"{path}: a bndbox needs the numbers xmin, ymin, xmax and ymax.") from error
        try:
            boxes.append(Box(left - 1, top - 1, right, bottom))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    return boxes


def _parse_xml(path: Path) -> Element:
    """Parse XML without document type declarations: entities that expand to gigabytes or read files need one."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise DataError(f"{path} has a document type declaration, which annotations do not need; it is refused.")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(_read(path), True)
    except expat.ExpatError as error:
        raise DataError(f"{path} is not well-formed XML ({error}).") from error
    return builder.close()


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, LARGEST_TEXT)
    except OSError as error:
        raise DataError(f"cannot read {path}: {(error.strerror or type(error).__name__).lower()}.") from error
