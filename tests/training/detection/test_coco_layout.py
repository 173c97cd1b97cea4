"""The paper's recipes on files as COCO lays them out, in networks of width 4."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.checkpoints.detector_loading import load_detector
from autola_analysis.cli import main as entry
from autola_analysis.core.errors import OptionError
from autola_analysis.data.open_objects import CocoOptions
from autola_analysis.training.detection.module import DetectorTraining
from autola_analysis.training.recipes import RECIPES
from autola_analysis.training.settings import Training
from autola_analysis.training.trainer import run_training
from tests.training.detection.conftest import QUIET, SMALL

SIDES = ((40, 30), (24, 36), (50, 50), (33, 44), (40, 40))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images of different sizes for each split: objects, a crowd and, in the last, nothing."""
    generator = np.random.default_rng(0)
    for split in ("train2017", "val2017"):
        images, annotations = [], []
        for number, (width, height) in enumerate(SIDES, 1):
            path = tmp_path / split / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
            images.append({"id": number, "file_name": path.name, "width": width, "height": height})
            for place in range(2 if number < len(SIDES) else 0):
                facts = {"id": 10 * number + place, "image_id": number, "category_id": 3 + 4 * place}
                annotations.append({**facts, "bbox": [2, 3, 15, 12], "area": 90, "iscrowd": place * (number == 1)})
        categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(("name", "options"), [("ssd300", {}), ("faster-rcnn", SMALL)])
def test_the_supplements_recipes_run_on_cocos_layout(root: Path, name: str, options: dict[str, object]) -> None:
    spec = ModelSpec("resnet18", "se", 3, {"width": 4})
    init = save_model(root / "classifier.safetensors", spec.build(), spec) if name == "faster-rcnn" else None
    values = {"epochs": "1", "batch_size": "2", "width": "4", "options": json.dumps(options)}
    recipe = RECIPES.get(name).overridden(values)
    training = Training(name, recipe, "se", "resnet18", init=init, data=f"coco:{root}")
    run_training(training, root / "out.safetensors", QUIET)
    loaded = load_detector(root / "out.safetensors", device="cpu")
    assert (loaded.classes, loaded.category_ids) == (("cat", "dog"), (3, 7))
    assert loaded.source is None  # a path is nobody else's
    assert loaded.metadata["recipe"]["data"] == "coco"
    assert "ap" in loaded.metadata["metrics"]


@pytest.fixture
def elsewhere(root: Path) -> Path:
    """The images in a folder apart from their annotations, of which one box in each split leaves its image by far."""
    folder = root / "elsewhere"
    for split in ("train2017", "val2017"):
        folder.mkdir(exist_ok=True)
        (root / split).rename(folder / split)
        path = root / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        content["annotations"][0]["bbox"] = [30, 3, 15, 12]
        for image in content["images"]:
            image["coco_url"] = f"http://images.cocodataset.org/{split}/{image['file_name']}"
        path.write_text(json.dumps(content))
    return folder


def test_images_elsewhere_and_bad_boxes_are_trained_on_as_analyses_read_them(
    root: Path, elsewhere: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root / "out.safetensors"
    changes = [part for change in ("epochs=1", "batch_size=2", "width=4") for part in ("--set", change)]
    command = ["train", "ssd300", "--backbone", "resnet18", "--data", f"coco:{root}", "--out", str(out), *changes]
    asked = [*command, "--device", "cpu", "--quiet", "--images-root", str(elsewhere)]
    assert entry._run(asked, debug=False) == 2
    assert "give --bad-boxes clip to cut such boxes" in capsys.readouterr().err
    caplog.clear()
    assert entry._run([*asked, "--bad-boxes", "clip"], debug=False) == 0
    said = [record.getMessage() for record in caplog.records if "annotated box" in record.getMessage()]
    assert [text.partition(": ")[0].rpartition(", ")[2] for text in said] == ["train split", "val split"]
    assert load_detector(out, device="cpu").metadata["recipe"]["bad_boxes"] == "clip"


def test_an_unfinished_training_goes_on_with_the_same_boxes_and_images_only(
    root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = root / "out.safetensors"
    recipe = RECIPES.get("ssd300").overridden({"epochs": "1", "batch_size": "2", "width": "4"})

    def train(images_root: Path, bad_boxes: str = "clip") -> None:
        coco = CocoOptions(images_root, bad_boxes)  # type: ignore[arg-type]
        run_training(Training("ssd300", recipe, "se", "resnet18", data=f"coco:{root}", coco=coco), out, QUIET)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DetectorTraining, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        train(elsewhere)
    moved, others = root / "moved", root / "others"
    shutil.copytree(elsewhere, others)
    (others / "train2017" / "1.png").touch()
    for images_root, bad_boxes in ((elsewhere, "drop"), (others, "clip")):
        with pytest.raises(OptionError, match="an unfinished training with other settings"):
            train(images_root, bad_boxes)
    elsewhere.rename(moved)
    with pytest.raises(KeyboardInterrupt):  # the same images: it goes on, and dies again
        train(moved)
