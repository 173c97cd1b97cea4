"""The demos are studies of files that ship with the package."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from autola_analysis.analyses.observation import Reading
from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.checkpoints.detector_loading import load_detector, task_of_file
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import OptionError
from autola_analysis.inference.run import Settings
from autola_analysis.inference.tasks import Classification, Detection
from autola_analysis.study import dry_run
from autola_analysis.study.demo import CLASSIFIERS, DETECTORS, Demo, demo_checkpoints, demo_study
from autola_analysis.study.file import StudyFile
from autola_analysis.study.plan import make_plan

TASKS = {CLASSIFIERS: Classification().name, DETECTORS: Detection().name}
MOST_BYTES = 10e6
"""Of the detectors that ship"""


@pytest.mark.parametrize("which", TASKS)
def test_a_demo_asks_everything_of_checkpoints_that_ship(which: Demo) -> None:
    study, task = demo_study(which), TASKS[which]
    asked = {request.kind for request in study.analyses}
    assert asked == {each.name for each in registrations().values() if task in analysis_of(each.name).tasks} - {
        "search"
    }
    files = [path for paths in demo_checkpoints(which).values() for path in paths]
    assert [path.is_file() for path in files] == [True] * len(files)
    assert {task_of_file(path) for path in files} == {task}
    assert [table.files for table in study.models.values()] == [
        [str(path) for path in paths] for paths in demo_checkpoints(which).values()
    ]


def test_another_demo_is_refused() -> None:
    with pytest.raises(OptionError, match="demos of classifiers and detectors; found 'poses'"):
        demo_checkpoints("poses")


def test_detectors_ship_in_half_precision_and_are_loaded_exactly() -> None:
    files = [path for paths in demo_checkpoints(DETECTORS).values() for path in paths]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files[:1]:
        written, read = load_file(path), load_detector(path, device="cpu").model.state_dict()
        assert {each.dtype for each in written.values() if each.is_floating_point()} == {torch.float16}
        for name, tensor in read.items():
            assert tensor.dtype == (torch.float32 if tensor.is_floating_point() else torch.int64)
            assert torch.equal(tensor, written[name].to(tensor.dtype)), name


def test_the_demo_of_detectors_can_be_planned_and_tells_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "PROBE_IMAGES", 1)
    study = demo_study(DETECTORS)
    few = study.model_copy(update={"data": {"scenes": study.data["scenes"].model_copy(update={"limit": 4})}})
    plan = make_plan(few, Path(), ["evaluate", "saliency"], quiet=True)
    steps = dry_run.steps_of(plan, Reading(Settings(device="cpu", quiet=True)))
    through = f"through {len(study.models)} networks"
    assert [step.what for step in steps] == [
        f"1 reading of 4 images of cluttered-scenes, test split, {through}, for evaluate",
        f"maps of the objects of 4 images, {through}",
    ]
    assert all(step.seconds > 0 for step in steps)


@pytest.mark.parametrize(
    ("arguments", "out", "which"),
    [([], "demo", CLASSIFIERS), (["--detection"], "demo-detection", DETECTORS)],
)
def test_the_command_runs_one_demo_or_the_other(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], out: str, which: Demo
) -> None:
    asked: list[tuple[StudyFile, Path]] = []
    monkeypatch.setattr(
        "autola_analysis.cli.demo.run_and_show", lambda study, out, *_, **__: asked.append((study, out))
    )
    assert entry._run(["demo", *arguments], False) == 0
    assert asked == [(demo_study(which), Path("reports") / out)]
