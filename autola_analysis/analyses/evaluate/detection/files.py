"""Detections of any other detector, in COCO's format of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autola_analysis.analyses.evaluate.detection.found import Found
from autola_analysis.core.errors import DataError
from autola_analysis.core.reading import TextFault, is_number, json_of, read_text
from autola_analysis.data.object_source import ObjectSource

FIELDS = ("image_id", "category_id", "bbox", "score")
FORMAT = "a list of image_id, category_id, bbox (x, y, width, height) and score"


def read_detections(path: Path, source: ObjectSource, others_too: bool = False) -> tuple[Found, int]:
    """Read a file of detections in images of a source.

    Args:
        path: JSON, as pycocotools' `loadRes` takes it.
        source: Where images and categories are looked up.
        others_too: Whether the file may hold other categories, which are passed over.

    Returns:
        The detections, and how many more the file has in images that are not in the source.

    Raises:
        DataError: If the file cannot be read, is about other images or categories, or is no list of detections.
    """
    entries = _entries(path)
    images = {int(number): index for index, number in enumerate(source.image_ids)}
    categories = {category: label for label, category in enumerate(source.category_ids)}
    for place, entry in enumerate(entries):
        fault = _fault(entry, None if others_too else categories)
        if fault:
            raise DataError(f"detection {place} of {path} {fault}; COCO's format of results is {FORMAT}.")
    entries = [entry for entry in entries if entry["category_id"] in categories]
    own = [entry for entry in entries if entry["image_id"] in images]
    if entries and not own:
        raise DataError(
            f"{path} holds detections of other images (image_id {entries[0]['image_id']}, say) than {source.name}; "
            "give the detections in these images."
        )
    corners = np.array([entry["bbox"] for entry in own], dtype=np.float64).reshape(-1, 4)
    found = Found(
        np.array([images[entry["image_id"]] for entry in own], dtype=np.int64),
        np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1),
        np.array([categories[entry["category_id"]] for entry in own], dtype=np.int64),
        np.array([entry["score"] for entry in own], dtype=np.float64),
    )
    return Found.joined([found]), len(entries) - len(own)


def _entries(path: Path) -> Sequence[Any]:
    try:
        content = json_of(read_text(path))
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}); check the path.") from error
    except TextFault as error:
        raise DataError(f"the detections in {path} cannot be used: {error}.") from error
    if not isinstance(content, list):
        raise DataError(f"{path} holds no list of detections; COCO's format of results is {FORMAT}.")
    return content


def _fault(entry: object, categories: Mapping[int, int] | None) -> str:
    """Return what is wrong with a detection, "" for one that can be used; None for categories takes any."""
    if not isinstance(entry, Mapping):
        return "is no object with fields"
    lacking = [name for name in FIELDS if name not in entry]
    if lacking:
        return f"has no {lacking[0]}"
    if not _is_whole(entry["image_id"]):
        return f"has the image_id {entry['image_id']!r}"
    if not _is_whole(entry["category_id"]) or not (categories is None or entry["category_id"] in categories):
        return f"has the unknown category_id {entry['category_id']!r}"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)) or min(box[2:]) < 0:
        return f"has the bbox {box!r}"
    return "" if is_number(entry["score"]) else f"has the score {entry['score']!r}"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
