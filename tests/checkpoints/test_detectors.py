"""Other people's detectors: recognised by their names, translated exactly, loaded strictly."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_aside, build_outline
from autola_analysis.checkpoints import inspect_checkpoint
from autola_analysis.checkpoints.detector_loading import LoadedDetector, load_detector
from autola_analysis.checkpoints.dialects.detection import DETECTOR_DIALECTS, by_box
from autola_analysis.core.errors import CheckpointError
from autola_analysis.detectors import DetectorSpec
from tests.detectors.helpers import CLASSES, torchvisions_faster_rcnn

SE18 = ModelSpec("resnet18", "se", 0, {"width": 8})
POSE = DetectorSpec("pose", SE18, 5, {"channels": 8})
FASTER = DetectorSpec("faster-rcnn", SE18, CLASSES, {"channels": 16, "hidden": 32})
SSD = DetectorSpec("ssd300", ModelSpec("resnet18", "se", 0, {"width": 8}), 3)

TO_NVIDIA = (
    (r"^backbone\.body\.conv1\.", "feature_extractor.feature_extractor.0."),
    (r"^backbone\.body\.bn1\.", "feature_extractor.feature_extractor.1."),
    (r"^backbone\.body\.layer1\.", "feature_extractor.feature_extractor.4."),
    (r"^backbone\.body\.layer2\.", "feature_extractor.feature_extractor.5."),
    (r"^backbone\.body\.layer3\.", "feature_extractor.feature_extractor.6."),
    (r"^backbone\.extras\.", "additional_blocks."),
    (r"^head\.regression_head\.module_list\.", "loc."),
    (r"^head\.classification_head\.module_list\.", "conf."),
)
TO_MMDET = (
    (r"^backbone\.body\.", "backbone."),
    (r"^backbone\.fpn\.inner_blocks\.(\d)\.0\.", r"neck.lateral_convs.\1.conv."),
    (r"^backbone\.fpn\.layer_blocks\.(\d)\.0\.", r"neck.fpn_convs.\1.conv."),
    (r"^rpn\.head\.conv\.0\.0\.", "rpn_head.rpn_conv."),
    (r"^rpn\.head\.cls_logits\.", "rpn_head.rpn_cls."),
    (r"^rpn\.head\.bbox_pred\.", "rpn_head.rpn_reg."),
    (r"^roi_heads\.box_head\.fc6\.", "roi_head.bbox_head.shared_fcs.0."),
    (r"^roi_heads\.box_head\.fc7\.", "roi_head.bbox_head.shared_fcs.1."),
    (r"^roi_heads\.box_predictor\.cls_score\.", "roi_head.bbox_head.fc_cls."),
    (r"^roi_heads\.box_predictor\.bbox_pred\.", "roi_head.bbox_head.fc_reg."),
)
TO_MICROSOFT = ((r"^backbone\.", ""), (r"^deconvs\.", "deconv_layers."), (r"^final\.", "final_layer."))
TO_MMPOSE = ((r"^deconvs\.", "head.deconv_layers."), (r"^final\.", "head.final_layer."))
TO_MMPOSE_0 = ((r"^deconvs\.", "keypoint_head.deconv_layers."), (r"^final\.", "keypoint_head.final_layer."))


def renamed(state: dict[str, Tensor], renames: tuple[tuple[str, str], ...], prefix: str = "") -> dict[str, Tensor]:
    result = {}
    for name, tensor in state.items():
        for pattern, replacement in renames:
            if re.search(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        result[prefix + name] = tensor.clone()
    return result


def random_detector(spec: DetectorSpec) -> nn.Module:
    model = build_aside(spec.build).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + ("var" in name) * 0.5)
    return model


def saved(tmp_path: Path, content: object, name: str = "detector.pth", **options: object) -> LoadedDetector:
    torch.save(content, tmp_path / name)
    return load_detector(tmp_path / name, device="cpu", **options)


def assert_same(model: nn.Module, other: nn.Module) -> None:
    one, two = model.state_dict(), other.state_dict()
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def by_value(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bring the head's channels from (box, value) to (value, box), box after box, as NVIDIA has them."""
    result = dict(state)
    for kind in ("loc", "conf"):
        for level, boxes in enumerate((4, 6, 6, 6, 4, 4)):
            for part in ("weight", "bias"):
                name = f"{kind}.{level}.{part}"
                values = len(state[name]) // boxes
                order = [box * values + value for value in range(values) for box in range(boxes)]
                result[name] = state[name][order]
    return result


def test_nvidias_ssd_is_read_exactly(tmp_path: Path) -> None:
    model = random_detector(SSD)
    state = by_value(renamed(model.state_dict(), TO_NVIDIA))
    labels = {0: "background", 1: "cat", 2: "dog", 3: "cow"}
    found = saved(tmp_path, {"epoch": 3, "label_map": labels, "model": {f"module.{k}": v for k, v in state.items()}})
    assert (found.spec, found.dialect, found.classes) == (SSD, "nvidia-ssd", ("cat", "dog", "cow"))
    assert_same(found.model, model)
    assert not found.warnings


def test_an_ssd_without_label_map_is_loaded_with_a_warning(tmp_path: Path) -> None:
    found = saved(tmp_path, by_value(renamed(random_detector(SSD).state_dict(), TO_NVIDIA)))
    assert found.classes is None
    assert any("no label_map" in line for line in found.warnings)


def test_a_weight_of_a_detector_that_no_training_leaves_is_warned_about(tmp_path: Path) -> None:
    state = renamed(random_detector(POSE).state_dict(), TO_MICROSOFT)
    assert not saved(tmp_path, state).warnings
    state["final_layer.weight"][0, 0, 0, 0] = 1e20
    assert saved(tmp_path, state).warnings == ("final.weight holds values beyond 1e+12; the file may be damaged",)


def test_the_permuted_head_gives_what_nvidias_views_give() -> None:
    """NVIDIA views a level's map as (value, box and cell); torchvision's head gives (cell and box, value)."""
    boxes, values, images = 6, 4, torch.rand(2, 3, 5, 5)
    conv = nn.Conv2d(3, boxes * values, 3, padding=1)
    theirs = conv(images).view(2, values, boxes, 25).permute(0, 3, 2, 1).reshape(2, -1, values)
    names = {part: f"head.regression_head.module_list.0.{part}" for part in ("weight", "bias")}
    state = by_box({name: getattr(conv, part).detach() for part, name in names.items()})
    conv.load_state_dict({part: state[name] for part, name in names.items()})
    ours = conv(images).view(2, boxes, values, 5, 5).permute(0, 3, 4, 1, 2).reshape(2, -1, values)
    torch.testing.assert_close(ours, theirs)


def test_the_manifest_of_nvidias_file_is_ours_at_full_size() -> None:
    spec = DetectorSpec("ssd300", ModelSpec("resnet50", "none", 0), 80)
    manifest = renamed(build_outline(spec.build).state_dict(), TO_NVIDIA)
    assert len(manifest) == 342
    shapes = {
        name: tuple(manifest[name].shape) for name in ("loc.0.weight", "conf.1.weight", "additional_blocks.4.3.weight")
    }
    assert shapes == {
        "loc.0.weight": (16, 1024, 3, 3),
        "conf.1.weight": (486, 512, 3, 3),
        "additional_blocks.4.3.weight": (256, 128, 3, 3),
    }
    translated = DETECTOR_DIALECTS.get("nvidia-ssd").translate(manifest)
    own = {name: each.shape for name, each in build_outline(spec.build).state_dict().items()}
    assert {name: each.shape for name, each in translated.items()} == own


@pytest.mark.parametrize("old", [False, True])
def test_torchvisions_faster_rcnn_detects_the_same_after_the_way_through_a_file(tmp_path: Path, old: bool) -> None:
    theirs = torchvisions_faster_rcnn(2).eval()
    state = theirs.state_dict()
    if old:
        state = {
            re.sub(r"(_blocks\.\d)\.0\.", r"\1.", key).replace("head.conv.0.0.", "head.conv."): v
            for key, v in state.items()
        }
        assert "rpn.head.conv.weight" in state
    found = saved(tmp_path, state)
    assert found.spec.options == {"style": "torchvision", "channels": 16, "hidden": 32}
    model = found.model
    model.transform.min_size, model.transform.max_size = (96,), 160
    model.rpn._post_nms_top_n["testing"] = 200
    images = [torch.rand(3, 90, 120), torch.rand(3, 150, 100)]
    with torch.no_grad():
        for one, other in zip(model(images), theirs(images), strict=True):
            assert len(one["boxes"]) > 10
            assert torch.equal(one["labels"], other["labels"])
            torch.testing.assert_close(one["boxes"], other["boxes"], atol=1e-4, rtol=0)
            torch.testing.assert_close(one["scores"], other["scores"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [("a.pth", None, 1e-5), ("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", None, 0.0), ("a.pth", 1e-3, 1e-3)],
)
def test_the_epsilon_of_batch_norm_is_recorded(tmp_path: Path, name: str, given: float | None, expected: float) -> None:
    found = saved(tmp_path, random_detector(FASTER).state_dict(), name, bn_eps=given)
    assert {each.eps for each in found.model.modules() if isinstance(each, nn.BatchNorm2d)} == {expected}
    assert found.spec.options.get("bn_eps", 1e-5) == expected
    assert any(line.startswith(f"bn_eps {expected:g}") for line in found.evidence)


@pytest.mark.parametrize(
    "meta", [{"CLASSES": ("a", "b", "c", "d")}, {"dataset_meta": {"classes": ["a", "b", "c", "d"]}}]
)
def test_mmdetections_faster_rcnn_is_read_exactly(tmp_path: Path, meta: dict[str, object]) -> None:
    model = random_detector(FASTER)
    state = renamed(model.state_dict(), TO_MMDET)
    for part in ("weight", "bias"):
        scores = state[f"roi_head.bbox_head.fc_cls.{part}"]
        state[f"roi_head.bbox_head.fc_cls.{part}"] = torch.cat([scores[1:], scores[:1]])
    found = saved(tmp_path, {"meta": meta, "state_dict": state})
    assert (found.spec, found.dialect, found.classes) == (FASTER, "mmdet-faster-rcnn", ("a", "b", "c", "d"))
    assert_same(found.model, model)


@pytest.mark.parametrize(
    ("renames", "prefix", "dialect"),
    [
        (TO_MICROSOFT, "", "simple-baseline"),
        (TO_MICROSOFT, "module.", "simple-baseline"),
        (TO_MMPOSE, "", "mmpose"),
        (TO_MMPOSE_0, "", "mmpose"),
    ],
)
def test_simple_baselines_are_read_exactly(
    tmp_path: Path, renames: tuple[tuple[str, str], ...], prefix: str, dialect: str
) -> None:
    model = random_detector(POSE)
    found = saved(tmp_path, {"epoch": 1, "state_dict": renamed(model.state_dict(), renames, prefix)})
    assert (found.spec, found.dialect) == (POSE, dialect)
    assert_same(found.model, model)


def test_attention_in_somebody_elses_names_is_found_inside_a_detector(tmp_path: Path) -> None:
    model = random_detector(POSE)
    names = ((r"\.attention\.gate\.fc1\.", ".se.fc.0."), (r"\.attention\.gate\.fc2\.", ".se.fc.2."))
    found = saved(tmp_path, renamed(renamed(model.state_dict(), names), TO_MMPOSE))
    assert found.spec == POSE
    assert_same(found.model, model)


@pytest.mark.parametrize("writer", ["torchvision", "mmdet", "mmpose"])
def test_the_report_of_somebody_elses_file_names_the_whole_detector(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "detector.pth"
    state = {
        "torchvision": lambda: torchvisions_faster_rcnn(2).state_dict(),
        "mmdet": lambda: renamed(build_aside(FASTER.build).state_dict(), TO_MMDET),
        "mmpose": lambda: renamed(build_aside(POSE.build).state_dict(), TO_MMPOSE),
    }[writer]()
    torch.save({"state_dict": state, "meta": {"CLASSES": ("cat", "dog", "cow", "hen")}}, path)
    report, loaded = inspect_checkpoint(path), load_detector(path, device="cpu")
    assert (report.spec, report.classes, report.dialect) == (loaded.spec, loaded.classes, loaded.dialect)
    assert (report.problem, report.ignored, report.tensors) == (None, (), len(state))


def test_the_report_of_a_detector_of_another_kind_says_that_only_its_backbone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "detector.pth"
    state = {**torchvisions_faster_rcnn(2).state_dict(), "roi_heads.mask_head.conv.weight": torch.zeros(3)}
    torch.save(state, path)
    report = inspect_checkpoint(path)
    assert isinstance(report.spec, ModelSpec)
    (warning,) = [each for each in report.warnings if "as a detector it cannot be read, only its backbone" in each]
    assert "fit nowhere: roi_heads.mask_head.conv.weight" in warning
    assert "--detections NAME=FILE.json" in warning
    assert "--arch" not in warning


def changed(kind: str) -> object:
    if kind == "pose":
        state = renamed(build_aside(POSE.build).state_dict(), TO_MICROSOFT)
        del state["deconv_layers.3.weight"]
        return state
    state = renamed(build_aside(FASTER.build).state_dict(), TO_MMDET)
    if kind == "mmdet1":
        return {name.replace("roi_head.", ""): tensor for name, tensor in state.items()}
    if kind == "agnostic":
        state["roi_head.bbox_head.fc_reg.weight"] = torch.zeros(4, 32)
    if kind == "anchors":
        state["rpn_head.rpn_cls.weight"] = torch.zeros(15, 16, 1, 1)
    if kind == "classifier":
        return {"fc.weight": torch.zeros(3, 4)}
    if kind == "mask":
        state["roi_head.mask_head.conv.weight"] = torch.zeros(3)
    if kind == "scalar":
        state["roi_head.bbox_head.fc_cls.bias"] = torch.tensor(1.0)
    return {"meta": {"config": "backbone=dict(style='caffe')"}, "state_dict": state} if kind == "caffe" else state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mmdet1", "mmdetection 1; bring it to version 2"),
        ("agnostic", r"5 scores and 4 box values \(one box for all classes\)"),
        ("anchors", "15 anchors per cell, where one with a feature pyramid has 3"),
        ("caffe", "a backbone of the style 'caffe'"),
        ("classifier", "holds no detector that is known here"),
        ("mask", "1 of its tensors fit nowhere: roi_head.mask_head.conv.weight"),
        ("pose", "1 tensors of the network are not in it: deconvs.3.weight"),
        ("scalar", "a single number for roi_head.bbox_head.fc_cls.bias"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        saved(tmp_path, changed(kind))


def test_another_ssd_is_refused(tmp_path: Path) -> None:
    state = renamed(build_aside(SSD.build).state_dict(), TO_NVIDIA)
    state["loc.5.bias"] = torch.zeros(24)
    with pytest.raises(CheckpointError, match=r"SSD with \[4, 6, 6, 6, 4, 6\] boxes per cell"):
        saved(tmp_path, state)
