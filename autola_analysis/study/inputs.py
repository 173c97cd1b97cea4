"""What a study reads and keeps, so that its report never takes the place of any of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autola_analysis.analyses.options import AnalysisOptions
from autola_analysis.core.cache import NAME
from autola_analysis.core.files import expanded
from autola_analysis.study.plan import Plan


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
        inputs |= dict.fromkeys(_paths_in(planned.options), f"what {planned.name} reads,")
    inputs |= dict.fromkeys(image_folders(plan), "the images' folder")
    if study is not None:
        inputs[study] = "the study file"
    if cache is not None:
        inputs[expanded(cache) / NAME] = "the cache"
    return inputs


def image_folders(plan: Plan) -> list[Path]:
    """Return the folders that the images of a study lie in, and those that an analysis was given."""
    roots = [data.source.name.partition(":")[2] for data in plan.data.values()]
    given = [path for planned in plan.analyses for path in _paths_in(planned.options) if path.is_dir()]
    return [Path(root) for root in roots if root] + given


def _paths_in(options: AnalysisOptions) -> Iterator[Path]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Path))
