"""What a study reads and keeps, so that its report never takes the place of any of it."""

from __future__ import annotations

from pathlib import Path

from autola_analysis.core.cache import NAME
from autola_analysis.core.files import expanded
from autola_analysis.study.plan import Plan
from autola_analysis.study.sources import root_of

FOLDER = "folder"
"""Kind of source whose sub-folders are its classes."""


def inputs_of(plan: Plan, base: Path, study: Path | None, cache: Path | None) -> dict[Path, str]:
    """Return the files and folders that a study reads or keeps -> what messages call them.

    Args:
        plan: The study.
        base: Directory that relative paths of the study are relative to.
        study: Its file; None where it has none.
        cache: The cache directory that the user gave; None for none.
    """
    inputs = {model.loaded.path: "the checkpoint" for model in plan.models}
    for table in plan.file.models.values():
        for name in (table.genotype, table.arch, table.attention, table.classes):
            path = None if name is None else base / expanded(name.partition(":")[0])
            if path is not None and path.exists():
                inputs[path] = "the file"
    for planned in plan.analyses:
        inputs |= {path: f"what {planned.name} reads," for _, path in planned.options.files()}
    for data in plan.file.data.values():
        if data.class_order is not None:
            inputs[base / expanded(data.class_order)] = "the file"
        if (root := root_of(data.source or "", base)) is not None:
            inputs[root] = "the images' folder"
        if data.images_root is not None:
            inputs[base / expanded(data.images_root)] = "the images' folder"
    if study is not None:
        inputs[study] = "the study file"
    if cache is not None:
        inputs[expanded(cache) / NAME] = "the cache"
    return inputs


def image_folders(plan: Plan) -> list[Path]:
    """Return the folders whose sub-folders are read as classes, and those that an analysis was given as images."""
    named = [data.source.name.partition(":") for data in plan.data.values()]
    own = [planned.options for planned in plan.analyses if planned.options.names_images]
    given = [path for options in own for _, path in options.files() if path.is_dir()]
    return [Path(root) for kind, _, root in named if kind == FOLDER] + given
