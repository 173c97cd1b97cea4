"""The paper's recipes on files as COCO lays them out, in networks of width 4."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autola_analysis.backbones import ModelSpec
from autola_analysis.checkpoints import save_model
from autola_analysis.checkpoints.detector_loading import load_detector
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
