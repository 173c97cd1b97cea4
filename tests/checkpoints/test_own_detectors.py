"""Detectors in this package's own format: written with all that is known of them, read strictly."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from autola_analysis.attention.genotype import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside
from autola_analysis.checkpoints import inspect_checkpoint, load_model, save_model
from autola_analysis.checkpoints.detector_loading import holds_detector, load_detector
from autola_analysis.checkpoints.native import RECORD_KEY
from autola_analysis.core.errors import CheckpointError, OptionError
from autola_analysis.data.preprocessing import Preprocessing
from autola_analysis.detectors import DetectorSpec
from tests.detectors.helpers import TINY_SSD

from .helpers import randomise
from .test_writing import nudge_weight, recorded, rename_class, rewritten, swap_tensors

TRUNK = ModelSpec("resnet18", "se", 0, {"width": 4}, {"reduction": 4})
LEVELS = json.loads(json.dumps({name: value for name, value in TINY_SSD.items() if not name.startswith("backbone")}))
SPECS = {
    "ssd300": DetectorSpec("ssd300", TRUNK, 2, LEVELS),
    "faster-rcnn": DetectorSpec("faster-rcnn", TRUNK, 2, {"channels": 8, "hidden": 16, "bn_eps": 1e-3}),
    "pose": DetectorSpec("pose", TRUNK, 2, {"channels": 8, "deconvs": 2}),
}
CLASSES = ("a", "b")


def written(path: Path, spec: DetectorSpec, **options: object) -> Path:
    model = randomise(build_aside(spec.build))
    return save_model(path / "detector.safetensors", model, spec, classes=CLASSES, category_ids=(3, 7), **options)


@pytest.mark.parametrize("kind", SPECS)
def test_every_detector_comes_back_with_everything_that_is_recorded(tmp_path: Path, kind: str) -> None:
    spec = SPECS[kind]
    facts = {"recipe": {"name": "x"}, "seed": 4, "metrics": {"ap": 0.25}}
    path = written(tmp_path, spec, source="cluttered-scenes", preprocessing=Preprocessing(stretch=64), **facts)
    loaded = load_detector(path, device="cpu")
    assert (loaded.spec, loaded.classes, loaded.category_ids) == (spec, CLASSES, (3, 7))
    assert (loaded.source, loaded.metadata, loaded.dialect) == ("cluttered-scenes", facts, "autola-analysis file")
    assert loaded.warnings == ()
    own, found = randomise(build_aside(spec.build)).state_dict(), loaded.model.state_dict()
    assert [name for name in own if not torch.equal(own[name], found[name])] == []
    assert holds_detector(path)
    if kind == "faster-rcnn":
        assert loaded.model.backbone.body.bn1.eps == 1e-3


def test_a_wiring_is_recorded_by_its_pairs(tmp_path: Path) -> None:
    genotype = Genotype.random(1)
    genotype.to_json(tmp_path / "genotype.json")
    given = {"genotype": str(tmp_path / "genotype.json")}
    spec = DetectorSpec("pose", ModelSpec("resnet18", "hoga", 0, {"width": 8}, given), 2, {"channels": 8})
    path = written(tmp_path, spec)
    (tmp_path / "genotype.json").unlink()
    assert load_detector(path, device="cpu").spec.wiring == genotype


def test_half_precision_is_stored_and_read_as_float32(tmp_path: Path) -> None:
    path = written(tmp_path, SPECS["ssd300"], dtype=torch.float16)
    assert load_file(path)["backbone.body.conv1.weight"].dtype is torch.float16
    assert load_detector(path, device="cpu").model.backbone.body.conv1.weight.dtype is torch.float32


@pytest.mark.parametrize("change", [nudge_weight, swap_tensors, rename_class])
def test_tampered_content_is_noticed(tmp_path: Path, change) -> None:
    path = written(tmp_path, SPECS["ssd300"])

    def own(tensors, metadata) -> None:
        names = {"fc.bias": "backbone.extras.0.1.bias"} | {
            f"bn1.{part}": f"backbone.body.bn1.{part}" for part in ("weight", "bias")
        }
        short = {name: tensors[whole] for name, whole in names.items()}
        short["fc.bias"] = short["fc.bias"].clone()
        change(short, metadata)
        tensors.update({names[name]: tensor for name, tensor in short.items()})

    with pytest.raises(CheckpointError, match="was changed after it was written"):
        load_detector(rewritten(path, own), device="cpu")


def test_a_file_without_a_tensor_is_refused(tmp_path: Path) -> None:
    def change(tensors, metadata) -> None:
        del tensors["backbone.extras.1.0.weight"]
        recorded()(tensors, metadata)

    with pytest.raises(CheckpointError, match=r"not in it: backbone\.extras\.1\.0\.weight"):
        load_detector(rewritten(written(tmp_path, SPECS["ssd300"]), change), device="cpu")


def changed_spec(**values: object) -> dict[str, object]:
    return {"spec": {**SPECS["ssd300"].to_dict(), **values}}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (changed_spec(kind="yolo"), "describes a network that cannot be built here .*unknown detector"),
        (changed_spec(kind=3), "kind is 3, not of the kind str"),
        (changed_spec(classes=0), "wrong or incomplete record"),
        (changed_spec(classes=10**9), "classes is 1000000000"),
        (changed_spec(options={**LEVELS, "steps": [8, 16, 1e12, 64]}), r"options: 'steps\[2\]' is 1000000000000"),
        (changed_spec(options={**LEVELS, "extras": [[4, 8], [4, 8, 2], [4, 8, 2]]}), "cannot be built here"),
        (changed_spec(options={**LEVELS, "colour": 1}), "cannot be built here"),
        (changed_spec(backbone={"backbone": "resnet18"}), "wrong or incomplete record"),
        (changed_spec(backbone="resnet18"), "wrong or incomplete record"),
        ({"spec": "ssd300"}, "spec is 'ssd300', not of the kind dict"),
        ({"classes": ["a"]}, "1 classes do not name the 2 outputs"),
        ({"category_ids": ["a", "b"]}, "category_ids holds what is no number"),
        ({"category_ids": 3}, "category_ids is 3, not of the kind list"),
    ],
)
def test_a_record_that_describes_no_detector_is_one_sentence(tmp_path: Path, values, complaint: str) -> None:
    path = rewritten(written(tmp_path, SPECS["ssd300"]), recorded(**values))
    with pytest.raises(CheckpointError, match=complaint):
        load_detector(path, device="cpu")


def test_a_detector_with_an_attention_that_is_not_known_here_asks_for_it(tmp_path: Path) -> None:
    backbone = {**TRUNK.to_dict(), "attention": "mine.py:Own"}
    path = rewritten(written(tmp_path, SPECS["ssd300"]), recorded(**changed_spec(backbone=backbone)))
    with pytest.raises(CheckpointError, match=r"records the attention 'mine\.py:Own'.*register_attention first\."):
        load_detector(path, device="cpu")


def test_each_loader_names_the_other(tmp_path: Path) -> None:
    detector = written(tmp_path, SPECS["pose"])
    with pytest.raises(CheckpointError, match=r"holds a detector \(pose\).*load it with load_detector\.$"):
        load_model(detector)
    spec = ModelSpec("resnet20", num_classes=3, options={"width": 4})
    classifier = save_model(tmp_path / "model.safetensors", spec.build(), spec)
    assert not holds_detector(classifier)
    with pytest.raises(CheckpointError, match=r"holds a classifier.*load it with load_model\.$"):
        load_detector(classifier, device="cpu")
    with pytest.raises(OptionError, match="leave bn_eps out"):
        load_detector(detector, bn_eps=0.0, device="cpu")


def test_an_inspection_names_the_detector_and_what_is_around_it(tmp_path: Path) -> None:
    path = written(tmp_path, SPECS["ssd300"], metrics={"ap": 0.25})
    report = inspect_checkpoint(path)
    assert report.problem is None
    assert report.spec == SPECS["ssd300"]
    text = report.to_text()
    assert "network   ssd300, " in text
    assert ", side=64" in text
    assert "2 classes; around resnet18, width=4; attention se, reduction=4; no head" in text
    assert "ap=0.25" in text
    damaged = inspect_checkpoint(rewritten(path, recorded(**changed_spec(classes=3), classes=None)))
    assert damaged.problem is not None
    assert "has the shape" in damaged.problem


def test_an_inspection_of_a_network_for_joints_counts_joints(tmp_path: Path) -> None:
    text = inspect_checkpoint(written(tmp_path, SPECS["pose"])).to_text()
    assert "; 2 joints; around resnet18" in text
    assert re.search(r"^joints +a, b$", text, re.MULTILINE)
    assert "2 classes" not in text


def test_a_classifiers_record_is_as_it_was(tmp_path: Path) -> None:
    """Files of classifiers keep the version that earlier releases read, and no new key."""
    from safetensors import safe_open

    def record(path: Path) -> dict[str, object]:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()[RECORD_KEY])

    spec = ModelSpec("resnet20", num_classes=3, options={"width": 4})
    of_classifier = record(save_model(tmp_path / "model.safetensors", spec.build(), spec))
    assert set(of_classifier) == {"format_version", "spec", "classes", "preprocessing", "source", "metadata"}
    assert of_classifier["format_version"] == 1
    assert record(written(tmp_path, SPECS["pose"]))["format_version"] == 2


def test_class_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    spec = SPECS["pose"]
    with pytest.raises(OptionError, match="3 class names were given for a network with 2 classes"):
        save_model(tmp_path / "x.safetensors", build_aside(spec.build), spec, classes=("a", "b", "c"))
