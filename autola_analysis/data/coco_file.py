"""A file in COCO's format as such: its entries, and what makes them unusable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autola_analysis.core.errors import DataError
from autola_analysis.core.objects import COCO_SIGMAS, JointSet
from autola_analysis.core.reading import TextFault, is_number, json_of, read_text
from autola_analysis.core.text import counted

Entry = dict[str, Any]


def read_entries(path: Path) -> tuple[str, dict[str, list[Entry]]]:
    """Return the text of a file, and its lists of images, categories and annotations.

    Raises:
        DataError: If it cannot be read, or a list or a field is missing or of another kind.
    """
    try:
        text = read_text(path)
        content = json_of(text, finite=False)  # Python writes NaN; what must be finite is checked by its name
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


def check_unique(entries: Sequence[Entry], kind: str, path: Path) -> None:
    """Refuse entries of which two have one id.

    Raises:
        DataError: Naming the id.
    """
    seen: set[object] = set()
    for entry in entries:
        if entry["id"] in seen:
            raise DataError(f"{path} holds two entries for {kind} {entry['id']}; mend it or use the original file.")
        seen.add(entry["id"])


def number_fault(entry: Entry, joints: int) -> str:
    """Return what is wrong with area and keypoints of an annotation; "" where they can be used.

    Args:
        entry: The annotation.
        joints: How many joints its category has; 0 for none.
    """
    keypoints = entry.get("keypoints") or []
    for key, values in (("area", [entry.get("area", 0)]), ("keypoints", keypoints)):
        if not _are_numbers(values):
            return f"has the {key} {entry[key]!r}, and finite numbers are needed"
    if joints and len(keypoints) not in (0, 3 * joints):
        return f"has {len(keypoints)} numbers for {joints} joints"
    return ""


def joint_set(categories: Sequence[Entry], path: Path) -> JointSet | None:
    """Return the joints of the first category that has some; left and right are told from the names.

    Raises:
        DataError: If names, skeleton or sigmas are not what they should be, or sigmas are not as many as joints.
    """
    entry = next((entry for entry in categories if entry.get("keypoints")), None)
    if entry is None:
        return None
    skeleton = entry.get("skeleton") or []
    in_pairs = isinstance(skeleton, list) and all(_are_numbers(bone) and len(bone) == 2 for bone in skeleton)
    for key, usable, needed in (
        ("keypoints", isinstance(entry["keypoints"], list), "a list of names is"),
        ("skeleton", in_pairs, "pairs of numbers are"),
        ("sigmas", entry.get("sigmas") is None or _are_numbers(entry["sigmas"]), "finite numbers are"),
    ):
        if not usable:
            raise DataError(f"{path} gives joints with the {key} {entry[key]!r}, where {needed} needed; mend it.")
    names = tuple(str(name) for name in entry["keypoints"])
    pairs = tuple(
        (index, names.index(name.replace("left", "right")))
        for index, name in enumerate(names)
        if "left" in name and name.replace("left", "right") in names
    )
    bones = tuple((int(one) - 1, int(other) - 1) for one, other in skeleton)
    sigmas = entry.get("sigmas", COCO_SIGMAS if len(names) == len(COCO_SIGMAS) else None)
    if sigmas is not None and len(sigmas) != len(names):
        raise DataError(f"{path} gives {len(sigmas)} sigmas for {counted(len(names), 'joint')}; give one per joint.")
    return JointSet(names, pairs, bones, None if sigmas is None else tuple(float(each) for each in sigmas))


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(map(is_number, values))
