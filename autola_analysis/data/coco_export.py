"""Writing a source of objects in COCO's format, so that other tools can be run on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autola_analysis.core.files import expanded, replacing
from autola_analysis.core.objects import JointSet
from autola_analysis.data.object_source import ObjectSource
from autola_analysis.data.run_lengths import lengths_of


def export_coco(source: ObjectSource, out: str | Path, progress: Callable[[int], object] | None = None) -> Path:
    """Write the images as PNG and the objects as one JSON file, with their masks as runs and their joints.

    The sigmas of joints, for which COCO's format has no place, stand with the category, as ``sigmas``.

    Args:
        source: What is written.
        out: A folder; ``images`` and ``annotations`` are made in it.
        progress: Called with 1 after every image.

    Returns:
        The JSON file, ``annotations/instances_SPLIT.json``.
    """
    out = expanded(out)
    images_folder, path = out / "images", out / "annotations" / f"instances_{source.split}.json"
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, name in enumerate(source.ids):
        file = images_folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        source.image(index).save(file)
        number, (width, height) = int(source.image_ids[index]), (int(side) for side in source.sizes[index])
        images.append({"id": number, "file_name": f"{name}.png", "width": width, "height": height})
        annotations += _annotations(source, index, number)
        if progress is not None:
            progress(1)
    about = {} if source.joints is None else _joints(source.joints)
    names = zip(source.category_ids, source.classes, strict=True)
    categories = [{"id": each, "name": name, **about} for each, name in names]
    with replacing(path) as temporary:
        content = {"images": images, "categories": categories, "annotations": annotations}
        Path(temporary).write_text(json.dumps(content), encoding="utf-8")
    return path


def _joints(joints: JointSet) -> dict[str, Any]:
    """Return what a category says of its joints; they are numbered from 1."""
    about: dict[str, Any] = {
        "keypoints": list(joints.names),
        "skeleton": [[one + 1, other + 1] for one, other in joints.skeleton],
    }
    return about if joints.sigmas is None else {**about, "sigmas": list(joints.sigmas)}


def _annotations(source: ObjectSource, index: int, image: int) -> list[dict[str, Any]]:
    objects, entries = source.objects(index), []
    for place in range(len(objects)):
        x1, y1, x2, y2 = (float(value) for value in objects.boxes[place])
        entry = {
            "id": int(objects.ids[place]),
            "image_id": image,
            "category_id": source.category_ids[objects.labels[place]],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": float(objects.areas[place]),
            "iscrowd": int(objects.crowd[place]),
        }
        if objects.keypoints is not None:
            keypoints = objects.keypoints[place]
            entry["keypoints"] = keypoints.reshape(-1).tolist()
            entry["num_keypoints"] = int((keypoints[:, 2] > 0).sum())
        if (mask := source.object_mask(index, place)) is not None:
            entry["segmentation"] = {"size": list(mask.shape), "counts": lengths_of(mask)}
        entries.append(entry)
    return entries
