"""A command that asks for all analyses runs those that look at its networks."""

from pathlib import Path

import pytest

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints.detector_loading import task_of_file
from autola_analysis.checkpoints.writing import save_model
from autola_analysis.detectors import DetectorSpec
from autola_analysis.study.command import command_study
from autola_analysis.study.file import AnalysisRequest, DataTable
from autola_analysis.study.fitting import fitting

TRUNK = ModelSpec("resnet18", "none", 0, {"width": 4})
SPECS = {
    "classification": ModelSpec("resnet20", num_classes=3, options={"width": 4}),
    "detection": DetectorSpec("ssd300", TRUNK, 2),
    "keypoints": DetectorSpec("pose", TRUNK, 2, {"channels": 8}),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {task: save_model(folder / f"{task}.safetensors", spec.build(), spec) for task, spec in SPECS.items()}


def kinds(path: Path, source: str | None) -> list[str]:
    """Return the kinds of analyses that are left of all."""
    requests = [AnalysisRequest.of(each.name) for each in registrations().values() if each.by_default]
    study = command_study("all", [f"a={path}", f"b={path}"], requests, DataTable(source=source))
    return [request.kind for request in fitting(study).analyses]


@pytest.mark.parametrize("task", SPECS)
def test_a_file_shows_what_its_network_is_for(files: dict[str, Path], task: str) -> None:
    assert task_of_file(files[task]) == task


@pytest.mark.parametrize(
    ("task", "source"),
    [
        ("detection", "cluttered-scenes"),
        ("detection", "digit-puppets"),
        ("detection", None),
        ("keypoints", "digit-puppets"),
        ("keypoints", "coco-keypoints:somewhere"),
        ("keypoints", None),
        ("classification", None),
    ],
)
def test_the_checkpoint_decides_which_analyses_look_at_it(
    files: dict[str, Path], task: str, source: str | None
) -> None:
    everything = [each.name for each in registrations().values() if each.by_default]
    expected = [name for name in everything if task in analysis_of(name).tasks]
    assert kinds(files[task], source) == expected
    assert {"evaluate", "saliency"} <= set(expected)
    assert ("ablation" in expected) == (task == "classification")


@pytest.mark.parametrize("task", SPECS)
def test_on_images_with_a_label_each_the_backbone_is_read_and_everything_looks_at_it(
    files: dict[str, Path], task: str
) -> None:
    assert "ablation" in kinds(files[task], "cluttered-digits")


def test_what_is_no_detector_or_is_not_there_is_left_for_loading_to_refuse(
    files: dict[str, Path], tmp_path: Path
) -> None:
    expected = kinds(files["detection"], "cluttered-scenes")
    assert kinds(files["classification"], "cluttered-scenes") == expected
    assert kinds(tmp_path / "missing.pth", "cluttered-scenes") == expected
