"""The report of all analyses serves the tests of drawing it again, too; checkpoints of detectors, and images."""

import json
from pathlib import Path

import pytest
import torch

from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside
from autola_analysis.data.coco_export import export_coco
from autola_analysis.detectors import DetectorSpec
from tests.analyses.evaluate.detection.planted import Rectangles
from tests.checkpoints.test_detectors import TO_NVIDIA, renamed
from tests.report.conftest import make_report, study, written

__all__ = ["make_report", "study", "written"]

DETECTED = 5
"""Images with objects"""


@pytest.fixture(scope="session")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SSD300 in NVIDIA's names, five images with objects, and a file of detections that finds them all."""
    folder = tmp_path_factory.mktemp("detection")
    for seed, attention in enumerate(("none", "hoga")):
        torch.manual_seed(seed)
        spec = DetectorSpec("ssd300", ModelSpec("resnet18", attention, 0, {"width": 8}), 2)
        labels = {0: "background", 1: "red", 2: "green"}
        model = renamed(build_aside(spec.build).state_dict(), TO_NVIDIA)
        torch.save({"model": model, "label_map": labels}, folder / f"{attention}.pth")
    source = Rectangles(DETECTED)
    export_coco(source, folder)
    found = [
        {"image_id": int(source.image_ids[index]), "category_id": source.category_ids[label], "score": 0.5,
         "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
        for index in range(DETECTED)
        for objects in [source.objects(index)]
        for box, label in zip(objects.boxes.tolist(), objects.labels.tolist(), strict=True)
    ]  # fmt: skip
    (folder / "theirs.json").write_text(json.dumps(found))
    return folder
