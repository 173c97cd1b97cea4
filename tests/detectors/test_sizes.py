"""Parameters, tensors and multiply-adds of the detectors at full size, counted without memory."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from autola_analysis.backbones import ModelSpec
from autola_analysis.backbones.building import build_outline
from autola_analysis.detectors import DetectorSpec

PARAMETERS = {
    "ssd300": {"none": 22_894_902, "se": 23_836_982, "cbam": 23_847_802, "hoga": 24_426_566},
    "faster-rcnn": {"none": 41_753_056, "se": 44_268_000, "cbam": 44_285_648, "hoga": 45_775_116},
    "pose": {"none": 33_999_697, "se": 36_514_641, "cbam": 36_532_289, "hoga": 38_021_757},
}
CLASSES = {"ssd300": 80, "faster-rcnn": 80, "pose": 17}


def spec(kind: str, attention: str = "none") -> DetectorSpec:
    return DetectorSpec(kind, ModelSpec("resnet50", attention, 0), CLASSES[kind])


@pytest.mark.parametrize(
    ("kind", "attention"), [(kind, name) for kind, counts in PARAMETERS.items() for name in counts]
)
def test_a_detector_has_the_computed_number_of_parameters(kind: str, attention: str) -> None:
    assert spec(kind, attention).parameters == PARAMETERS[kind][attention]


def test_ssd_has_the_tensors_of_the_reference_file() -> None:
    tensors = build_outline(spec("ssd300").build).state_dict()
    sizes = {
        name: [value.numel() for key, value in tensors.items() if name in key] for name in ("body", "extras", "head")
    }
    assert {name: len(values) for name, values in sizes.items()} == {"body": 258, "extras": 60, "head": 24}
    assert len(tensors) == 342
    assert sum(sizes["head"]) == 497_784 + 10_080_126


def test_torchvisions_faster_rcnn_has_its_published_number_of_parameters() -> None:
    """Theirs counts no parameters of the frozen batch norms: two for each of 26,560 channels."""
    network = DetectorSpec("faster-rcnn", ModelSpec("resnet50", "none", 0), 90, {"style": "torchvision"})
    assert network.parameters == 41_808_406 == 41_755_286 + 2 * 26_560


def gigamacs(module: torch.nn.Module, *inputs: torch.Tensor | list[torch.Tensor]) -> float:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module.eval()(*inputs)
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize(("attention", "expected"), [("none", 13.52), ("hoga", 15.66)])
def test_multiply_adds_of_ssd(attention: str, expected: float) -> None:
    model = build_outline(spec("ssd300", attention).build).eval()
    images = torch.zeros(1, 3, 300, 300, device="meta")
    maps = list(model.backbone(images).values())
    assert [each.shape[-1] for each in maps] == [38, 19, 10, 5, 3, 1]
    extras = sum(gigamacs(block, each) for block, each in zip(model.backbone.extras, maps, strict=False))
    assert gigamacs(model.backbone, images) - extras == pytest.approx(expected, abs=0.005)
    assert extras == pytest.approx(0.99, abs=0.005)
    assert gigamacs(model.head, maps) == pytest.approx(5.65, abs=0.005)


@pytest.mark.parametrize(("attention", "expected"), [("none", 4.00), ("hoga", 4.60)])
def test_multiply_adds_of_the_trunk_of_the_pose_network(attention: str, expected: float) -> None:
    model = build_outline(spec("pose", attention).build)
    images = torch.zeros(1, 3, 256, 192, device="meta")
    assert gigamacs(model.backbone, images) == pytest.approx(expected, abs=0.005)
    assert model(images).shape == (1, 17, 64, 48)
