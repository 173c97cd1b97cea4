"""Which analyses of a command that asks for all of them look at its networks."""

from __future__ import annotations

from autola_analysis.analyses.registry import analysis_of
from autola_analysis.checkpoints.detector_loading import task_of_file
from autola_analysis.core.files import expanded
from autola_analysis.inference.tasks import Classification, Detection
from autola_analysis.study.file import StudyFile
from autola_analysis.study.sources import holds_objects


def fitting(file: StudyFile) -> StudyFile:
    """Return a study of one data table without the analyses that do not look at its networks.

    The first checkpoint shows what the networks are for; one of another kind is refused when it is loaded.

    Raises:
        CheckpointError: If that file cannot be read.
    """
    task = _task(file)
    analyses = [request for request in file.analyses if task in analysis_of(request.kind).tasks]
    return file.model_copy(update={"analyses": analyses})


def _task(file: StudyFile) -> str:
    """Return the task of the networks: that of the first file, where the images may have objects."""
    (data,) = file.data.values()
    objects = holds_objects(data)
    if data.source is not None and not objects:
        return Classification().name
    table = next(iter(file.models.values()))
    path = expanded(table.files[0])
    task = task_of_file(path, table.weights, table.trust) if path.exists() else Classification().name
    return Detection().name if objects and task == Classification().name else task
